/** OpenAI completions: model and a prompt, as text, texts or token ids. */
import { layout } from "../wasm/layout.ts";
import type { ParserDefinition } from "./parser.ts";
import { USAGE_OBJECT } from "./usage.ts";

export const openaiCompletionsParser: ParserDefinition = {
  type: "openai-parser",
  pathSuffixes: ["completions"],
  api: layout.API_OPENAI_COMPLETIONS,
  usageFormat: USAGE_OBJECT,
  findMissing: ({ model, hasPrompt }) => {
    if (model === undefined || model === "") return "model not found in request body";
    return hasPrompt
      ? undefined
      : "request body has no prompt: a text, a list of texts or a list of token ids is required";
  },
};
