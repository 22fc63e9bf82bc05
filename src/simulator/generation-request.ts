/**
 * From a request body to what the engine needs: model, prompt bytes, limits. Fields that change nothing here, such as
 * `temperature`, are accepted and ignored, as their effect on a router is none.
 */
import { badRequest, unknownModel } from "./api-error.ts";
import { type Fields, isFields, optionalField, parseFields } from "./fields.ts";
import type { SimulatorSettings } from "./options.ts";
import { type Prompt, readChatPrompt, readCompletionPrompt } from "./prompt.ts";
import { countTokens } from "./tokens.ts";

export type GenerationApi = "chat" | "completions";

export interface GenerationRequest {
  readonly api: GenerationApi;
  readonly model: string;
  /** Absent when the base model is asked. */
  readonly adapter: string | undefined;
  readonly prompt: Prompt;
  readonly cacheSalt: string;
  /** The reply ends here at the latest: the client's limit, or what the context leaves. */
  readonly cutoffTokens: number;
  readonly ignoresEnd: boolean;
  readonly isStream: boolean;
  /** A stream ends with a chunk of usage figures. */
  readonly includesUsage: boolean;
}

type ServedModels = Pick<SimulatorSettings, "model" | "adapters" | "contextTokensMax" | "replyTokensCutoff">;

/** Throws `ApiError`. */
export function parseGenerationRequest(api: GenerationApi, body: Buffer, served: ServedModels): GenerationRequest {
  const fields = parseFields(body);
  const model = fields["model"] ?? served.model;
  if (typeof model !== "string") throw badRequest("model must be a string", "model");
  if (model !== served.model && !served.adapters.includes(model)) throw unknownModel(model);
  const prompt = api === "chat" ? readChatPrompt(fields) : readCompletionPrompt(fields);
  return {
    api,
    model,
    adapter: model === served.model ? undefined : model,
    prompt,
    cacheSalt: optionalField(fields, "cache_salt", "string") ?? "",
    cutoffTokens: Math.min(readReplyLimit(api, fields) ?? served.replyTokensCutoff, roomForReply(prompt, served)),
    ignoresEnd: optionalField(fields, "ignore_eos", "boolean") ?? false,
    isStream: optionalField(fields, "stream", "boolean") ?? false,
    includesUsage: readIncludesUsage(fields),
  };
}

function readReplyLimit(api: GenerationApi, fields: Fields): number | undefined {
  const names = api === "chat" ? ["max_completion_tokens", "max_tokens"] : ["max_tokens"];
  for (const name of names) {
    const limit = optionalField(fields, name, "number");
    if (limit === undefined) continue;
    if (!Number.isInteger(limit) || limit < 1) throw badRequest(`${name} must be at least 1, got ${limit}`, name);
    return limit;
  }
  return undefined;
}

function roomForReply(prompt: Prompt, served: ServedModels): number {
  const room = served.contextTokensMax - countTokens(prompt.bytes.length + prompt.replyPrefix.length);
  if (room >= 1) return room;
  const promptTokens = countTokens(prompt.bytes.length);
  throw badRequest(`The prompt's ${promptTokens} tokens leave no room in a context of ${served.contextTokensMax}`);
}

function readIncludesUsage(fields: Fields): boolean {
  const streamOptions = fields["stream_options"] ?? {};
  if (!isFields(streamOptions)) throw badRequest("stream_options must be an object", "stream_options");
  return optionalField(streamOptions, "include_usage", "boolean") ?? false;
}
