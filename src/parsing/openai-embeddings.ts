/** OpenAI embeddings: model and an input, as text, texts or token ids. Each text is embedded by itself. */
import { layout } from "../wasm/layout.ts";
import { type ParserDefinition, suffixes } from "./parser.ts";
import { missingModel, missingPrompt } from "./required-fields.ts";
import { USAGE_OBJECT } from "./usage.ts";

export const openaiEmbeddingsParser: ParserDefinition = {
  type: "openai-parser",
  claims: suffixes("embeddings"),
  body: { kind: "json", api: layout.API_OPENAI_EMBEDDINGS },
  usageFormat: USAGE_OBJECT,
  skipsResponse: false,
  findMissing: (facts) =>
    missingModel(facts) ?? missingPrompt(facts, "input", "a text, a list of texts or a list of token ids"),
};
