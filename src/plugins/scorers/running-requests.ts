/** Prefers endpoints that work on few requests: 1 for the fewest among the candidates, 0 for the most. */
import { runningRequests } from "../../framework/attributes.ts";
import { ignoredParameters, warnOfIgnored } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

/**
 * score = (max − r) / (max − min), r the requests that an endpoint runs; equal ones score 1.
 *
 * r is the scraped count plus the requests sent since that scrape, so a burst spreads before the next scrape sees it.
 * An unknown r (never scraped, or stale) scores the mean of the known ones, or 1 when none is known. Source of the
 * formula: the Go picker's scorer of the same type.
 */
export const runningRequestsScorer: PluginDefinition = {
  type: "running-requests-size-scorer",
  stability: "stable",
  summary: "Prefers endpoints that work on few requests.",
  facets: ["scorer"],
  consumes: () => ({ required: [{ key: runningRequests }] }),
  parameters: ignoredParameters,
  create: (parameters, context) => {
    warnOfIgnored(parameters, context);
    return { scorer: { op: "runningRequests" } };
  },
};
