/** Prefers endpoints with free KV cache. */
import { kvCacheUsageFraction } from "../../framework/attributes.ts";
import { ignoredParameters, warnOfIgnored } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

/**
 * score = 1 − k, k the fraction of KV cache blocks in use, not normalised over the candidates. An unknown k scores the
 * mean of the known ones, or 1 when none is known. Source of the formula: the Go picker's scorer of the same type.
 */
export const kvCacheUtilizationScorer: PluginDefinition = {
  type: "kv-cache-utilization-scorer",
  stability: "stable",
  summary: "Prefers endpoints with free KV cache.",
  facets: ["scorer"],
  consumes: () => ({ required: [{ key: kvCacheUsageFraction }] }),
  parameters: ignoredParameters,
  create: (parameters, context) => {
    warnOfIgnored(parameters, context);
    return { scorer: { op: "kvCacheUtilization" } };
  },
};
