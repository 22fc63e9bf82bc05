/** The extractor that reads a list of models in OpenAI's shape. */
import { ignoredParameters, warnOfIgnored } from "../framework/parameters.ts";
import type { PluginDefinition } from "../framework/plugin.ts";

export const modelsDataExtractor: PluginDefinition = {
  type: "models-data-extractor",
  stability: "stable",
  summary: "Reads which models an endpoint serves, adapters included.",
  facets: ["extractor"],
  parameters: ignoredParameters,
  create: (parameters, context) => {
    warnOfIgnored(parameters, context);
    return { extractor: { kind: "models" } };
  },
};
