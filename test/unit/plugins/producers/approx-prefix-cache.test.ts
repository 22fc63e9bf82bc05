import { describe, expect, it } from "vitest";
import { approxPrefixCacheProducer } from "../../../../src/plugins/producers/approx-prefix-cache.ts";
import { layout } from "../../../../src/wasm/layout.ts";
import { createPlugin, warningsOf } from "../../../support/plugins.ts";

const shapeOf = (given: unknown): unknown => createPlugin(approxPrefixCacheProducer, given).producer?.prefixCache;

describe("approx-prefix-cache-producer", () => {
  it("by default: 64-token blocks, 131072 tokens of a prompt, 31250 blocks per endpoint, tuned by the engines", () => {
    expect(shapeOf({})).toEqual({
      autoTune: true,
      blockSizeTokens: 64,
      blocksMax: 2_048,
      blocksPerEndpointMax: 31_250,
      prefixTokensMax: 131_072,
    });
  });

  // The Go picker raises block sizes below 64 tokens, and divides the cap by the size without a rest.
  it.each([
    {
      given: { autoTune: false, blockSizeTokens: 16 },
      shape: { autoTune: false, blockSizeTokens: 64, blocksMax: 2_048 },
    },
    { given: { blockSizeTokens: 0 }, shape: { blockSizeTokens: 64 } },
    {
      given: { blockSizeTokens: 100, maxPrefixTokensToMatch: 1_099, lruCapacityPerServer: 7 },
      shape: { blockSizeTokens: 100, blocksMax: 10, blocksPerEndpointMax: 7 },
    },
    {
      given: { blockSizeTokens: 1_024, maxPrefixTokensToMatch: 1_024 },
      shape: { blockSizeTokens: 1_024, blocksMax: 1, prefixTokensMax: 1_024 },
    },
    { given: { lruCapacityPerServer: 0 }, shape: { blocksPerEndpointMax: 31_250 } },
    { given: { lruCapacityPerServer: -5 }, shape: { blocksPerEndpointMax: 31_250 } },
    // The old name of the block size, which yields to the new one.
    { given: { blockSize: 128 }, shape: { blockSizeTokens: 128, blocksMax: 1_024 } },
    { given: { blockSize: 128, blockSizeTokens: 16 }, shape: { blockSizeTokens: 128 } },
    { given: { blockSize: 128, blockSizeTokens: 256 }, shape: { blockSizeTokens: 256 } },
    { given: { blockSize: 0 }, shape: { blockSizeTokens: 64 } },
    // Without a cap in tokens the old one in blocks counts, and without that what the kernel can hold.
    { given: { maxPrefixTokensToMatch: 0 }, shape: { blocksMax: 2_048, prefixTokensMax: 131_072 } },
    {
      given: { maxPrefixTokensToMatch: 0, maxPrefixBlocksToMatch: 5 },
      shape: { blocksMax: 5, prefixTokensMax: 320 },
    },
    {
      given: { maxPrefixTokensToMatch: 0, maxPrefixBlocksToMatch: 0, blockSizeTokens: 128 },
      shape: { blocksMax: layout.BLOCKS_MAX, prefixTokensMax: layout.BLOCKS_MAX * 128 },
    },
    { given: { maxPrefixTokensToMatch: 640, maxPrefixBlocksToMatch: 5 }, shape: { blocksMax: 10 } },
  ])("$given", ({ given, shape }) => {
    expect(shapeOf(given)).toMatchObject(shape);
  });

  it.each([
    { given: { blockSizeTokens: -1 }, at: "blockSizeTokens" },
    { given: { blockSizeTokens: 1_025 }, at: "blockSizeTokens" },
    { given: { autoTune: false, blockSizeTokens: 0 }, at: "blockSizeTokens" },
    { given: { maxPrefixTokensToMatch: 63 }, at: "maxPrefixTokensToMatch" },
    { given: { blockSizeTokens: 128, maxPrefixTokensToMatch: 127 }, at: "maxPrefixTokensToMatch" },
    { given: { blockSize: 128, maxPrefixTokensToMatch: 127 }, at: "maxPrefixTokensToMatch" },
    { given: { maxPrefixTokensToMatch: -1 }, at: "maxPrefixTokensToMatch" },
    { given: { maxPrefixBlocksToMatch: -1 }, at: "maxPrefixBlocksToMatch" },
    { given: { autoTune: "yes" }, at: "autoTune" },
  ])("$given is refused at '$at'", ({ given, at }) => {
    const { error } = approxPrefixCacheProducer.parameters.safeParse(given);
    expect(error?.issues.length).toBeGreaterThan(0);
    for (const { path } of error?.issues ?? []) expect(path).toEqual([at]);
  });

  it.each([
    { given: { blockSizeTokens: 128, maxPrefixTokensToMatch: 1_024 }, warnings: [] },
    { given: { blockSize: 128 }, warnings: ["parameter blockSize is deprecated: write blockSizeTokens"] },
    {
      given: { maxPrefixTokensToMatch: 0, maxPrefixBlocksToMatch: 9 },
      warnings: ["parameter maxPrefixBlocksToMatch is deprecated: write maxPrefixTokensToMatch"],
    },
    { given: { lruCapacityPerServer: 0 }, warnings: ["lruCapacityPerServer 0 is not above 0; 31250 is used"] },
  ])("$given warns $warnings", ({ given, warnings }) => {
    expect(warningsOf(approxPrefixCacheProducer, given)).toEqual(warnings);
  });
});
