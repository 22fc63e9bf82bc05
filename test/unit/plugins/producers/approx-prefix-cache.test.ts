import { describe, expect, it } from "vitest";
import { approxPrefixCacheProducer } from "../../../../src/plugins/producers/approx-prefix-cache.ts";
import { createPlugin } from "../../../support/plugins.ts";

describe("approx-prefix-cache-producer", () => {
  // The Go picker raises block sizes below 64 tokens, and divides the cap by the size without a rest.
  it.each([
    { given: {}, shape: { blockSizeTokens: 64, blocksMax: 2_048, blocksPerEndpointMax: 31_250 } },
    {
      given: { blockSizeTokens: 16, maxPrefixTokensToMatch: 131_072 },
      shape: { blockSizeTokens: 64, blocksMax: 2_048, blocksPerEndpointMax: 31_250 },
    },
    {
      given: { blockSizeTokens: 100, maxPrefixTokensToMatch: 1_099, lruCapacityPerServer: 7 },
      shape: { blockSizeTokens: 100, blocksMax: 10, blocksPerEndpointMax: 7 },
    },
    {
      given: { blockSizeTokens: 1_024, maxPrefixTokensToMatch: 1_024 },
      shape: { blockSizeTokens: 1_024, blocksMax: 1, blocksPerEndpointMax: 31_250 },
    },
  ])("$given", ({ given, shape }) => {
    expect(createPlugin(approxPrefixCacheProducer, given).producer?.prefixCache).toMatchObject(shape);
  });

  it.each([
    { given: { blockSizeTokens: 0 }, at: "blockSizeTokens" },
    { given: { blockSizeTokens: 1_025 }, at: "blockSizeTokens" },
    { given: { blockSizeTokens: 64.5 }, at: "blockSizeTokens" },
    { given: { maxPrefixTokensToMatch: 63 }, at: "maxPrefixTokensToMatch" },
    { given: { blockSizeTokens: 128, maxPrefixTokensToMatch: 127 }, at: "maxPrefixTokensToMatch" },
    { given: { lruCapacityPerServer: 0 }, at: "lruCapacityPerServer" },
  ])("$given is refused at $at", ({ given, at }) => {
    const { error } = approxPrefixCacheProducer.parameters.safeParse(given);
    expect(error?.issues.length).toBeGreaterThan(0);
    for (const { path } of error?.issues ?? []) expect(path).toEqual([at]);
  });
});
