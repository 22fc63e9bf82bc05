/**
 * The approximate prefix cache: what an endpoint holds is taken to be the prompts it was picked for, least recently
 * used first to go. The work is done in the kernel (block ids, keys, index); this plugin says in which shape.
 */
import { z } from "zod";
import { prefixMatch } from "../../framework/attributes.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";

export interface ApproxPrefixCacheParameters {
  /** Tokens of one block. A token is 4 bytes of prompt text. */
  readonly blockSizeTokens: number;
  /** Tokens of a prompt that are matched; the rest is not. */
  readonly maxPrefixTokensToMatch: number;
  /** Blocks that one endpoint is taken to hold. */
  readonly lruCapacityPerServer: number;
}

/**
 * Blocks below this size would cost more to look up than they find; the Go picker raises smaller ones to it as well.
 */
const BLOCK_SIZE_TOKENS_MIN = 64;

export const approxPrefixCacheProducer: PluginDefinition<ApproxPrefixCacheParameters> = {
  facets: ["producer"],
  type: "approx-prefix-cache-producer",
  stability: "stable",
  summary: "Remembers which prompts each endpoint was picked for, in blocks, least recently used first to go.",
  produces: () => [prefixMatch],
  parameters: z
    .strictObject({
      blockSizeTokens: z.int().min(1).max(1024).default(BLOCK_SIZE_TOKENS_MIN),
      maxPrefixTokensToMatch: z.int().min(BLOCK_SIZE_TOKENS_MIN).default(131_072),
      lruCapacityPerServer: z.int().min(1).default(31_250),
    })
    .refine(({ blockSizeTokens, maxPrefixTokensToMatch }) => maxPrefixTokensToMatch >= blockSizeTokens, {
      path: ["maxPrefixTokensToMatch"],
      error: "must be at least blockSizeTokens: less than one block can never match",
    }),
  create: (parameters) => {
    const blockSizeTokens = Math.max(parameters.blockSizeTokens, BLOCK_SIZE_TOKENS_MIN);
    return {
      producer: {
        prefixCache: {
          autoTune: false,
          blockSizeTokens,
          blocksMax: Math.floor(parameters.maxPrefixTokensToMatch / blockSizeTokens),
          blocksPerEndpointMax: parameters.lruCapacityPerServer,
          prefixTokensMax: parameters.maxPrefixTokensToMatch,
        },
      },
    };
  },
};
