/** OpenAI chat completions, and vLLM's rendering of their prompts: model and at least one message. */
import { layout } from "../wasm/layout.ts";
import { type ParserDefinition, suffixes } from "./parser.ts";
import { missingElements, missingModel } from "./required-fields.ts";
import { USAGE_OBJECT } from "./usage.ts";

export const openaiChatParser: ParserDefinition = {
  type: "openai-parser",
  claims: suffixes("chat/completions", "chat/completions/render"),
  body: { kind: "json", api: layout.API_OPENAI_CHAT },
  usageFormat: USAGE_OBJECT,
  skipsResponse: false,
  findMissing: (facts) => missingModel(facts) ?? missingElements(facts, "messages"),
};
