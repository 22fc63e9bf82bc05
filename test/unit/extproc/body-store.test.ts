import { describe, expect, it } from "vitest";
import { Prng, randomSeed } from "../../../src/base/prng.ts";
import { BodyStore } from "../../../src/extproc/body-store.ts";
import { SLAB_SIZE, SlabPool } from "../../../src/extproc/slab-pool.ts";

const ROUNDS = 300;
const seed = randomSeed();

/** Adds the piece in memory that is overwritten after. */
function append(store: BodyStore, piece: Buffer): void {
  const memory = Buffer.from(piece);
  store.append(memory);
  memory.fill(0xff);
}

describe("BodyStore", () => {
  // Strategy: bodies of random pieces, empty to three slabs long, several at once, over a pool that is sometimes too
  // small for them. Invariants: the pieces add up to the body, none is empty, and after release all slabs are free.
  it(`keeps ${ROUNDS} random bodies (seed ${seed})`, () => {
    const prng = new Prng(seed);
    let exhausted = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const slabsMax = prng.nextBelow(12);
      const pool = new SlabPool({ slabsMax, onExhausted: () => exhausted++ });
      const bodies = Array.from({ length: 1 + prng.nextBelow(3) }, () => ({
        store: new BodyStore(pool),
        pieces: [] as Buffer[],
      }));
      for (let count = prng.nextBelow(16); count > 0; count--) {
        const body = bodies[prng.nextBelow(bodies.length)];
        const size = prng.nextBelow([2, 100, SLAB_SIZE + 1, 3 * SLAB_SIZE][prng.nextBelow(4)] ?? 1);
        const piece = Buffer.alloc(size, prng.nextBelow(200));
        body?.pieces.push(piece);
        if (body !== undefined) append(body.store, piece);
      }
      for (const { store, pieces } of bodies) {
        const expected = Buffer.concat(pieces);
        const kept = store.pieces();
        expect(store.size).toBe(expected.length);
        expect(Buffer.concat(kept).equals(expected), `round ${round}`).toBe(true);
        expect(kept.every(({ length }) => length > 0)).toBe(true);
      }
      for (const { store } of bodies) store.release();
      expect([pool.takenCount, pool.freeCount]).toEqual([0, slabsMax]);
    }
    expect(exhausted).toBeGreaterThan(ROUNDS / 10);
  });

  it("takes no slab before it has a byte, and as few as hold the body", () => {
    const pool = new SlabPool({ slabsMax: 8, onExhausted: () => undefined });
    const store = new BodyStore(pool);
    append(store, Buffer.alloc(0));
    expect(pool.takenCount).toBe(0);
    for (let byte = 0; byte < SLAB_SIZE; byte++) append(store, Buffer.from([byte & 127]));
    expect(pool.takenCount).toBe(1);
    append(store, Buffer.from([1]));
    expect(pool.takenCount).toBe(2);
    expect(store.pieces().map(({ length }) => length)).toEqual([SLAB_SIZE, 1]);
  });

  it("asks once for what there is not, and keeps the rest of the body outside even when slabs are free again", () => {
    let exhausted = 0;
    const pool = new SlabPool({ slabsMax: 2, onExhausted: () => exhausted++ });
    const [first, second] = [new BodyStore(pool), new BodyStore(pool)];
    append(first, Buffer.alloc(SLAB_SIZE, 1));
    append(second, Buffer.alloc(2 * SLAB_SIZE, 2));
    first.release();
    append(second, Buffer.alloc(2 * SLAB_SIZE, 3));
    expect([exhausted, pool.takenCount]).toEqual([1, 1]);
    const expected = Buffer.concat([Buffer.alloc(2 * SLAB_SIZE, 2), Buffer.alloc(2 * SLAB_SIZE, 3)]);
    expect(Buffer.concat(second.pieces()).equals(expected)).toBe(true);
  });

  it("may be released twice, and filled again", () => {
    const pool = new SlabPool({ slabsMax: 2, onExhausted: () => undefined });
    const store = new BodyStore(pool);
    append(store, Buffer.from("first"));
    store.release();
    store.release();
    expect([store.size, store.pieces(), pool.takenCount]).toEqual([0, [], 0]);
    append(store, Buffer.from("second"));
    expect(store.pieces().join("")).toBe("second");
  });
});
