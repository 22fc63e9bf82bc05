/** Prefers endpoints that already hold the beginning of the prompt in their KV cache. */
import { z } from "zod";
import { prefixMatch } from "../../framework/attributes.ts";
import { producerName } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

export interface PrefixCacheParameters {
  readonly prefixMatchInfoProducerName?: string | undefined;
  /** Share of the score that grows with the length of the match instead of its fraction, 0 to 1. */
  readonly matchLengthWeight: number;
  /** Match length, in tokens, at which that share is full. */
  readonly matchLengthScaleTokens: number;
}

/**
 * score = w × min(1, matched tokens / scale)² + (1 − w) × matched blocks / blocks of the prompt. 0 for a request
 * without a prompt. Only leading blocks count as matched. Source of the formula: the Go picker's scorer of the same
 * type.
 */
export const prefixCacheScorer: PluginDefinition<PrefixCacheParameters> = {
  type: "prefix-cache-scorer",
  stability: "stable",
  summary: "Prefers endpoints that already hold the beginning of the prompt.",
  facets: ["scorer"],
  consumes: ({ prefixMatchInfoProducerName }) => ({
    required: [{ key: prefixMatch, producer: prefixMatchInfoProducerName }],
  }),
  parameters: z.strictObject({
    prefixMatchInfoProducerName: producerName,
    matchLengthWeight: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .meta({ description: "share of the score that grows with the match's length instead of its fraction" }),
    matchLengthScaleTokens: z
      .number()
      .positive()
      .default(8192)
      .meta({ description: "tokens of a match at which that share is full" }),
  }),
  create: ({ matchLengthWeight, matchLengthScaleTokens }) => ({
    scorer: { op: "prefixCache", parameters: [matchLengthWeight, matchLengthScaleTokens] },
  }),
};
