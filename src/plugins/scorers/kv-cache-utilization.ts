/** Prefers endpoints with free KV cache. */
import { kvCacheUsageFraction } from "../../framework/attributes.ts";
import { type NoParameters, noParameters } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

/**
 * score = 1 − k, k the fraction of KV cache blocks in use, not normalised over the candidates. An unknown k scores the
 * mean of the known ones, or 1 when none is known. Source of the formula: the Go picker's scorer of the same type.
 */
export const kvCacheUtilizationScorer: PluginDefinition<NoParameters> = {
  type: "kv-cache-utilization-scorer",
  stability: "stable",
  summary: "Prefers endpoints with free KV cache.",
  consumes: () => ({ required: [{ key: kvCacheUsageFraction }] }),
  facets: ["scorer"],
  parameters: noParameters,
  create: () => ({ scorer: { op: "kvCacheUtilization" } }),
};
