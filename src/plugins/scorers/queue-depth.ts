/** Prefers endpoints with short queues: 1 for the shortest among the candidates, 0 for the longest. */
import { queueDepthRequests } from "../../framework/attributes.ts";
import { ignoredParameters, warnOfIgnored } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

/**
 * score = (max − q) / (max − min), q the requests waiting at an endpoint; equal queues score 1.
 *
 * q is the scraped depth plus the requests sent since that scrape, so a burst spreads before the next scrape sees it.
 * An unknown q (never scraped, or stale) scores the mean of the known ones, or 1 when none is known. Source of the
 * formula: the Go picker's scorer of the same type, which counts an unknown queue as empty.
 */
export const queueDepthScorer: PluginDefinition = {
  type: "queue-scorer",
  stability: "stable",
  summary: "Prefers endpoints with short queues.",
  facets: ["scorer"],
  consumes: () => ({ required: [{ key: queueDepthRequests }] }),
  parameters: ignoredParameters,
  create: (parameters, context) => {
    warnOfIgnored(parameters, context);
    return { scorer: { op: "queueDepth" } };
  },
};
