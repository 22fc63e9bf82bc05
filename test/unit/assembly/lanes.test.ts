/** Lanes: which blocks an endpoint holds, in order of use, over a private memory of their own. */
import { describe, expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { Lanes } from "../../../src/wasm/lanes.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { chainNamed, chainOf } from "../../support/index-model.ts";
import { KERNEL_BUILDS, type KernelBuild } from "../../support/kernel.ts";

const KEYS_SIZE = layout.BLOCKS_MAX * 8;

/** Lanes, and as the "shared" memory two buffers: keys going in at 0, evicted keys coming out at KEYS_SIZE. */
class TestLanes {
  readonly lanes: Lanes;
  readonly #keys: BigUint64Array = new BigUint64Array(2 * layout.BLOCKS_MAX);
  readonly #words: Uint32Array = new Uint32Array(this.#keys.buffer);
  readonly #view: DataView;

  constructor(build: KernelBuild, blocksPerEndpoint: number, blocksTotal: number) {
    this.lanes = new Lanes({ blocksPerEndpoint, blocksTotal }, build);
    this.#view = new DataView(this.lanes.memory.buffer);
  }

  match(slot: number, keys: readonly bigint[]): number {
    this.#keys.set(keys);
    return this.lanes.match(slot, this.#words, 0, keys.length);
  }

  /** Touches and adds the whole chain, as the writer does, evicting what exceeds the lane. Returns the evicted keys. */
  use(slot: number, keys: readonly bigint[]): readonly bigint[] {
    const { blocksPerEndpoint } = this.lanes.capacity;
    const chain = keys.slice(0, blocksPerEndpoint);
    const held = this.match(slot, chain);
    const excess = this.lanes.blockCount(slot) + chain.length - held - blocksPerEndpoint;
    const evicted = excess > 0 ? this.evict(slot, excess, held) : [];
    this.lanes.insert(slot, held, chain.length - held);
    return evicted;
  }

  evict(slot: number, count: number, keep: number): readonly bigint[] {
    const evicted = this.lanes.evict(slot, count, keep, this.#words, KEYS_SIZE);
    return [...this.#keys.subarray(layout.BLOCKS_MAX, layout.BLOCKS_MAX + evicted)];
  }

  /** Keys of a lane, newest first. */
  keys(slot: number): readonly bigint[] {
    // The found-entries buffer is free between two records, and long enough for 1,024 keys.
    const count = this.lanes.kernel.laneKeys(slot, layout.LANES_FOUND, 1_024);
    return Array.from({ length: count }, (_, index) => this.#view.getBigUint64(layout.LANES_FOUND + index * 8, true));
  }

  brokenInvariant(): string {
    const broken = this.lanes.kernel.checkLanes(layout.LANES_FOUND);
    return broken === 0 ? "" : `M${broken} at ${this.#view.getUint32(layout.LANES_FOUND, true)}`;
  }
}

describe.each(KERNEL_BUILDS)("lanes, %s build", (build) => {
  test("a chain stands head first at the newest end, before what was used earlier", () => {
    const lanes = new TestLanes(build, 100, 100);
    const first = chainNamed(1, 3);
    const second = chainNamed(2, 2);
    lanes.use(5, first);
    lanes.use(5, second);
    expect(lanes.keys(5)).toEqual([...second, ...first]);
    lanes.use(5, first);
    expect(lanes.keys(5)).toEqual([...first, ...second]);
    expect(lanes.brokenInvariant()).toBe("");
  });

  test("what is held of a chain is found, and what is new goes right behind it", () => {
    const lanes = new TestLanes(build, 100, 100);
    const chain = chainNamed(1, 6);
    lanes.use(5, chain.slice(0, 4));
    lanes.use(5, chainNamed(2, 2));
    expect(lanes.match(5, chain)).toBe(4);
    lanes.lanes.insert(5, 4, 2);
    expect(lanes.keys(5)).toEqual([...chain, ...chainNamed(2, 2)]);
    expect(lanes.match(5, chain.slice(0, 3))).toBe(3);
    expect(lanes.match(5, chainNamed(3, 3))).toBe(0);
    expect(lanes.brokenInvariant()).toBe("");
  });

  test("one key can stand in the lanes of several endpoints, each with an order of its own", () => {
    const lanes = new TestLanes(build, 100, 100);
    const chain = chainNamed(1, 3);
    for (const slot of [0, 1, 1023]) lanes.use(slot, chain);
    lanes.use(1, chainNamed(2, 1));
    expect(lanes.evict(1, 2, 0)).toEqual([chain[2], chain[1]]);
    expect(lanes.keys(0)).toEqual(chain);
    expect(lanes.keys(1)).toEqual([...chainNamed(2, 1), chain[0]]);
    expect(lanes.keys(1023)).toEqual(chain);
    expect(lanes.lanes.freeCount()).toBe(92);
    expect(lanes.brokenInvariant()).toBe("");
  });

  test("eviction takes the oldest chain first, its tail before its head, and leaves what must be kept", () => {
    const lanes = new TestLanes(build, 100, 100);
    const [old, recent] = [chainNamed(1, 3), chainNamed(2, 3)];
    lanes.use(5, old);
    lanes.use(5, recent);
    expect(lanes.evict(5, 4, 0)).toEqual([...old.toReversed(), recent[2]]);
    expect(lanes.evict(5, 10, 1)).toEqual([recent[1]]);
    expect(lanes.evict(5, 10, 1)).toEqual([]);
    expect(lanes.keys(5)).toEqual([recent[0]]);
    expect(lanes.brokenInvariant()).toBe("");
  });

  test("a chain longer than the lane leaves its head part there", () => {
    const lanes = new TestLanes(build, 10, 100);
    const chain = chainNamed(1, 25);
    lanes.use(5, chainNamed(2, 4));
    expect(lanes.use(5, chain)).toEqual(chainNamed(2, 4).toReversed());
    expect(lanes.keys(5)).toEqual(chain.slice(0, 10));
    expect(lanes.use(5, chain)).toEqual([]);
    expect(lanes.brokenInvariant()).toBe("");
  });

  test("growing a chain in a full lane evicts other chains, never its own head", () => {
    const lanes = new TestLanes(build, 8, 100);
    const chain = chainNamed(1, 8);
    lanes.use(5, chain.slice(0, 3));
    const other = chainNamed(2, 5);
    lanes.use(5, other);
    expect(lanes.use(5, chain)).toEqual(other.toReversed());
    expect(lanes.keys(5)).toEqual(chain);
  });

  test("entries are used again: a pool of just the lane's size is never short", () => {
    const lanes = new TestLanes(build, 16, 16);
    for (let name = 0; name < 200; name++) {
      lanes.use(name % 2 === 0 ? 5 : 6, chainNamed(name, 8));
      lanes.evict(name % 2 === 0 ? 6 : 5, 8, 0);
      expect(lanes.brokenInvariant()).toBe("");
    }
    expect(lanes.lanes.freeCount()).toBe(8);
  });

  test("the fullest lane is the one with most blocks", () => {
    const lanes = new TestLanes(build, 100, 100);
    expect(lanes.lanes.fullest()).toBe(0);
    lanes.use(7, chainNamed(1, 3));
    lanes.use(1023, chainNamed(2, 5));
    expect(lanes.lanes.fullest()).toBe(1023);
    lanes.evict(1023, 3, 0);
    expect(lanes.lanes.fullest()).toBe(7);
  });

  test.each([
    ["an entry counted that is not there", layout.LANES_USED],
    ["a lane that counts one more", layout.LANES_RECORDS + 5 * layout.LANE_STRIDE + layout.LANE_COUNT],
    ["a lane that ends elsewhere", layout.LANES_RECORDS + 5 * layout.LANE_STRIDE + layout.LANE_OLDEST],
    ["an entry that was never issued", layout.LANES_ISSUED],
  ])("the checker finds %s", (_, word) => {
    const lanes = new TestLanes(build, 10, 10);
    lanes.use(5, chainNamed(1, 3));
    expect(lanes.brokenInvariant()).toBe("");
    const words = new Uint32Array(lanes.lanes.memory.buffer);
    words[word / 4] = (words[word / 4] as number) + 1;
    expect(lanes.brokenInvariant()).toMatch(/^M17 /);
  });

  test("after any use and eviction of random prompts a lane is a least-recently-used list, and prefix-closed", () => {
    // Strategy: 3 lanes of 40 blocks take prompts of a random binary tree; sometimes some are evicted. The model is an
    // array per lane, newest first. Invariants: M11 (every parent of a held block is held), M12 (and is newer), M17.
    const seed = 20_261_121;
    const prng = new Prng(seed);
    const lanes = new TestLanes(build, 40, 100);
    const parents = new Map<bigint, bigint | undefined>();
    const models = [0, 1, 2].map(() => [] as bigint[]);
    for (let step = 0; step < 2_000; step++) {
      const slot = prng.nextBelow(3);
      const model = models[slot] as bigint[];
      if (prng.nextBelow(8) === 0) {
        const count = prng.nextBelow(10);
        expect(lanes.evict(slot, count, 0), `seed ${seed} step ${step}`).toEqual(model.splice(-count, count).reverse());
      } else {
        const blocks = Array.from({ length: 1 + prng.nextBelow(45) }, () => prng.nextBelow(4) >> 1);
        const prompt = chainOf(blocks);
        for (const [index, key] of prompt.entries()) parents.set(key, prompt[index - 1]);
        // The pool of 100 is less than three full lanes. Where the writer would evict from the fullest, all are halved.
        if (lanes.lanes.freeCount() < 40) {
          for (const [other, keys] of models.entries()) keys.splice(keys.length - lanes.evict(other, 20, 20).length);
        }
        const chain = prompt.slice(0, 40);
        const rest = model.filter((key) => !chain.includes(key));
        const evicted = rest.splice(40 - chain.length).reverse();
        expect(lanes.use(slot, prompt), `seed ${seed} step ${step}`).toEqual(evicted);
        models[slot] = [...chain, ...rest];
      }
      const held = lanes.keys(slot);
      expect(held, `seed ${seed} step ${step}`).toEqual(models[slot]);
      const places = new Map(held.map((key, place) => [key, place]));
      for (const [place, key] of held.entries()) {
        const parent = parents.get(key);
        if (parent !== undefined) expect(places.get(parent), `seed ${seed} step ${step}`).toBeLessThan(place);
      }
      expect(lanes.brokenInvariant(), `seed ${seed} step ${step}`).toBe("");
    }
  });
});
