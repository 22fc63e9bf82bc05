import { describe, expect, it } from "vitest";
import { Prng, randomSeed } from "../../../src/base/prng.ts";
import { SLAB_SIZE, SlabPool } from "../../../src/extproc/slab-pool.ts";

const ARENA_SLABS = 1_024;
const ROUNDS = 20_000;
const seed = randomSeed();

function poolOf(slabsMax: number): { pool: SlabPool; exhausted: () => number } {
  let count = 0;
  return { pool: new SlabPool({ slabsMax, onExhausted: () => count++ }), exhausted: () => count };
}

function take(pool: SlabPool): number {
  const slab = pool.take();
  if (slab === undefined) throw new Error("no slab is free");
  return slab;
}

describe("SlabPool", () => {
  it("gives every slab once, the lowest first, and then says that none is free", () => {
    const slabsMax = 2 * ARENA_SLABS + 40;
    const { pool, exhausted } = poolOf(slabsMax);
    for (let slab = 0; slab < slabsMax; slab++) expect(pool.take()).toBe(slab);
    expect([pool.take(), pool.take(), exhausted()]).toEqual([undefined, undefined, 2]);
    expect([pool.takenCount, pool.freeCount]).toEqual([slabsMax, 0]);
  });

  it("gives the lowest slab that came back", () => {
    const { pool } = poolOf(2 * ARENA_SLABS);
    for (let count = 0; count < ARENA_SLABS + 10; count++) take(pool);
    for (const slab of [ARENA_SLABS + 5, 31, 32, 1_023]) pool.give(slab);
    expect(Array.from({ length: 5 }, () => pool.take())).toEqual([31, 32, 1_023, ARENA_SLABS + 5, ARENA_SLABS + 10]);
  });

  it("allocates an arena when the first slab of it is taken, never again, and none of more slabs than there are", () => {
    const { pool } = poolOf(ARENA_SLABS + 3);
    expect(pool.allocatedSize).toBe(0);
    const first = Array.from({ length: ARENA_SLABS }, () => take(pool));
    expect(pool.allocatedSize).toBe(ARENA_SLABS * SLAB_SIZE);
    take(pool);
    expect(pool.allocatedSize).toBe((ARENA_SLABS + 3) * SLAB_SIZE);
    for (const slab of first) pool.give(slab);
    for (const _ of first) take(pool);
    expect(pool.allocatedSize).toBe((ARENA_SLABS + 3) * SLAB_SIZE);
  });

  it("gives the same view of a slab each time, and no two slabs share a byte", () => {
    const { pool } = poolOf(ARENA_SLABS + 2);
    const slabs = Array.from({ length: ARENA_SLABS + 2 }, () => take(pool));
    for (const slab of slabs) pool.view(slab).fill(slab % 251);
    for (const slab of slabs) {
      const view = pool.view(slab);
      expect(view.length).toBe(SLAB_SIZE);
      expect(view.every((byte) => byte === slab % 251)).toBe(true);
    }
    const view = pool.view(7);
    pool.give(7);
    expect(pool.view(take(pool))).toBe(view);
  });

  it("refuses a slab that is given back twice, or was never taken", () => {
    const { pool } = poolOf(4);
    const slab = take(pool);
    pool.give(slab);
    for (const wrong of [slab, 3, 4]) expect(() => pool.give(wrong)).toThrow("not taken");
    expect(() => pool.view(3)).toThrow("never taken");
  });

  it("can have no slab at all", () => {
    expect(poolOf(0).pool.take()).toBeUndefined();
  });

  // Strategy: slabs are taken and given back in random order, with phases of more takes and of more gives. Invariants:
  // taken + free = all; the slab that is taken is the lowest of a plain list of the free ones.
  it(`loses no slab in ${ROUNDS} random takes and gives (seed ${seed})`, () => {
    const prng = new Prng(seed);
    const slabsMax = ARENA_SLABS + 100;
    const { pool } = poolOf(slabsMax);
    const taken: number[] = [];
    const isTaken = new Array<boolean>(slabsMax).fill(false);
    for (let round = 0; round < ROUNDS; round++) {
      const takes = prng.nextBelow(10) < (Math.floor(round / 2_000) % 2 === 0 ? 8 : 2);
      if (takes) {
        const slab = pool.take();
        const lowest = isTaken.indexOf(false);
        expect(slab).toBe(lowest < 0 ? undefined : lowest);
        if (slab === undefined) continue;
        isTaken[slab] = true;
        taken.push(slab);
      } else if (taken.length > 0) {
        const [slab = 0] = taken.splice(prng.nextBelow(taken.length), 1);
        isTaken[slab] = false;
        pool.give(slab);
      }
      expect(pool.takenCount).toBe(taken.length);
      if (round % 1_000 === 0) expect(pool.freeCount + pool.takenCount).toBe(slabsMax);
    }
    for (const slab of taken) pool.give(slab);
    expect([pool.takenCount, pool.freeCount]).toEqual([0, slabsMax]);
  });
});
