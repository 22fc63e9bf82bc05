/** Interned holder sets: shared by blocks with the same holders, bounded, and reused only after their readers. */
import { describe, expect, test } from "vitest";
import { layout } from "../../../src/wasm/layout.ts";
import { chainNamed, TestIndex } from "../../support/index-model.ts";
import { KERNEL_BUILDS, type KernelBuild, testKernel } from "../../support/kernel.ts";

function emptyIndex(build: KernelBuild, setLimit: number): TestIndex {
  const kernel = testKernel(build, { indexSlotsLog2: 12, streamWindowCount: 1 });
  kernel.kernel.writerReset(setLimit);
  return new TestIndex(kernel);
}

describe.each(KERNEL_BUILDS)("holder sets, %s build", (build) => {
  /** Makes block `name` be held by these endpoints. False when one of them was refused. */
  function hold(index: TestIndex, name: number, holders: readonly number[]): boolean {
    return holders.map((slot) => index.store(slot, chainNamed(name, 1))).every((stored) => stored === 1);
  }

  test("blocks with the same holders share one set, in whatever order the holders came", () => {
    const index = emptyIndex(build, layout.SETS_MAX);
    for (const [name, holders] of [
      [1, 2, 3, 4],
      [4, 3, 2, 1],
      [2, 4, 1, 3],
    ].entries()) {
      hold(index, name, holders);
    }
    expect(index.counter(layout.INDEX_COUNTER_SETS_LIVE)).toBe(1);
    expect(index.brokenInvariant()).toBe("");
  });

  test("a pool that is used up refuses further sets, counts that, and leaves the block with the holders it has", () => {
    // Of 15 ids, 1 … 15, one eighth is kept for removals: 13 may be live.
    const index = emptyIndex(build, 16);
    let stored = 0;
    while (hold(index, stored, [1, 2, 10 + stored])) stored++;
    expect(stored).toBe(13);
    expect(index.depths(chainNamed(13, 1), [1, 2, 23])).toEqual([1, 1, 0]);
    expect(index.counter(layout.INDEX_COUNTER_SETS_REFUSED)).toBe(1);
    expect(index.brokenInvariant()).toBe("");
    expect(hold(index, 14, [1, 2, 10]), "the same holders as block 0").toBe(true);
  });

  test("a removal that finds no set leaves the two lowest holders, which is less than the truth but not wrong", () => {
    // Three ids. Two pairs of blocks take one each, and a fifth block the third; each pair keeps its set alive when one
    // of its blocks loses a holder, so the rest of that block's holders needs a set of its own.
    const index = emptyIndex(build, 4);
    for (const name of [1, 2]) hold(index, name, [1, 10, 20, 30]);
    for (const name of [3, 4]) hold(index, name, [2, 10, 20, 30]);
    hold(index, 5, [3, 10, 20]);
    expect(index.counter(layout.INDEX_COUNTER_SETS_LIVE)).toBe(3);
    expect(index.counter(layout.INDEX_COUNTER_SETS_REFUSED)).toBe(0);
    expect(index.remove(1, chainNamed(1, 1))).toBe(1);
    expect(index.counter(layout.INDEX_COUNTER_SETS_REFUSED)).toBe(1);
    expect(index.depths(chainNamed(1, 1), [1, 10, 20, 30])).toEqual([0, 1, 1, 0]);
    expect(index.depths(chainNamed(2, 1), [1, 10, 20, 30])).toEqual([1, 1, 1, 1]);
    expect(index.brokenInvariant()).toBe("");
  });

  test("the bitmap of a set outlives the readers that may have seen its ref", () => {
    const index = emptyIndex(build, 4);
    const { kernel, shard } = index;
    const bitmaps = (): string => {
      const bytes = new Uint8Array(index.view.buffer, layout.INDEX_SETS, 4 * layout.MASK_SIZE);
      return Buffer.from(bytes).toString("hex");
    };
    hold(index, 1, [1, 2, 3]);
    kernel.readBegin(shard);
    const before = bitmaps();
    // In the reader's epoch and after it: block 1 loses its set, and 40 other sets are asked for.
    index.remove(3, chainNamed(1, 1));
    for (let name = 10; name < 50; name++) {
      hold(index, name, [1, 2, name]);
      index.remove(name, chainNamed(name, 1));
      kernel.raiseEpoch();
    }
    const used = before.match(/.{256}/g)?.filter((bitmap) => !/^0*$/.test(bitmap)) ?? [];
    expect(used).toHaveLength(1);
    expect(bitmaps()).toContain(used[0]);
    expect(index.counter(layout.INDEX_COUNTER_SETS_REFUSED)).toBeGreaterThan(0);
    kernel.readEnd(shard);
    for (let name = 50; name < 60; name++) {
      expect(hold(index, name, [1, 2, name])).toBe(true);
      index.remove(name, chainNamed(name, 1));
    }
    expect(bitmaps()).not.toContain(used[0]);
    expect(index.brokenInvariant()).toBe("");
  });

  test("a reader that began after a set was retired does not keep it from being reused", () => {
    const index = emptyIndex(build, 4);
    for (let name = 0; name < 30; name++) {
      index.kernel.readBegin(index.shard);
      expect(hold(index, name, [1, 2, 10 + name])).toBe(true);
      index.remove(10 + name, chainNamed(name, 1));
      index.kernel.raiseEpoch();
    }
    index.kernel.readEnd(index.shard);
    expect(index.brokenInvariant()).toBe("");
  });

  test("a reset empties the index, and gives no set a new meaning under a reader that began before", () => {
    const index = emptyIndex(build, 4);
    hold(index, 1, [1, 2, 3]);
    hold(index, 2, [7]);
    index.kernel.readBegin(index.shard);
    index.kernel.writerReset(4);
    expect(index.keyCount()).toBe(0);
    expect(index.brokenInvariant()).toBe("");
    expect(hold(index, 1, [4, 5])).toBe(true);
    expect(hold(index, 1, [6]), "needs a set").toBe(false);
    index.kernel.readEnd(index.shard);
    expect(hold(index, 1, [6])).toBe(true);
    expect(index.depths(chainNamed(1, 1), [1, 2, 3, 4, 5, 6])).toEqual([0, 0, 0, 1, 1, 1]);
    expect(index.depths(chainNamed(2, 1), [7])).toEqual([0]);
    expect(index.brokenInvariant()).toBe("");
  });
});
