/** The checker finds each invariant of the index that is broken, and names it. For the lanes: `lanes.test.ts`. */
import { describe, expect, test } from "vitest";
import { layout } from "../../../src/wasm/layout.ts";
import { chainNamed, TestIndex } from "../../support/index-model.ts";
import { KERNEL_BUILDS, type KernelBuild, testKernel } from "../../support/kernel.ts";

function emptyIndex(build: KernelBuild, setLimit: number): TestIndex {
  const kernel = testKernel(build, { indexSlotsLog2: 12, streamWindowCount: 1 });
  kernel.kernel.writerReset(setLimit);
  return new TestIndex(kernel);
}

describe.each(KERNEL_BUILDS)("the checker, %s build", (build) => {
  /**
   * Addresses in an index of three blocks: one with holder 1, one with the set {1, 2, 3}, one with the set {1, 2, 4}.
   */
  function smallIndex(): { index: TestIndex; places: readonly number[]; words: Uint32Array } {
    const index = emptyIndex(build, 16);
    const table = index.view.getUint32(layout.HEADER + layout.HEADER_INDEX_TABLE, true);
    const holders = [[1], [1, 2, 3], [1, 2, 4]];
    const places = holders.map((slotsOfBlock, name) => {
      const [key] = chainNamed(name, 1) as [bigint];
      for (const slot of slotsOfBlock) index.store(slot, [key]);
      return table + Number(key & 4095n) * layout.INDEX_SLOT_SIZE;
    });
    return { index, places, words: new Uint32Array(index.view.buffer) };
  }

  test.each([
    [
      "a key counted that is not there",
      10,
      ({ words }) => {
        words[(layout.INDEX + layout.INDEX_KEY_COUNT) / 4] = 4;
      },
    ],
    [
      "a key that stands beside its home",
      10,
      ({ places: [at = 0], words }) => {
        words.copyWithin(at / 4 + 8, at / 4, at / 4 + 4);
        words.fill(0, at / 4, at / 4 + 4);
      },
    ],
    [
      "a free slot with a ref",
      10,
      ({ places: [at = 0], words }) => {
        words[at / 4 + 4 + 2] = 5;
      },
    ],
    [
      "a tag of another key",
      13,
      ({ places: [at = 0], words }) => {
        words[at / 4 + 3] = 1;
      },
    ],
    [
      "a ref to a set that does not exist",
      13,
      ({ places: [, at = 0], words }) => {
        words[at / 4 + 2] = (16 << 2) | layout.REF_SET;
      },
    ],
    [
      "a pair of holders in the wrong order",
      13,
      ({ places: [at = 0], words }) => {
        words[at / 4 + 2] = (2 << 2) | (1 << 12) | layout.REF_TWO;
      },
    ],
    [
      "a key that names a set without being counted",
      14,
      ({ places: [, at = 0, other = 0], words }) => {
        words[at / 4 + 2] = words[other / 4 + 2] as number;
      },
    ],
    [
      "a wrong count of live sets",
      15,
      ({ words }) => {
        words[(layout.INDEX + layout.INDEX_COUNTERS) / 4 + layout.INDEX_COUNTER_SETS_LIVE * 2] = 3;
      },
    ],
    [
      "a bitmap that has changed",
      16,
      ({ places: [, at = 0], words }) => {
        const set = (words[at / 4 + 2] as number) >> 2;
        words[(layout.INDEX_SETS + set * layout.MASK_SIZE) / 4] = 0b11110;
      },
    ],
    [
      "two sets with one bitmap",
      16,
      ({ places: [, at = 0, other = 0], words }) => {
        const [set = 0, twin = 0] = [at, other].map((place) => (words[place / 4 + 2] as number) >> 2);
        const [source, target] = [set, twin].map((id) => (layout.INDEX_SETS + id * layout.MASK_SIZE) / 4) as [
          number,
          number,
        ];
        words.copyWithin(target, source, source + layout.MASK_SIZE / 4);
      },
    ],
  ] as const satisfies readonly (readonly [string, number, (small: ReturnType<typeof smallIndex>) => void])[])(
    "%s breaks M%i",
    (_, label, corrupt) => {
      const small = smallIndex();
      expect(small.index.brokenInvariant()).toBe("");
      corrupt(small);
      expect(small.index.brokenInvariant()).toMatch(new RegExp(`^M${label} `));
    },
  );
});
