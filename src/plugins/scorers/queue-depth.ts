/** Prefers endpoints with short queues: 1 for the shortest among the candidates, 0 for the longest. */
import { queueDepthRequests } from "../../framework/attributes.ts";
import { type NoParameters, noParameters } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

/**
 * score = (max − q) / (max − min), q the requests waiting at an endpoint; equal queues score 1.
 *
 * q is the scraped depth plus the requests sent since that scrape, so a burst spreads before the next scrape sees it.
 * An unknown q (never scraped, or stale) scores the mean of the known ones, or 1 when none is known. Source of the
 * formula: the Go picker's scorer of the same type, which counts an unknown queue as empty.
 */
export const queueDepthScorer: PluginDefinition<NoParameters> = {
  type: "queue-scorer",
  stability: "stable",
  summary: "Prefers endpoints with short queues.",
  consumes: () => ({ required: [{ key: queueDepthRequests }] }),
  facets: ["scorer"],
  parameters: noParameters,
  create: () => ({ scorer: { op: "queueDepth" } }),
};
