/**
 * The prompt's bytes, in the order in which chat templates use the parts: tools, then role and content of each message,
 * without separators. Only text counts; images and other attachments take no tokens here.
 */
import { badRequest } from "./api-error.ts";
import { type Fields, isFields } from "./fields.ts";
import { TOKEN_SIZE } from "./tokens.ts";

export interface Prompt {
  readonly bytes: Buffer;
  /**
   * What comes between prompt and reply: a chat template ends with the role that is to speak. So the reply, when the
   * client sends it back as the next message, is found in the KV cache.
   */
  readonly replyPrefix: string;
}

/** Throws `ApiError`. */
export function readChatPrompt(fields: Fields): Prompt {
  const messages = fields["messages"];
  if (!Array.isArray(messages) || messages.length === 0) {
    throw badRequest("messages must be an array with at least one message", "messages");
  }
  const tools = fields["tools"] ?? undefined;
  const parts = messages.map(messageText);
  if (tools !== undefined) parts.unshift(JSON.stringify(tools));
  return { bytes: Buffer.from(parts.join("")), replyPrefix: "assistant" };
}

/** Throws `ApiError`. One prompt per request: a text, or token numbers. */
export function readCompletionPrompt(fields: Fields): Prompt {
  const prompt = fields["prompt"];
  const isListOfOne = Array.isArray(prompt) && prompt.length === 1 && typeof prompt[0] !== "number";
  const only: unknown = isListOfOne ? prompt[0] : prompt;
  if (typeof only === "string") return { bytes: Buffer.from(only), replyPrefix: "" };
  if (Array.isArray(only) && only.every(Number.isInteger)) return { bytes: tokenBytes(only), replyPrefix: "" };
  throw badRequest("prompt must be one string or one array of token numbers", "prompt");
}

function messageText(message: unknown): string {
  if (!isFields(message) || typeof message["role"] !== "string") {
    throw badRequest("each message must be an object with a role", "messages");
  }
  return message["role"] + contentText(message["content"]);
}

function contentText(content: unknown): string {
  if (typeof content === "string") return content;
  // An assistant's message that only calls tools has no content.
  if (content === undefined || content === null) return "";
  if (!Array.isArray(content)) throw badRequest("content must be a string or an array of parts", "messages");
  return content.map((part) => (isFields(part) && typeof part["text"] === "string" ? part["text"] : "")).join("");
}

function tokenBytes(tokens: readonly number[]): Buffer {
  const bytes = Buffer.alloc(tokens.length * TOKEN_SIZE);
  for (const [index, token] of tokens.entries()) bytes.writeUInt32LE(token >>> 0, index * TOKEN_SIZE);
  return bytes;
}
