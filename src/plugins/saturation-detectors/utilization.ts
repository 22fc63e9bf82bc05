/** How full the pool is by what the engines report: waiting requests and KV cache. Also a filter of full endpoints. */
import { z } from "zod";
import { kvCacheUsageFraction, queueDepthRequests } from "../../framework/attributes.ts";
import { positiveDurationMs } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

export interface UtilizationDetectorParameters {
  readonly queueDepthThreshold: number;
  readonly kvCacheUtilThreshold: number;
  /** Milliseconds; parameters give it as a duration. */
  readonly metricsStalenessThreshold: number;
  /** Share by which the filter's limits exceed the thresholds. */
  readonly headroom: number;
}

/**
 * Saturation: the mean over the endpoints of max(q / queue threshold, k / KV threshold), 1 for an endpoint with missing
 * or stale metrics, and 1 for an empty pool. As a filter it keeps the endpoints with fresh metrics and both q and k
 * below threshold × (1 + headroom); all, when there is none such. Source of the formulas: the Go picker's detector of
 * the same type.
 */
export const utilizationDetector: PluginDefinition<UtilizationDetectorParameters> = {
  type: "utilization-detector",
  stability: "stable",
  summary: "Judges how full the pool is by queues and KV cache; as a filter, keeps endpoints below the thresholds.",
  facets: ["saturation-detector", "filter"],
  consumes: () => ({ required: [{ key: queueDepthRequests }, { key: kvCacheUsageFraction }] }),
  parameters: z.strictObject({
    queueDepthThreshold: z.int().min(1).default(5).meta({ description: "waiting requests of a full endpoint" }),
    kvCacheUtilThreshold: z
      .number()
      .positive()
      .max(1)
      .default(0.8)
      .meta({ description: "KV cache usage of a full endpoint" }),
    metricsStalenessThreshold: positiveDurationMs
      .prefault("200ms")
      .meta({ description: "duration; older metrics count as full" }),
    headroom: z.number().min(0).default(0).meta({ description: "share above the thresholds that the filter allows" }),
  }),
  create: ({ queueDepthThreshold, kvCacheUtilThreshold, metricsStalenessThreshold, headroom }) => {
    const parameters = [queueDepthThreshold, kvCacheUtilThreshold, metricsStalenessThreshold, headroom];
    return {
      saturationDetector: { op: "utilization", parameters },
      filter: { op: "belowUtilization", parameters },
    };
  },
};
