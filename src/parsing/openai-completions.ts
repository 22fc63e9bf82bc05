/** OpenAI completions, and vLLM's rendering of their prompts: model and a prompt, as text, texts or token ids. */
import { layout } from "../wasm/layout.ts";
import { type ParserDefinition, suffixes } from "./parser.ts";
import { missingModel, missingPrompt } from "./required-fields.ts";
import { USAGE_OBJECT } from "./usage.ts";

export const openaiCompletionsParser: ParserDefinition = {
  type: "openai-parser",
  claims: suffixes("completions", "completions/render"),
  body: { kind: "json", api: layout.API_OPENAI_COMPLETIONS },
  usageFormat: USAGE_OBJECT,
  skipsResponse: false,
  findMissing: (facts) =>
    missingModel(facts) ?? missingPrompt(facts, "prompt", "a text, a list of texts or a list of token ids"),
};
