/**
 * OpenAI responses: model and an input. A streamed response says what it cost in its last event, `response.completed`.
 */
import { layout } from "../wasm/layout.ts";
import { type ParserDefinition, suffixes } from "./parser.ts";
import { missingModel, missingPrompt } from "./required-fields.ts";
import { USAGE_OBJECT } from "./usage.ts";

export const openaiResponsesParser: ParserDefinition = {
  type: "openai-parser",
  claims: suffixes("responses"),
  body: { kind: "json", api: layout.API_OPENAI_RESPONSES },
  usageFormat: USAGE_OBJECT,
  skipsResponse: false,
  findMissing: (facts) => missingModel(facts) ?? missingPrompt(facts, "input", "a text or a list of items"),
};
