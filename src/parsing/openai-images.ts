/** OpenAI image generation: model and a prompt, which is one text. */
import { layout } from "../wasm/layout.ts";
import { type ParserDefinition, suffixes } from "./parser.ts";
import { missingModel, missingPrompt } from "./required-fields.ts";
import { USAGE_OBJECT } from "./usage.ts";

export const openaiImagesParser: ParserDefinition = {
  type: "openai-parser",
  claims: suffixes("images/generations"),
  body: { kind: "json", api: layout.API_OPENAI_IMAGES },
  usageFormat: USAGE_OBJECT,
  skipsResponse: false,
  findMissing: (facts) => missingModel(facts) ?? missingPrompt(facts, "prompt", "a text"),
};
