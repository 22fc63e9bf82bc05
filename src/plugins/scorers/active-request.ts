/** Prefers endpoints to which the picker has few requests in flight, by its own count: no scrape, no delay. */
import { z } from "zod";
import { inFlightLoad } from "../../framework/attributes.ts";
import { producerName, warnOfDeprecated } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

export interface ActiveRequestParameters {
  /** Requests in flight up to which an endpoint counts as idle. */
  readonly idleThreshold: number;
  /** Score of the least busy endpoint that is not idle, at most. */
  readonly maxBusyScore: number;
  readonly inFlightLoadProducerName?: string | undefined;
  readonly requestTimeout?: string | undefined;
}

/**
 * 1 for an idle endpoint; else (max − c) / max × maxBusyScore, c its requests in flight over all shards, max the most
 * among the candidates. Source of the formula: the Go picker's scorer of the same type, as are the values that
 * parameters out of range mean.
 */
export const activeRequestScorer: PluginDefinition<ActiveRequestParameters> = {
  type: "active-request-scorer",
  stability: "stable",
  summary: "Prefers endpoints with few requests in flight, by the picker's own count.",
  facets: ["scorer"],
  consumes: ({ inFlightLoadProducerName }) => ({
    required: [{ key: inFlightLoad, producer: inFlightLoadProducerName }],
  }),
  parameters: z.strictObject({
    idleThreshold: z
      .int()
      .default(0)
      .meta({ description: "requests up to which an endpoint is idle; below 0 means 0" }),
    maxBusyScore: z
      .number()
      .default(1)
      .meta({ description: "highest score of a busy endpoint; outside 0 to 1 means 1" }),
    inFlightLoadProducerName: producerName,
    requestTimeout: z.string().optional().meta({ description: "deprecated, ignored" }),
  }),
  create: (parameters, context) => {
    const { idleThreshold, maxBusyScore } = parameters;
    warnOfDeprecated(parameters, { requestTimeout: "leave it out; requests are counted until they end" }, context);
    if (idleThreshold < 0) context.warn(`idleThreshold ${idleThreshold} is below 0; 0 is used`);
    const isShare = maxBusyScore >= 0 && maxBusyScore <= 1;
    if (!isShare) context.warn(`maxBusyScore ${maxBusyScore} is not in 0 to 1; 1 is used`);
    return {
      scorer: { op: "activeRequest", parameters: [Math.max(0, idleThreshold), isShare ? maxBusyScore : 1] },
    };
  },
};
