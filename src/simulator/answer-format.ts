/**
 * The JSON of the two OpenAI generation APIs: whole answers and stream chunks, with the fields and their order as vLLM
 * has them.
 */
import type { GenerationApi } from "./generation-request.ts";

export interface AnswerHead {
  readonly id: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly model: string;
}

export interface Usage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly replyTokens: number;
}

export interface AnswerFormat {
  readonly idPrefix: string;
  /** A whole answer. */
  answer(head: AnswerHead, text: string, finishReason: string, usage: Usage): unknown;
  /** Sent before the first text. */
  opening(head: AnswerHead): unknown;
  /** Text of a stream; the last one says why it is the last. */
  chunk(head: AnswerHead, text: string, finishReason: string | null): unknown;
  /** Figures at the end of a stream. */
  usageChunk(head: AnswerHead, usage: Usage): unknown;
}

const chatFormat: AnswerFormat = {
  idPrefix: "chatcmpl-",
  answer: (head, text, finishReason, usage) => {
    const message = { role: "assistant", content: text };
    const choice = { index: 0, message, logprobs: null, finish_reason: finishReason };
    return envelope(head, "chat.completion", [choice], usage);
  },
  opening: (head) => chatChunk(head, { role: "assistant", content: "" }, null),
  chunk: (head, text, finishReason) => chatChunk(head, { content: text }, finishReason),
  usageChunk: (head, usage) => envelope(head, "chat.completion.chunk", [], usage),
};

const completionFormat: AnswerFormat = {
  idPrefix: "cmpl-",
  answer: (head, text, finishReason, usage) =>
    envelope(head, "text_completion", [completionChoice(text, finishReason)], usage),
  opening: () => undefined,
  chunk: (head, text, finishReason) => envelope(head, "text_completion", [completionChoice(text, finishReason)]),
  usageChunk: (head, usage) => envelope(head, "text_completion", [], usage),
};

export const ANSWER_FORMATS: Readonly<Record<GenerationApi, AnswerFormat>> = {
  chat: chatFormat,
  completions: completionFormat,
};

function chatChunk(head: AnswerHead, delta: object, finishReason: string | null): unknown {
  const choice = { index: 0, delta, logprobs: null, finish_reason: finishReason };
  return envelope(head, "chat.completion.chunk", [choice]);
}

function completionChoice(text: string, finishReason: string | null): unknown {
  return { index: 0, text, logprobs: null, finish_reason: finishReason };
}

function envelope(head: AnswerHead, object: string, choices: readonly unknown[], usage?: Usage): unknown {
  const common = { id: head.id, object, created: head.created, model: head.model, choices };
  if (usage === undefined) return common;
  const { promptTokens, replyTokens, cachedTokens } = usage;
  return {
    ...common,
    usage: {
      prompt_tokens: promptTokens,
      total_tokens: promptTokens + replyTokens,
      completion_tokens: replyTokens,
      prompt_tokens_details: { cached_tokens: cachedTokens },
    },
  };
}
