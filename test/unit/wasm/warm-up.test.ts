/** The warm-up runs: no operation of it is left out because a filter before it has left nothing. */
import { describe, expect, it, vi } from "vitest";
import { FILTER_OPS, PICKER_OPS, SCORER_OPS } from "../../../src/wasm/policies.ts";
import { type Decided, ShardMemory } from "../../../src/wasm/shard-memory.ts";
import { warmUpKernel } from "../../../src/wasm/warm-up.ts";

describe("kernel warm-up", () => {
  it("decides by every filter, scorer and picker, in batches and step by step", () => {
    const batched = vi.spyOn(ShardMemory.prototype, "decide");
    const staged = vi.spyOn(ShardMemory.prototype, "decideStaged");
    warmUpKernel();
    const decided: Decided[] = [
      ...batched.mock.results.flatMap(({ value }) => value as Decided[]),
      ...staged.mock.results.map(({ value }) => value as Decided),
    ];
    const withoutCustom = (ops: object): number => Object.keys(ops).length - 1;
    // Two detectors, three rounds, both ways.
    expect(decided).toHaveLength(withoutCustom(PICKER_OPS) * 2 * 3 * 2);
    const scoreCount = withoutCustom(SCORER_OPS);
    for (const pick of decided) {
      if (pick.kind !== "picked") throw new Error(`the warm-up was refused: ${JSON.stringify(pick)}`);
      expect(pick.scores).toHaveLength(scoreCount);
    }
    // The filters before the scorers have run, all of them.
    expect(withoutCustom(FILTER_OPS)).toBe(12);
    vi.restoreAllMocks();
  });
});
