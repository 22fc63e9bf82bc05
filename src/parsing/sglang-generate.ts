/** SGLang's own HTTP API: text or token ids. It knows no model: a server has one. */
import { layout } from "../wasm/layout.ts";
import type { ParserDefinition } from "./parser.ts";
import { missingPrompt } from "./required-fields.ts";
import { META_INFO } from "./usage.ts";

export const sglangGenerateParser: ParserDefinition = {
  type: "sglanghttp-parser",
  // Not a suffix: vLLM's path ends with it.
  claims: [{ kind: "path", text: "/generate" }],
  body: { kind: "json", api: layout.API_SGLANG_GENERATE },
  usageFormat: META_INFO,
  skipsResponse: false,
  findMissing: (facts) => missingPrompt(facts, "prompt", "text or input_ids"),
};
