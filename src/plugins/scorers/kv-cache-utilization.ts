/** Prefers endpoints with free KV cache. */
import { kvCacheUsageFraction } from "../../framework/attributes.ts";
import { type NoParameters, noParameters } from "../../framework/parameters.ts";
import type { ScorerDefinition } from "../../framework/plugin.ts";
import { SCORER_OPS } from "../../wasm/policies.ts";

/**
 * score = 1 − k, k the fraction of KV cache blocks in use, not normalised over the candidates. An unknown k scores the
 * mean of the known ones, or 1 when none is known. Source of the formula: the Go picker's scorer of the same type.
 */
export const kvCacheUtilizationScorer: ScorerDefinition<NoParameters> = {
  kind: "scorer",
  type: "kv-cache-utilization-scorer",
  stability: "stable",
  summary: "Prefers endpoints with free KV cache.",
  consumes: { required: [kvCacheUsageFraction] },
  parameters: noParameters,
  create: () => ({ program: { op: SCORER_OPS.kvCacheUtilization } }),
};
