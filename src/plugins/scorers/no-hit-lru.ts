/** Spreads prompts that nobody holds: prefers endpoints that such a prompt has not gone to for the longest time. */
import { z } from "zod";
import { prefixMatch } from "../../framework/attributes.ts";
import { producerName, warnOfDeprecated } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

export interface NoHitLruParameters {
  /** Endpoints whose last cold request is remembered. */
  readonly lruSize: number;
  readonly prefixMatchInfoProducerName?: string | undefined;
  readonly prefixPluginType?: string | undefined;
  readonly prefixPluginName?: string | undefined;
}

/** The Go picker's, and as many endpoints as there can be. */
const LRU_SIZE_DEFAULT = 1024;

/**
 * 0.5 for all when any candidate holds a block of the prompt. Else the prompt is cold, and of N candidates the i-th
 * that never had a cold one scores 1 − i / (N − 1), in random order; another one 1 − (never used + rank) / (N − 1),
 * not below 0, rank its place among all endpoints by their last cold request, the oldest first. A single candidate
 * scores 1. Source of the formula: the Go picker's scorer of the same type.
 */
export const noHitLruScorer: PluginDefinition<NoHitLruParameters> = {
  type: "no-hit-lru-scorer",
  stability: "stable",
  summary: "Spreads prompts that nobody holds, to the endpoint that had one the longest ago.",
  facets: ["scorer"],
  consumes: ({ prefixMatchInfoProducerName }) => ({
    required: [{ key: prefixMatch, producer: prefixMatchInfoProducerName }],
  }),
  parameters: z.strictObject({
    lruSize: z
      .int()
      .default(LRU_SIZE_DEFAULT)
      .meta({ description: "endpoints that are remembered; below 1 means the default" }),
    prefixMatchInfoProducerName: producerName,
    prefixPluginType: z.string().optional().meta({ description: "deprecated, ignored" }),
    prefixPluginName: z.string().optional().meta({ description: "deprecated, ignored" }),
  }),
  create: (parameters, context) => {
    const { lruSize } = parameters;
    const advice = "write prefixMatchInfoProducerName, or leave it out";
    warnOfDeprecated(parameters, { prefixPluginType: advice, prefixPluginName: advice }, context);
    const isUsable = lruSize > 0;
    if (!isUsable) context.warn(`lruSize ${lruSize} is not above 0; ${LRU_SIZE_DEFAULT} is used`);
    return { scorer: { op: "noHitLru", parameters: [isUsable ? lruSize : LRU_SIZE_DEFAULT] } };
  },
};
