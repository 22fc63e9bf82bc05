/** The data source that fetches every endpoint's Prometheus metrics. */
import type { PluginDefinition } from "../framework/plugin.ts";
import { describeSource, type SourceParameters, sourceParameters } from "./source-parameters.ts";

export const metricsDataSource: PluginDefinition<SourceParameters> = {
  type: "metrics-data-source",
  stability: "stable",
  summary: "Fetches the Prometheus metrics of every endpoint.",
  facets: ["data-source"],
  parameters: sourceParameters("/metrics", "every tick"),
  create: (parameters) => ({ dataSource: describeSource("metrics", parameters, undefined) }),
};
