/**
 * What a request is charged as while it is in flight: one request, and the tokens of its prompt that its endpoint did
 * not hold. The counting is done in the kernel, over all shards; this plugin says what counts.
 */
import { z } from "zod";
import { inFlightLoad, prefixMatch, promptTokens } from "../../framework/attributes.ts";
import { producerName } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

export interface InflightLoadParameters {
  /** Charge an estimate of the output as well. */
  readonly addEstimatedOutputTokens: boolean;
  /** Estimated output tokens per prompt token. */
  readonly outputRatio: number;
  readonly maxEstimatedOutputTokens?: number | undefined;
  readonly prefixMatchInfoProducerName?: string | undefined;
  readonly syncCrossReplicaState: boolean;
}

export const inflightLoadProducer: PluginDefinition<InflightLoadParameters> = {
  type: "inflight-load-producer",
  stability: "stable",
  summary: "Counts the requests in flight and their uncached tokens, per endpoint, from pick to end.",
  facets: ["producer"],
  // Without a prefix cache, every token is charged.
  consumes: ({ prefixMatchInfoProducerName }) => ({
    required: [{ key: promptTokens }],
    optional: [{ key: prefixMatch, producer: prefixMatchInfoProducerName }],
  }),
  produces: () => [inFlightLoad],
  parameters: z.strictObject({
    addEstimatedOutputTokens: z.boolean().default(false).meta({ description: "charge an estimate of the output too" }),
    outputRatio: z.number().min(0).default(1.5).meta({ description: "estimated output tokens per prompt token" }),
    maxEstimatedOutputTokens: z.int().min(0).optional().meta({ description: "upper bound of the estimate" }),
    prefixMatchInfoProducerName: producerName,
    syncCrossReplicaState: z
      .boolean()
      .default(true)
      .meta({ description: "accepted; counts are common to all shards, not to several pickers" }),
  }),
  create: ({ addEstimatedOutputTokens, outputRatio, maxEstimatedOutputTokens }) => ({
    producer: {
      inFlightLoad: {
        outputRatio: addEstimatedOutputTokens ? outputRatio : 0,
        outputTokensMax: maxEstimatedOutputTokens ?? Number.POSITIVE_INFINITY,
      },
    },
  }),
};
