/**
 * Counts the tokens of prompts. The estimate of 4 bytes per token is made in the kernel while the body arrives; this
 * plugin says what images and videos count as. Back ends that ask a tokenizer are not available yet.
 */
import { z } from "zod";
import { ConfigError } from "../../base/errors.ts";
import { promptTokens } from "../../framework/attributes.ts";
import type { CreateContext, Plugin, PluginDefinition } from "../../framework/plugin.ts";
import { layout } from "../../wasm/layout.ts";
import { type AssetEstimate, assetEstimate } from "./asset-estimate.ts";
import { assetTokensOf, tooManyTokens } from "./asset-tokens.ts";
import { VIDEO_HEADERS } from "./video-headers.ts";

export interface TokenParameters {
  readonly estimate?: AssetEstimate | undefined;
  readonly vllm?: Readonly<Record<string, unknown>> | undefined;
  readonly modelName?: string | undefined;
  readonly udsTokenizerConfig?: Readonly<Record<string, unknown>> | undefined;
}

const NOT_YET = "is known, but not available yet: leave it out for the estimate of 4 bytes per token";

export const tokenProducer: PluginDefinition<TokenParameters> = {
  type: "token-producer",
  stability: "stable",
  summary: "Counts the tokens of prompts, by the estimate of 4 bytes per token.",
  facets: ["producer"],
  produces: () => [promptTokens],
  parameters: z
    .strictObject({
      estimate: assetEstimate.optional().meta({ description: "tokens of images and videos" }),
      vllm: z.record(z.string(), z.unknown()).optional().meta({ description: "not available yet" }),
      modelName: z.string().optional().meta({ description: "of the back end vllm" }),
      udsTokenizerConfig: z.record(z.string(), z.unknown()).optional().meta({ description: "not available yet" }),
    })
    .refine(({ estimate, vllm, udsTokenizerConfig }) => {
      const backends = [estimate, vllm, udsTokenizerConfig].filter((backend) => backend !== undefined);
      return backends.length <= 1;
    }, "takes one back end: estimate, vllm or udsTokenizerConfig"),
  create: createTokenProducer,
};

/** The old name of `token-producer`. */
export const tokenizerProducer: PluginDefinition<TokenParameters> = {
  ...tokenProducer,
  type: "tokenizer",
  stability: "deprecated",
  summary: "Old name of `token-producer`.",
};

function createTokenProducer(
  { estimate, vllm, modelName, udsTokenizerConfig }: TokenParameters,
  { warn }: CreateContext,
): Plugin {
  if (udsTokenizerConfig !== undefined) throw new ConfigError(`the back end udsTokenizerConfig ${NOT_YET}`);
  if (vllm !== undefined) throw new ConfigError(`the back end vllm ${NOT_YET}`);
  if (modelName !== undefined && modelName !== "") throw new ConfigError(`modelName, of the back end vllm, ${NOT_YET}`);
  for (const path of tooManyTokens(estimate ?? {})) {
    warn(`estimate.${path} asks for more tokens than are counted: ${layout.ASSET_TOKENS_MAX} at most`);
  }
  return { producer: { assetTokens: assetTokensOf(estimate ?? {}) }, headers: VIDEO_HEADERS };
}
