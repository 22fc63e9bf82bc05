/**
 * The approximate prefix cache: what an endpoint holds is taken to be the prompts it was picked for, least recently
 * used first to go. The work is done in the kernel (block ids, keys, index); this plugin says in which shape.
 */
import { z } from "zod";
import { prefixMatch, promptTokens } from "../../framework/attributes.ts";
import { warnOfDeprecated } from "../../framework/parameters.ts";
import type { PluginDefinition } from "../../framework/plugin.ts";
import { layout } from "../../wasm/layout.ts";

export interface ApproxPrefixCacheParameters {
  /** Take the size of blocks and the size of caches from what the engines report, where they do. */
  readonly autoTune: boolean;
  /** Tokens of one block. A token is 4 bytes of prompt text. */
  readonly blockSizeTokens: number;
  /** Old name of it. */
  readonly blockSize?: number | undefined;
  /** Tokens of a prompt that are matched; the rest is not. */
  readonly maxPrefixTokensToMatch: number;
  /** Blocks of a prompt that are matched, when the tokens are not limited. */
  readonly maxPrefixBlocksToMatch?: number | undefined;
  /** Blocks that one endpoint is taken to hold. */
  readonly lruCapacityPerServer: number;
}

/** Smaller blocks would cost more to look up than they find; the Go picker raises them to it as well. */
const BLOCK_SIZE_TOKENS_MIN = 64;
/** What engines use. Only a parameter that differs from it counts as given. */
const BLOCK_SIZE_TOKENS_DEFAULT = 16;
const BLOCK_SIZE_TOKENS_MAX = layout.BLOCK_SIZE_MAX / 4;
/** The Go picker's, and `layout.BLOCKS_MAX` blocks of 64 tokens. */
const PREFIX_TOKENS_DEFAULT = 131_072;
const PREFIX_BLOCKS_DEFAULT = 2_048;
/** The Go picker's: 500,000 tokens of 16-token blocks, as an accelerator of 80 GB holds for a model of 8 B. */
const CAPACITY_DEFAULT_BLOCKS = 31_250;

const blockTokens = z.int().min(0).max(BLOCK_SIZE_TOKENS_MAX);

export const approxPrefixCacheProducer: PluginDefinition<ApproxPrefixCacheParameters> = {
  type: "approx-prefix-cache-producer",
  stability: "stable",
  summary: "Remembers which prompts each endpoint was picked for, in blocks, least recently used first to go.",
  facets: ["producer"],
  consumes: () => ({ required: [{ key: promptTokens }] }),
  produces: () => [prefixMatch],
  parameters: z
    .strictObject({
      autoTune: z.boolean().default(true).meta({ description: "take sizes from what the engines report" }),
      blockSizeTokens: blockTokens
        .default(BLOCK_SIZE_TOKENS_DEFAULT)
        .meta({ description: `tokens of a block; below ${BLOCK_SIZE_TOKENS_MIN} means ${BLOCK_SIZE_TOKENS_MIN}` }),
      blockSize: blockTokens.optional().meta({ description: "deprecated name of blockSizeTokens" }),
      maxPrefixTokensToMatch: z
        .int()
        .min(0)
        .default(PREFIX_TOKENS_DEFAULT)
        .meta({ description: "tokens of a prompt that are matched; 0 leaves it to maxPrefixBlocksToMatch" }),
      maxPrefixBlocksToMatch: z
        .int()
        .min(0)
        .optional()
        .meta({ description: `deprecated, when maxPrefixTokensToMatch is 0; default ${PREFIX_BLOCKS_DEFAULT}` }),
      lruCapacityPerServer: z
        .int()
        .default(CAPACITY_DEFAULT_BLOCKS)
        .meta({ description: "blocks that an endpoint is taken to hold; below 1 means the default" }),
    })
    .superRefine((parameters, context) => {
      const { autoTune, maxPrefixTokensToMatch } = parameters;
      if (!autoTune && parameters.blockSizeTokens === 0) {
        const message = "must be above 0 when autoTune is off";
        context.addIssue({ code: "custom", path: ["blockSizeTokens"], message });
      }
      const sizeTokens = effectiveBlockSizeTokens(parameters);
      if (maxPrefixTokensToMatch === 0 || maxPrefixTokensToMatch >= sizeTokens) return;
      const message = `must be at least blockSizeTokens, ${sizeTokens}: less than one block can never match`;
      context.addIssue({ code: "custom", path: ["maxPrefixTokensToMatch"], message });
    }),
  create: (parameters, context) => {
    const { maxPrefixTokensToMatch, maxPrefixBlocksToMatch, lruCapacityPerServer } = parameters;
    warnOfDeprecated(
      parameters,
      { blockSize: "write blockSizeTokens", maxPrefixBlocksToMatch: "write maxPrefixTokensToMatch" },
      context,
    );
    const isCapacity = lruCapacityPerServer > 0;
    if (!isCapacity) {
      context.warn(`lruCapacityPerServer ${lruCapacityPerServer} is not above 0; ${CAPACITY_DEFAULT_BLOCKS} is used`);
    }
    const sizeTokens = effectiveBlockSizeTokens(parameters);
    const blocks = maxPrefixBlocksToMatch ?? PREFIX_BLOCKS_DEFAULT;
    const prefixTokensMax = maxPrefixTokensToMatch === 0 ? blocks * sizeTokens : maxPrefixTokensToMatch;
    return {
      producer: {
        prefixCache: {
          autoTune: parameters.autoTune,
          blockSizeTokens: sizeTokens,
          // Without any limit, what the kernel can hold is the limit.
          blocksMax: prefixTokensMax === 0 ? layout.BLOCKS_MAX : Math.floor(prefixTokensMax / sizeTokens),
          blocksPerEndpointMax: isCapacity ? lruCapacityPerServer : CAPACITY_DEFAULT_BLOCKS,
          prefixTokensMax: prefixTokensMax === 0 ? layout.BLOCKS_MAX * sizeTokens : prefixTokensMax,
        },
      },
    };
  },
};

/** The old name counts only where the new one is as it is by default, as in the Go picker. */
function effectiveBlockSizeTokens({ blockSizeTokens, blockSize = 0 }: ApproxPrefixCacheParameters): number {
  const isOldName = blockSize > 0 && blockSizeTokens === BLOCK_SIZE_TOKENS_DEFAULT;
  return Math.max(isOldName ? blockSize : blockSizeTokens, BLOCK_SIZE_TOKENS_MIN);
}
