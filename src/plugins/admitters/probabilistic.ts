/** Refuses a growing part of the requests that may be shed, as the pool fills. */
import { z } from "zod";
import { EppError } from "../../base/errors.ts";
import { kvCacheUsageFraction, queueDepthRequests } from "../../framework/attributes.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

export interface ProbabilisticAdmitterParameters {
  /** Queue depth, and fraction of KV cache in use, at which an endpoint counts as full. */
  readonly queueDepthThreshold: number;
  readonly kvCacheUtilThreshold: number;
  /** How late, and how steeply, refusals begin. */
  readonly power: number;
  readonly k: number;
}

/**
 * A request of negative priority is refused with the probability min(k × s^power, 1), s the mean over the pool of
 * max(queue / queueDepthThreshold, KV usage / kvCacheUtilThreshold); an endpoint with unknown load counts as full.
 * Answers 429, where the Go picker's admitter of the same type answers 500. Source of the formula: that admitter.
 */
export const probabilisticAdmitter: PluginDefinition<ProbabilisticAdmitterParameters> = {
  type: "probabilistic-admitter",
  stability: "stable",
  summary: "Refuses requests of negative priority with 429, the more of them the fuller the pool is.",
  facets: ["admitter"],
  consumes: () => ({ required: [{ key: queueDepthRequests }, { key: kvCacheUsageFraction }] }),
  parameters: z.strictObject({
    queueDepthThreshold: z.int().min(1).default(5).meta({ description: "waiting requests of a full endpoint" }),
    kvCacheUtilThreshold: z.number().positive().default(0.8).meta({ description: "KV cache usage of a full endpoint" }),
    power: z.number().positive().default(5).meta({ description: "exponent of the saturation" }),
    k: z.number().positive().default(300).meta({ description: "factor of the probability" }),
  }),
  create: ({ queueDepthThreshold, kvCacheUtilThreshold, power, k }, { random }) => ({
    admitter: {
      admit(request, pool) {
        if (request.priority >= 0 || pool.endpointCount === 0) return undefined;
        const saturation = pool.meanUtilization(queueDepthThreshold, kvCacheUtilThreshold);
        if (random() >= Math.min(1, k * saturation ** power)) return undefined;
        const message = `sheddable request refused at a saturation of ${saturation.toFixed(3)}`;
        return new EppError("ResourceExhausted", message, { droppedReason: "rejected-saturated" });
      },
    },
  }),
};
