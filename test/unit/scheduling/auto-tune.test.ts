import { describe, expect, it } from "vitest";
import type { PrefixCacheShape } from "../../../src/framework/plugin.ts";
import { AutoTune, type CacheReport } from "../../../src/scheduling/auto-tune.ts";
import type { ProgramTuning } from "../../../src/scheduling/policy-publisher.ts";
import { layout } from "../../../src/wasm/layout.ts";

const SHAPE: PrefixCacheShape = {
  autoTune: true,
  blockSizeTokens: 64,
  blocksMax: 2_048,
  blocksPerEndpointMax: 31_250,
  prefixTokensMax: 131_072,
};

function testTuning(shape: PrefixCacheShape | "none" = SHAPE) {
  const limits: string[] = [];
  const tunings: ProgramTuning[] = [];
  const tune = new AutoTune({
    setLaneLimit: (slot, blocks) => limits.push(`${slot}: ${blocks}`),
    onTuned: (tuning) => tunings.push(tuning),
  });
  tune.setShape(shape === "none" ? undefined : shape);
  return { tune, limits, tunings };
}

const report = (slot: number, blockSizeTokens?: number, blockCount?: number, generation = 1): CacheReport => {
  return { slot, generation, blockSizeTokens, blockCount };
};

describe("tuning by what engines report", () => {
  it("takes the block size of the first endpoint that reports one", () => {
    const { tune, tunings } = testTuning();
    tune.onReports([report(4), report(2, 128, 10), report(3, 256, 10)]);
    // 4 bytes are a token; as many blocks as the tokens that are matched.
    expect(tunings).toEqual([{ blockSize: 512, blocksMax: 1_024 }]);
    tune.onReports([report(4, 256), report(2, 128, 10), report(3, 256, 10)]);
    expect(tunings.at(-1)).toEqual({ blockSize: 1_024, blocksMax: 512 });
    expect(tune.tuning).toEqual(tunings.at(-1));
  });

  it.each([
    { reported: 16, blockSize: 256 },
    { reported: 64, blockSize: 256 },
    { reported: 65, blockSize: 260 },
    { reported: 1_000_000, blockSize: layout.BLOCK_SIZE_MAX },
  ])("a reported block of $reported tokens becomes one of $blockSize bytes", ({ reported, blockSize }) => {
    const { tune } = testTuning();
    tune.onReports([report(0, reported)]);
    expect(tune.tuning.blockSize).toBe(blockSize);
  });

  it.each([undefined, 0, Number.NaN, -16])("a report of %s tokens is none", (reported) => {
    const { tune, tunings } = testTuning();
    tune.onReports([report(0, reported, 100)]);
    expect([tunings, tune.tuning]).toEqual([[], {}]);
  });

  it("limits each endpoint to as many of our blocks as its cache holds", () => {
    const { tune, limits } = testTuning();
    tune.onReports([report(0, 16, 4_000), report(1, 128, 500), report(2, undefined, 500), report(3, 16, 1)]);
    expect(limits).toEqual(["0: 1000", "1: 1000", "2: undefined", "3: 1"]);
  });

  it("sets a limit again only when it, or the endpoint, is another one", () => {
    const { tune, limits } = testTuning();
    for (let count = 0; count < 3; count++) tune.onReports([report(0, 64, 100)]);
    tune.onReports([report(0, 64, 100, 2)]);
    tune.onReports([report(0, 64, 200, 2)]);
    expect(limits).toEqual(["0: 100", "0: 100", "0: 200"]);
  });

  it("says the same size once", () => {
    const { tune, tunings } = testTuning();
    tune.onReports([report(0, 64)]);
    tune.onReports([report(0, 16)]);
    expect(tunings).toHaveLength(1);
  });

  it("fits another policy to the reports so far, in its own numbers, without tuning the one before", () => {
    const { tune, tunings, limits } = testTuning();
    tune.onReports([report(0, 128, 100)]);
    const [tuned] = [tunings.length];
    tune.setShape({ ...SHAPE, prefixTokensMax: 1_280 }, [report(0, 128, 100)]);
    expect(tune.tuning).toEqual({ blockSize: 512, blocksMax: 10 });
    tune.setShape({ ...SHAPE, autoTune: false }, [report(0, 128, 100)]);
    expect([tune.tuning, tunings.length, limits]).toEqual([{}, tuned, ["0: 100", "0: undefined"]]);
  });

  it("limits endpoints to what a later policy says, where the first said otherwise", () => {
    const { tune, limits } = testTuning({ ...SHAPE, autoTune: false });
    tune.onReports([report(0)]);
    tune.setShape({ ...SHAPE, autoTune: false, blocksPerEndpointMax: 500 }, [report(0)]);
    tune.onReports([report(0), report(1)]);
    tune.setShape({ ...SHAPE, autoTune: false }, [report(0), report(1)]);
    expect(limits).toEqual(["0: undefined", "0: 500", "1: 500", "0: undefined", "1: undefined"]);
  });

  it.each([
    { name: "is not asked for", shape: { ...SHAPE, autoTune: false } },
    { name: "has no prefix cache to tune", shape: "none" as const },
  ])("does nothing when it $name", ({ shape }) => {
    const { tune, limits, tunings } = testTuning(shape);
    tune.onReports([report(0, 128, 100)]);
    expect([limits, tunings, tune.tuning]).toEqual([["0: undefined"], [], {}]);
  });
});
