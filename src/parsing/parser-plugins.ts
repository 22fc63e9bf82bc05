/** The parsers as plugins, so that configurations can list them. What they do is in the table of `parsers.ts`. */
import { ignoredParameters, warnOfIgnored } from "../framework/parameters.ts";
import type { PluginDefinition } from "../framework/plugin.ts";
import type { ParserType } from "./parser.ts";

const SUMMARIES: Readonly<Record<ParserType, string>> = {
  "openai-parser": "Reads the OpenAI APIs: chat, completions, embeddings, responses, conversations, images.",
  "anthropic-parser": "Reads the Anthropic messages API.",
  "vllmhttp-parser": "Reads vLLM's generate API.",
  "sglanghttp-parser": "Reads SGLang's generate API.",
  "vllmgrpc-parser": "Reads vLLM's gRPC API.",
  "vertexai-parser": "Reads Vertex AI's prediction API.",
  "passthrough-parser": "Takes every other request; knows no model and no prompt.",
};

/** A user's own parser is a plugin too, of a type of its own. */
export const PARSER_PLUGINS: readonly PluginDefinition[] = Object.entries(SUMMARIES).map(([type, summary]) => ({
  type,
  stability: "stable",
  summary,
  facets: ["parser"],
  parameters: ignoredParameters,
  create: (parameters, context) => {
    warnOfIgnored(parameters, context);
    return {};
  },
}));
