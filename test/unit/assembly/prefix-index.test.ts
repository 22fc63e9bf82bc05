/**
 * Look-up in the prefix index and the writer's changes to it, one thread. Races: `prefix-index-concurrency.test.ts`.
 */
import { describe, expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { chainNamed, chainOf, IndexModel, TestIndex } from "../../support/index-model.ts";
import { KERNEL_BUILDS, type KernelBuild, testKernel } from "../../support/kernel.ts";

function emptyIndex(build: KernelBuild, setLimit: number = layout.SETS_MAX, indexSlotsLog2 = 12): TestIndex {
  const kernel = testKernel(build, { indexSlotsLog2, streamWindowCount: 1 });
  kernel.kernel.writerReset(setLimit);
  return new TestIndex(kernel);
}

/** Slots 0 … count − 1. */
function slots(count: number): number[] {
  return Array.from({ length: count }, (_, slot) => slot);
}

describe.each(KERNEL_BUILDS)("prefix index, %s build", (build) => {
  test("an index that no writer has started yet holds nothing", () => {
    const index = new TestIndex(testKernel(build));
    expect(index.depths(chainNamed(1, 5), [0, 1023])).toEqual([0, 0]);
  });

  test("an endpoint's depth is the number of leading keys that it holds", () => {
    const index = emptyIndex(build);
    const chain = chainNamed(1, 8);
    index.store(3, chain.slice(0, 5));
    expect(index.depths(chain, [2, 3, 4])).toEqual([0, 5, 0]);
    expect(index.depths(chain.slice(0, 2), [3])).toEqual([2]);
    expect(index.depths(chainNamed(2, 8), [3])).toEqual([0]);
    expect(index.depths([], [3])).toEqual([0]);
  });

  test.each([1, 2, 3, 4, 64, 65, 1024])(
    "%i endpoints can hold one block, and give it up again one by one",
    (holderCount) => {
      const index = emptyIndex(build);
      const chain = chainNamed(1, 3);
      const holders = slots(holderCount).map((slot) => layout.ENDPOINTS_MAX - 1 - slot);
      for (const [position, slot] of holders.entries()) {
        expect(index.store(slot, chain)).toBe(3);
        const held = holders.map((_, other) => (other <= position ? 3 : 0));
        expect(index.depths(chain, holders)).toEqual(held);
      }
      expect(index.brokenInvariant()).toBe("");
      for (const [position, slot] of holders.entries()) {
        expect(index.remove(slot, chain.toReversed())).toBe(3);
        const held = holders.map((_, other) => (other > position ? 3 : 0));
        expect(index.depths(chain, holders)).toEqual(held);
      }
      expect(index.keyCount()).toBe(0);
      expect(index.brokenInvariant()).toBe("");
    },
  );

  test("storing what is held and removing what is not changes nothing", () => {
    const index = emptyIndex(build);
    const chain = chainNamed(1, 4);
    for (const slot of [7, 8, 9, 9, 8, 7]) expect(index.store(slot, chain)).toBe(4);
    expect(index.remove(10, chain)).toBe(0);
    expect(index.remove(7, chainNamed(2, 4))).toBe(0);
    expect(index.depths(chain, [7, 8, 9, 10])).toEqual([4, 4, 4, 0]);
    expect(index.keyCount()).toBe(4);
    expect(index.brokenInvariant()).toBe("");
  });

  test("a key of 0, which marks a free slot, is held like any other", () => {
    const index = emptyIndex(build);
    index.store(5, [0n, 77n]);
    expect(index.depths([0n, 77n], [4, 5])).toEqual([0, 2]);
    expect(index.brokenInvariant()).toBe("");
    expect(index.remove(5, [77n, 0n])).toBe(2);
    expect(index.keyCount()).toBe(0);
  });

  test("endpoints that are no candidates get no depth, and the last slots cost nothing when none is one", () => {
    const index = emptyIndex(build);
    const chain = chainNamed(1, 4);
    for (const slot of [0, 1, 64, 1023]) index.store(slot, chain);
    expect(index.depths(chain, [1])).toEqual([4]);
    const depths = new Uint16Array(index.view.buffer, index.shard + layout.SHARD_SCRATCH + 20_480, 1024);
    expect([depths[0], depths[1], depths[2], depths[63]]).toEqual([0, 4, 0, 0]);
    expect([depths[64], depths[1023]]).toEqual([0xdead, 0xdead]);
  });

  test("the jump search finds every depth, whatever the length of the prompt", () => {
    const index = emptyIndex(build);
    const chain = chainNamed(1, 600);
    for (let depth = 1; depth <= 600; depth++) index.store(depth, chain.slice(0, depth));
    const candidates = slots(601);
    const lengths = [1, 2, 3, 63, 64, 65, 127, 128, 129, 130, 255, 256, 257, 258, 384, 385, 386, 599, 600];
    for (const length of lengths) {
      const expected = candidates.map((depth) => Math.min(depth, length));
      const prompt = chain.slice(0, length);
      expect(index.depths(prompt, candidates)).toEqual(expected);
      expect(index.depths(prompt, candidates, "linear")).toEqual(expected);
    }
    // One endpoint alone at each depth: no other one's drop helps to find it.
    const alone = slots(601).map((depth) => index.depths(chain, [depth])[0]);
    expect(alone).toEqual(candidates);
    expect(index.brokenInvariant()).toBe("");
  });

  test("the linear walk stops at the first hole of an endpoint that is not prefix-closed", () => {
    const index = emptyIndex(build);
    const chain = chainNamed(1, 10);
    index.store(1, chain);
    index.store(2, chain);
    index.remove(2, [chain[4] as bigint]);
    expect(index.depths(chain, [1, 2], "linear")).toEqual([10, 4]);
  });

  test("keys that share a home are found after any of them is deleted, also around the end of the table", () => {
    const home = 4093n;
    // Homes 4093, 4093, 4094, 4093, 0, 4095, 4093, 1: one run of slots 4093 … 4.
    const keys = [0n, 0n, 1n, 0n, -4093n, 2n, 0n, -4092n].map((offset, number) => {
      return (BigInt(number + 1) << 40n) | (home + offset);
    });
    const orders = [
      [0, 1, 2, 3, 4, 5, 6, 7],
      [7, 6, 5, 4, 3, 2, 1, 0],
      [3, 0, 5, 7, 1, 6, 2, 4],
      [4, 2, 6, 1, 7, 5, 0, 3],
    ];
    for (const order of orders) {
      const index = emptyIndex(build);
      expect(index.store(9, keys)).toBe(8);
      expect(index.brokenInvariant()).toBe("");
      const left = new Set(keys);
      for (const position of order) {
        const key = keys[position] as bigint;
        expect(index.remove(9, [key])).toBe(1);
        left.delete(key);
        for (const other of keys) expect(index.depths([other], [9])).toEqual([left.has(other) ? 1 : 0]);
        expect(index.brokenInvariant()).toBe("");
      }
    }
  });

  test("a ref that carries the tag of another key, as while that key moves into the slot, is not taken", () => {
    const index = emptyIndex(build);
    const [own, other] = [chainNamed(1, 1), chainNamed(2, 1)];
    index.store(1, own);
    index.store(2, other);
    const slotOf = (key: bigint): number => {
      const table = index.view.getUint32(layout.HEADER + layout.HEADER_INDEX_TABLE, true);
      return table + Number(key & 4095n) * layout.INDEX_SLOT_SIZE;
    };
    const [ownSlot, otherSlot] = [slotOf(own[0] as bigint), slotOf(other[0] as bigint)];
    expect(index.view.getBigUint64(ownSlot, true)).toBe(own[0]);
    index.view.setBigUint64(ownSlot + 8, index.view.getBigUint64(otherSlot + 8, true), true);
    expect(index.depths(own, [1, 2])).toEqual([0, 0]);
    expect(index.depths(other, [1, 2])).toEqual([0, 1]);
    expect(index.brokenInvariant()).toMatch(/^M13 /);
  });

  test("random changes leave the index equal to a plain map, and all invariants whole", () => {
    // Strategy: 12 endpoints (0 … 5 and 6 far apart) take up and give up prompts of a random tree of prefixes, heads
    // first and tails first, so that holdings stay prefix-closed. After each step: invariants, and one random prompt
    // looked up by jump, by walk and in the model.
    const seed = 20_261_120;
    const prng = new Prng(seed);
    const index = emptyIndex(build, 1024);
    const model = new IndexModel();
    const endpoints = [0, 1, 2, 3, 4, 5, 63, 64, 500, 511, 512, 1023];
    const held = new Map(endpoints.map((slot) => [slot, [] as bigint[]]));
    const randomPrompt = (): bigint[] => {
      return chainOf(Array.from({ length: 1 + prng.nextBelow(40) }, () => prng.nextBelow(2) * prng.nextBelow(2)));
    };
    let steps = 0;
    for (; steps < 500; steps++) {
      const slot = endpoints[prng.nextBelow(endpoints.length)] as number;
      const ownKeys = held.get(slot) as bigint[];
      if (prng.nextBelow(5) < 3) {
        const prompt = randomPrompt();
        const fresh = prompt.filter((key) => !ownKeys.includes(key));
        expect(index.store(slot, prompt), `seed ${seed} step ${steps}`).toBe(prompt.length);
        model.store(slot, prompt);
        // Oldest first in the list: descendants come after their ancestors.
        ownKeys.push(...fresh);
      } else {
        const evicted = ownKeys.splice(Math.max(0, ownKeys.length - 1 - prng.nextBelow(60))).reverse();
        expect(index.remove(slot, evicted), `seed ${seed} step ${steps}`).toBe(evicted.length);
        model.remove(slot, evicted);
      }
      expect(index.brokenInvariant(), `seed ${seed} step ${steps}`).toBe("");
      expect(index.keyCount()).toBe(model.holders.size);
      const prompt = randomPrompt();
      const expected = endpoints.map((endpoint) => model.depth(endpoint, prompt));
      expect(index.depths(prompt, endpoints), `seed ${seed} step ${steps}`).toEqual(expected);
      expect(index.depths(prompt, endpoints, "linear"), `seed ${seed} step ${steps}`).toEqual(expected);
    }
    expect(steps).toBe(500);
    expect(index.counter(layout.INDEX_COUNTER_SETS_LIVE)).toBeGreaterThan(0);
  });

  test("a table at its load limit takes no new key, but further holders of the keys it has", () => {
    const index = emptyIndex(build);
    const limit = Math.floor((4096 * layout.INDEX_LOAD_PERCENT) / 100);
    const chain = chainNamed(1, 2_000);
    expect(index.store(1, chain)).toBe(2_000);
    expect(index.store(1, chainNamed(2, 2_000))).toBe(limit - 2_000);
    expect(index.keyCount()).toBe(limit);
    expect(index.store(1, chainNamed(3, 1))).toBe(0);
    expect(index.store(2, chain)).toBe(2_000);
    expect(index.brokenInvariant()).toBe("");
    expect(
      index.remove(
        1,
        chainNamed(2, 2_000)
          .slice(0, limit - 2_000)
          .reverse(),
      ),
    ).toBe(limit - 2_000);
    expect(index.store(1, chainNamed(3, 1))).toBe(1);
    expect(index.brokenInvariant()).toBe("");
  });

  test("a distinct block costs at most 24 bytes of shared memory when the table is full", () => {
    const slotBytes = layout.INDEX_SLOT_SIZE + 4 / layout.INDEX_WINDOW_SLOTS;
    expect((slotBytes * 100) / layout.INDEX_LOAD_PERCENT).toBeLessThanOrEqual(24);
  });
});
