/** Keeps the endpoints that hold most of the prompt, unless they are so busy that others would be faster. */
import { z } from "zod";
import { ConfigError } from "../../base/errors.ts";
import { inFlightLoad, prefixMatch } from "../../framework/attributes.ts";
import { producerName } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

export interface PrefixCacheAffinityParameters {
  /** Matched share of the prompt's blocks from which an endpoint is sticky; 0 or less keeps all. */
  readonly affinityThreshold: number;
  /** Chance of keeping all, so that other endpoints learn prefixes too. */
  readonly explorationProbability: number;
  /** Longest wait that stickiness is worth; 0: any. */
  readonly maxTTFTPenaltyMs: number;
  readonly ttftSource: "prefillThroughput" | "latencyPredictor";
  /** Prompt tokens per second that an endpoint works off. */
  readonly peakPrefillThroughput: number;
  readonly prefixMatchInfoProducerName?: string | undefined;
  readonly latencyPredictionInfoProducerName?: string | undefined;
  readonly inFlightLoadProducerName?: string | undefined;
}

/**
 * Sticky endpoints hold at least the threshold's share of the prompt. All are kept when there is at most one candidate,
 * when none is sticky, with the probability of exploration, and when the best sticky endpoint would start to answer
 * later than the best other one by more than the penalty. That time is an endpoint's tokens in flight / throughput.
 * Source of the rules: the Go picker's filter of the same type.
 */
export const prefixCacheAffinityFilter: PluginDefinition<PrefixCacheAffinityParameters> = {
  type: "prefix-cache-affinity-filter",
  stability: "stable",
  summary: "Keeps the endpoints that hold most of the prompt, unless they are much busier than others.",
  facets: ["filter"],
  consumes: ({ prefixMatchInfoProducerName, inFlightLoadProducerName }) => ({
    required: [
      { key: prefixMatch, producer: prefixMatchInfoProducerName },
      { key: inFlightLoad, producer: inFlightLoadProducerName },
    ],
  }),
  parameters: z.strictObject({
    affinityThreshold: z.number().max(1).default(0.8).meta({ description: "matched share that is sticky" }),
    explorationProbability: z.number().min(0).max(1).default(0).meta({ description: "chance of keeping all" }),
    maxTTFTPenaltyMs: z.number().min(0).default(18_000).meta({ description: "milliseconds; 0 sticks at any price" }),
    ttftSource: z
      .enum(["prefillThroughput", "latencyPredictor"])
      .default("prefillThroughput")
      .meta({ description: "latencyPredictor is not available yet" }),
    peakPrefillThroughput: z.number().positive().default(15_928).meta({ description: "tokens per second" }),
    prefixMatchInfoProducerName: producerName,
    latencyPredictionInfoProducerName: producerName,
    inFlightLoadProducerName: producerName,
  }),
  create: (parameters, { warn }) => {
    if (parameters.ttftSource === "latencyPredictor") {
      throw new ConfigError(
        "ttftSource latencyPredictor is known, but not available yet: leave it out for an estimate by throughput",
      );
    }
    if (parameters.latencyPredictionInfoProducerName !== undefined) {
      warn("latencyPredictionInfoProducerName is ignored: ttftSource is prefillThroughput");
    }
    const { affinityThreshold, explorationProbability, maxTTFTPenaltyMs, peakPrefillThroughput } = parameters;
    const penaltyMs = maxTTFTPenaltyMs === 0 ? Number.POSITIVE_INFINITY : maxTTFTPenaltyMs;
    return {
      filter: {
        op: "prefixAffinity",
        parameters: [affinityThreshold, explorationProbability, penaltyMs, peakPrefillThroughput],
      },
    };
  },
};
