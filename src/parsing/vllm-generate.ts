/** vLLM's own HTTP API: token ids. A server of one model needs no name for it. */
import { layout } from "../wasm/layout.ts";
import { type ParserDefinition, suffixes } from "./parser.ts";
import { missingPrompt } from "./required-fields.ts";
import { USAGE_OBJECT } from "./usage.ts";

export const vllmGenerateParser: ParserDefinition = {
  type: "vllmhttp-parser",
  claims: suffixes("inference/v1/generate"),
  body: { kind: "json", api: layout.API_VLLM_GENERATE },
  usageFormat: USAGE_OBJECT,
  skipsResponse: false,
  findMissing: (facts) => missingPrompt(facts, "token_ids", "a list of token ids"),
};
