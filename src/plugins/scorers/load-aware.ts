/** Prefers endpoints with short queues, on a scale that does not depend on the other candidates. */
import { z } from "zod";
import { queueDepthRequests } from "../../framework/attributes.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

export interface LoadAwareParameters {
  /** Queue depth at which the score is 0. */
  readonly threshold: number;
}

/** The Go picker's: a queue of 128 requests is hopeless for any engine. */
const THRESHOLD_DEFAULT = 128;

/**
 * score = 0.5 × (1 − min(q, T) / T), q the requests waiting at an endpoint, T the threshold: 0.5 for an empty queue, 0
 * from the threshold on. An unknown q scores the mean of the known ones, or 1 when none is known. Source of the
 * formula: the Go picker's scorer of the same type.
 */
export const loadAwareScorer: PluginDefinition<LoadAwareParameters> = {
  type: "load-aware-scorer",
  stability: "stable",
  summary: "Prefers endpoints with short queues, up to a threshold, whatever the queues of the others.",
  facets: ["scorer"],
  consumes: () => ({ required: [{ key: queueDepthRequests }] }),
  parameters: z.strictObject({
    threshold: z
      .int()
      .default(THRESHOLD_DEFAULT)
      .meta({ description: "queue depth that scores 0; below 1 means the default" }),
  }),
  create: ({ threshold }, { warn }) => {
    const isUsable = threshold > 0;
    if (!isUsable) warn(`threshold ${threshold} is not above 0; ${THRESHOLD_DEFAULT} is used`);
    return { scorer: { op: "loadAware", parameters: [isUsable ? threshold : THRESHOLD_DEFAULT] } };
  },
};
