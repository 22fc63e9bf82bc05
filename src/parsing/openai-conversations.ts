/** OpenAI conversations: at least one item. The API knows no model. */
import { layout } from "../wasm/layout.ts";
import { type ParserDefinition, suffixes } from "./parser.ts";
import { missingElements } from "./required-fields.ts";
import { USAGE_OBJECT } from "./usage.ts";

export const openaiConversationsParser: ParserDefinition = {
  type: "openai-parser",
  claims: suffixes("conversations"),
  body: { kind: "json", api: layout.API_OPENAI_CONVERSATIONS },
  usageFormat: USAGE_OBJECT,
  skipsResponse: false,
  findMissing: (facts) => missingElements(facts, "items"),
};
