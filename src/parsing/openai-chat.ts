/** OpenAI chat completions: model and at least one message. */
import { layout } from "../wasm/layout.ts";
import type { ParserDefinition } from "./parser.ts";
import { USAGE_OBJECT } from "./usage.ts";

export const openaiChatParser: ParserDefinition = {
  type: "openai-parser",
  pathSuffixes: ["chat/completions"],
  api: layout.API_OPENAI_CHAT,
  usageFormat: USAGE_OBJECT,
  findMissing: ({ model, messageCount }) => {
    if (model === undefined || model === "") return "model not found in request body";
    return messageCount === 0 ? "request body has no messages: at least one is required" : undefined;
  },
};
