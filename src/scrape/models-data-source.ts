/** The data source that fetches the list of models that every endpoint serves. */
import { formatDuration } from "../base/duration.ts";
import { MODELS_INTERVAL_MS } from "../config/defaults.ts";
import type { PluginDefinition } from "../framework/plugin.ts";
import { describeSource, type SourceParameters, sourceParameters } from "./source-parameters.ts";

export const modelsDataSource: PluginDefinition<SourceParameters> = {
  type: "models-data-source",
  stability: "stable",
  summary: "Fetches the list of models that every endpoint serves.",
  facets: ["data-source"],
  parameters: sourceParameters("/v1/models", formatDuration(MODELS_INTERVAL_MS)),
  create: (parameters) => ({ dataSource: describeSource("models", parameters, MODELS_INTERVAL_MS) }),
};
