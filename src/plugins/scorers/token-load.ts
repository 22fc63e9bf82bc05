/** Prefers endpoints with few prompt tokens in flight, this request's included. */
import { z } from "zod";
import { inFlightLoad, prefixMatch, promptTokens } from "../../framework/attributes.ts";
import { producerName } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

export interface TokenLoadParameters {
  /** Tokens in flight at which the score is 0. */
  readonly queueThresholdTokens: number;
  readonly inFlightLoadProducerName?: string | undefined;
}

/** The Go picker's: 128 requests of 32 Ki tokens. */
const THRESHOLD_DEFAULT_TOKENS = 4_194_304;

/**
 * score = 1 − min(t, T) / T, t the tokens in flight at an endpoint plus those of this request that it does not hold, T
 * the threshold. So a prefix hit makes an endpoint cheaper in the same unit as its load. Source of the formula: the Go
 * picker's scorer of the same type.
 */
export const tokenLoadScorer: PluginDefinition<TokenLoadParameters> = {
  type: "token-load-scorer",
  stability: "stable",
  summary: "Prefers endpoints with few uncached prompt tokens in flight, this request's included.",
  facets: ["scorer"],
  consumes: ({ inFlightLoadProducerName }) => ({
    required: [{ key: inFlightLoad, producer: inFlightLoadProducerName }, { key: promptTokens }],
    optional: [{ key: prefixMatch }],
  }),
  parameters: z.strictObject({
    queueThresholdTokens: z
      .int()
      .default(THRESHOLD_DEFAULT_TOKENS)
      .meta({ description: "tokens in flight that score 0; below 1 means the default" }),
    inFlightLoadProducerName: producerName,
  }),
  create: ({ queueThresholdTokens }, { warn }) => {
    const isUsable = queueThresholdTokens > 0;
    if (!isUsable) {
      warn(`queueThresholdTokens ${queueThresholdTokens} is not above 0; ${THRESHOLD_DEFAULT_TOKENS} is used`);
    }
    return {
      scorer: { op: "tokenLoad", parameters: [isUsable ? queueThresholdTokens : THRESHOLD_DEFAULT_TOKENS] },
    };
  },
};
