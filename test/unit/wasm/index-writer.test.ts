/**
 * The index writer: from the shards' rings to the index. Both sides run in this thread; `index-writer-thread.test.ts`
 * parts them.
 */
import { describe, expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { EndpointColumns } from "../../../src/wasm/endpoint-columns.ts";
import { IndexControl } from "../../../src/wasm/index-control.ts";
import { IndexWriter, type IndexWriterOptions } from "../../../src/wasm/index-writer.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { chainNamed, chainOf, TestIndex } from "../../support/index-model.ts";
import { KERNEL_BUILDS, type KernelBuild, type TestKernel, testKernel } from "../../support/kernel.ts";

interface Fixture {
  readonly kernel: TestKernel;
  readonly writer: IndexWriter;
  readonly control: IndexControl;
  /** One handle per shard. */
  readonly shards: readonly [TestIndex, TestIndex];
  restartWriter(): IndexWriter;
}

/** Two shards, 2^12 key slots, and slots 0 … 9 given to endpoints of generation 1. */
function fixture(build: KernelBuild, options: Partial<IndexWriterOptions> = {}): Fixture {
  const kernel = testKernel(build, { shardCount: 2, indexSlotsLog2: 12, streamWindowCount: 1 });
  const columns = new EndpointColumns(kernel.memory);
  for (let slot = 0; slot < 10; slot++) columns.add(slot, `10.0.0.${slot}:8000`);
  const lanes = { blocksPerEndpoint: 2_000, blocksTotal: 10_000 };
  const restartWriter = (): IndexWriter => new IndexWriter({ memory: kernel.memory, build, lanes, ...options });
  const shards = [new TestIndex(kernel, 0), new TestIndex(kernel, 1)] as const;
  return { kernel, writer: restartWriter(), control: new IndexControl(kernel.memory), shards, restartWriter };
}

/** Keys in a lane, newest first. */
function laneKeys(writer: IndexWriter, slot: number): bigint[] {
  const { kernel, memory } = writer.lanes;
  const count = kernel.laneKeys(slot, layout.LANES_KEYS, layout.BLOCKS_MAX);
  return [...new BigUint64Array(memory.buffer, layout.LANES_KEYS, count)];
}

/** Lanes and table know the same holders, and all invariants of both hold. */
function expectConsistent({ writer, shards }: Fixture, hint = ""): void {
  const [index] = shards;
  expect(index.brokenInvariant(), hint).toBe("");
  expect(writer.lanes.kernel.checkLanes(layout.LANES_EVICTED), hint).toBe(0);
  const distinct = new Set<bigint>();
  for (let slot = 0; slot < 10; slot++) {
    for (const key of laneKeys(writer, slot)) {
      distinct.add(key);
      expect(index.depths([key], [slot]), hint).toEqual([1]);
    }
  }
  expect(index.keyCount(), hint).toBe(distinct.size);
}

describe.each(KERNEL_BUILDS)("index writer, %s build", (build) => {
  test("what a shard picked is seen by it at once, and by the other shard once the writer has applied it", () => {
    const all = fixture(build);
    const [first, second] = all.shards;
    const chain = chainNamed(1, 20);
    expect(first.push(3, 1, chain)).toBe(true);
    expect(first.depths(chain, [2, 3, 4], "overlay")).toEqual([0, 20, 0]);
    expect(first.depths(chain, [2, 3, 4])).toEqual([0, 0, 0]);
    expect(second.depths(chain, [2, 3, 4], "overlay")).toEqual([0, 0, 0]);
    expect(all.writer.drain()).toBe(1);
    for (const shard of all.shards) expect(shard.depths(chain, [2, 3, 4])).toEqual([0, 20, 0]);
    expect(all.writer.drain()).toBe(0);
    expectConsistent(all);
  });

  test("the overlay gives the part that a prompt shares with an own pick, the longest of several", () => {
    const { shards } = fixture(build);
    const chain = chainNamed(1, 40);
    const sibling = chainOf([9, 9, 9], chain[24]);
    shards[0].push(3, 1, [...chain.slice(0, 25), ...sibling]);
    shards[0].push(3, 1, chain.slice(0, 10));
    shards[0].push(4, 1, chain.slice(0, 12));
    shards[0].push(5, 1, chainNamed(2, 40));
    for (const length of [1, 2, 11, 12, 13, 24, 25, 26, 40]) {
      const expected = [Math.min(25, length), Math.min(12, length), 0];
      expect(shards[0].depths(chain.slice(0, length), [3, 4, 5], "overlay")).toEqual(expected);
    }
  });

  test("the overlay raises what the index knows, and never lowers it", () => {
    const all = fixture(build);
    const [shard] = all.shards;
    const chain = chainNamed(1, 30);
    shard.push(3, 1, chain.slice(0, 20));
    all.writer.drain();
    shard.push(3, 1, chain.slice(0, 5));
    expect(shard.depths(chain, [3], "overlay")).toEqual([20]);
    shard.push(3, 1, chain);
    expect(shard.depths(chain, [3], "overlay")).toEqual([30]);
  });

  test("the overlay ends with the record's application: what is evicted afterwards is not seen any more", () => {
    const all = fixture(build);
    const [shard] = all.shards;
    const chain = chainNamed(1, 20);
    shard.push(3, 1, chain);
    all.writer.drain();
    all.writer.clearEndpoint(3);
    expect(shard.depths(chain, [3], "overlay")).toEqual([0]);
    expectConsistent(all);
  });

  test("a record that is applied while a read is under way stays in that read's overlay", () => {
    const { kernel, writer, shards } = fixture(build);
    const [shard] = shards;
    const chain = chainNamed(1, 20);
    shard.push(3, 1, chain);
    const depths = shard.shard + layout.SHARD_SCRATCH + 20_480;
    kernel.kernel.readBegin(shard.shard);
    // What `matchKeys` would see before the record is applied: nothing.
    kernel.view.setUint16(depths + 3 * 2, 0, true);
    writer.drain();
    kernel.kernel.overlayMatch(shard.shard, shard.putKeys(chain), 20, depths);
    kernel.kernel.readEnd(shard.shard);
    expect(kernel.view.getUint16(depths + 3 * 2, true)).toBe(20);
  });

  test("the overlay passes over a pick whose endpoint has left the slot", () => {
    const { kernel, shards } = fixture(build);
    const chain = chainNamed(1, 20);
    shards[0].push(3, 1, chain);
    new EndpointColumns(kernel.memory).add(3, "10.0.0.99:8000");
    expect(shards[0].depths(chain, [3], "overlay")).toEqual([0]);
  });

  test("a record that was applied and overwritten within a read is not taken for one", () => {
    // Lap 1: one record of 24 bytes, then some of 16,400. Lap 2: only such of 16,400, so that the header of a record of
    // lap 1 is overwritten by keys 1 and 2 of one of lap 2, and its first key by key 3.
    const { kernel, writer, shards } = fixture(build, { lanes: { blocksPerEndpoint: 100, blocksTotal: 1_000 } });
    const [shard] = shards;
    const depths = shard.shard + layout.SHARD_SCRATCH + 20_480;
    const prompt = chainNamed(1, 1);
    const filler = chainNamed(2, layout.BLOCKS_MAX);
    const forged = [filler[0] as bigint, 5n << 32n, (1n << 32n) | 1n, ...prompt, ...filler.slice(4)];
    kernel.kernel.readBegin(shard.shard);
    shard.push(3, 1, chainNamed(3, 1));
    for (let record = 0; record < 70; record++) {
      expect(shard.push(3, 1, record < 63 ? filler : forged)).toBe(true);
      while (writer.drain() > 0);
    }
    kernel.bytes.fill(0, depths, depths + 2_048);
    kernel.kernel.overlayMatch(shard.shard, shard.putKeys(prompt), 1, depths);
    kernel.kernel.readEnd(shard.shard);
    expect(kernel.view.getUint16(depths + 5 * 2, true)).toBe(0);
  });

  test("the overlay shows the last OVERLAY_MAX picks", () => {
    const { shards } = fixture(build);
    const [shard] = shards;
    for (let name = 0; name <= layout.OVERLAY_MAX; name++) shard.push(name % 10, 1, chainNamed(name, 2));
    expect(shard.depths(chainNamed(0, 2), [0], "overlay")).toEqual([0]);
    expect(shard.depths(chainNamed(1, 2), [1], "overlay")).toEqual([2]);
    expect(shard.depths(chainNamed(layout.OVERLAY_MAX, 2), [layout.OVERLAY_MAX % 10], "overlay")).toEqual([2]);
  });

  test("a full ring refuses a pick and counts that; after a drain it takes picks again, over many laps", () => {
    const all = fixture(build, { lanes: { blocksPerEndpoint: 300, blocksTotal: 3_000 } });
    const { kernel, writer, shards } = all;
    const [shard] = shards;
    const refused = (): bigint => {
      return kernel.view.getBigUint64(shard.shard + layout.SHARD_COUNTERS + layout.SHARD_COUNTER_RING_FULL * 8, true);
    };
    const prng = new Prng(20_261_122);
    const head = (): number => kernel.view.getUint32(shard.shard + layout.SHARD_RING_HEAD, true);
    let name = 0;
    let pushed = 0;
    for (let lap = 0; lap < 6; lap++) {
      const refusedBefore = refused();
      let last: bigint[] = [];
      let length = 0;
      // Odd lengths, so that the records do not divide the ring and each lap ends with padding.
      for (let isTaken = true; isTaken; name++) {
        length = 1 + 2 * prng.nextBelow(500);
        isTaken = shard.push(name % 10, 1, chainNamed(name, length));
        if (isTaken) {
          last = chainNamed(name, length);
          pushed++;
        }
      }
      expect(refused()).toBe(refusedBefore + 1n);
      const lastSlot = (name - 2) % 10;
      expect(shard.depths(last, [lastSlot], "overlay")).toEqual([last.length]);
      while (writer.drain() > 0);
      expect(shard.counter(layout.INDEX_COUNTER_RECORDS)).toBe(pushed);
      expect(shard.depths(last, [lastSlot], "overlay")).toEqual([Math.min(last.length, 300)]);
      expect(shard.depths(chainNamed(name - 1, length), [(name - 1) % 10], "overlay")).toEqual([0]);
    }
    expect(head()).toBeGreaterThan(5 * layout.RING_SIZE);
    expectConsistent(all);
  });

  test("ring positions go around 2^32", () => {
    const all = fixture(build);
    const [shard] = all.shards;
    const start = 0xffff_0000 - 8192;
    all.kernel.view.setUint32(shard.shard + layout.SHARD_RING_HEAD, start, true);
    all.kernel.view.setUint32(layout.INDEX + layout.INDEX_RING_TAIL, start, true);
    for (let name = 0; name < 40; name++) {
      const chain = chainNamed(name, 501);
      expect(shard.push(name % 10, 1, chain)).toBe(true);
      expect(shard.depths(chain, [name % 10], "overlay")).toEqual([501]);
      if (name % 7 === 0) while (all.writer.drain() > 0);
    }
    expect(all.kernel.view.getUint32(shard.shard + layout.SHARD_RING_HEAD, true)).toBeLessThan(start);
  });

  test("a record of a generation that has left its slot is dropped and counted", () => {
    const all = fixture(build);
    const [shard] = all.shards;
    shard.push(3, 2, chainNamed(1, 5));
    shard.push(3, 1, chainNamed(2, 5));
    all.control.requestClear(3, 1);
    all.writer.drain();
    expect(shard.depths(chainNamed(1, 5), [3])).toEqual([0]);
    expect(shard.depths(chainNamed(2, 5), [3])).toEqual([0]);
    expect(shard.counter(layout.INDEX_COUNTER_STALE_RECORDS)).toBe(2);
    expectConsistent(all);
  });

  test("an endpoint that is cleared holds nothing, the others keep what they share with it", () => {
    const all = fixture(build, { lanes: { blocksPerEndpoint: 5_000, blocksTotal: 10_000 } });
    const [shard] = all.shards;
    const chain = chainNamed(1, 800);
    for (const slot of [2, 3, 4, 5]) shard.push(slot, 1, chain);
    shard.push(3, 1, chainNamed(2, 1_000));
    shard.push(3, 1, chainNamed(3, 1_000));
    while (all.writer.drain() > 0);
    expect(all.control.isCleared(3, 1)).toBe(false);
    all.control.requestClear(3, 1);
    expect(all.writer.drain()).toBe(1);
    expect(all.control.isCleared(3, 1)).toBe(true);
    expect(shard.depths(chain, [2, 3, 4, 5])).toEqual([800, 0, 800, 800]);
    expect(shard.keyCount()).toBe(800);
    expect(shard.counter(layout.INDEX_COUNTER_ENDPOINTS_CLEARED)).toBe(1);
    expectConsistent(all);
    // The slot's next endpoint starts from nothing.
    const generation = new EndpointColumns(all.kernel.memory).add(3, "10.0.0.99:8000");
    shard.push(3, generation, chain);
    all.writer.drain();
    expect(shard.depths(chain, [3])).toEqual([800]);
  });

  test("an endpoint's lane forgets its least recently used prompt, tail first", () => {
    const all = fixture(build, { lanes: { blocksPerEndpoint: 50, blocksTotal: 1_000 } });
    const [shard] = all.shards;
    const [old, recent] = [chainNamed(1, 30), chainNamed(2, 30)];
    for (const chain of [old, recent]) shard.push(3, 1, chain);
    shard.push(4, 1, old);
    all.writer.drain();
    expect(shard.depths(old, [3, 4])).toEqual([20, 30]);
    expect(shard.depths(recent, [3, 4])).toEqual([30, 0]);
    shard.push(3, 1, chainNamed(3, 80));
    all.writer.drain();
    expect(shard.depths(chainNamed(3, 80), [3])).toEqual([50]);
    expect(shard.depths(old, [3, 4])).toEqual([0, 30]);
    expect(shard.counter(layout.INDEX_COUNTER_BLOCKS_REFUSED)).toBe(30);
    expectConsistent(all);
  });

  test("when all lane entries are in use, the endpoint with most blocks gives some up", () => {
    const all = fixture(build, { lanes: { blocksPerEndpoint: 500, blocksTotal: 600 } });
    const [shard] = all.shards;
    shard.push(1, 1, chainNamed(1, 400));
    shard.push(2, 1, chainNamed(2, 150));
    shard.push(3, 1, chainNamed(3, 100));
    all.writer.drain();
    expect(shard.depths(chainNamed(1, 400), [1])).toEqual([350]);
    expect(shard.depths(chainNamed(2, 150), [2])).toEqual([150]);
    expect(shard.depths(chainNamed(3, 100), [3])).toEqual([100]);
    expectConsistent(all);
  });

  test("an endpoint that holds most, and nothing but the prompt in hand, does not evict that prompt's head for its tail", () => {
    const all = fixture(build, { lanes: { blocksPerEndpoint: 100, blocksTotal: 100 } });
    const [shard] = all.shards;
    const chain = chainNamed(1, 80);
    shard.push(1, 1, chain.slice(0, 60));
    shard.push(2, 1, chainNamed(2, 40));
    shard.push(1, 1, chain);
    all.writer.drain();
    expect(shard.depths(chain, [1])).toEqual([60]);
    expect(shard.depths(chainNamed(2, 40), [2])).toEqual([40]);
    expect(shard.counter(layout.INDEX_COUNTER_BLOCKS_REFUSED)).toBe(20);
    expectConsistent(all);
  });

  test("a full table takes room from the endpoint with most blocks; what finds none is refused and counted", () => {
    const all = fixture(build, { lanes: { blocksPerEndpoint: 5_000, blocksTotal: 50_000 } });
    const [shard] = all.shards;
    const limit = Math.floor((4096 * layout.INDEX_LOAD_PERCENT) / 100);
    shard.push(1, 1, chainNamed(1, 2_000));
    shard.push(2, 1, chainNamed(2, limit - 2_000));
    shard.push(3, 1, chainNamed(3, 100));
    all.writer.drain();
    expect(shard.depths(chainNamed(1, 2_000), [1])).toEqual([1_900]);
    expect(shard.depths(chainNamed(3, 100), [3])).toEqual([100]);
    expect(shard.keyCount()).toBe(limit);
    expect(shard.counter(layout.INDEX_COUNTER_BLOCKS_REFUSED)).toBe(0);
    expectConsistent(all);
    // The fullest lanes hold the same blocks as another one: evicting from one of them frees no key.
    all.writer.clearEndpoint(2);
    shard.push(2, 1, chainNamed(1, 1_900));
    shard.push(3, 1, chainNamed(4, limit - 2_000));
    all.writer.drain();
    shard.push(4, 1, chainNamed(5, 500));
    all.writer.drain();
    const [taken] = shard.depths(chainNamed(5, 500), [4]);
    expect(shard.counter(layout.INDEX_COUNTER_BLOCKS_REFUSED)).toBe(500 - (taken as number));
    expectConsistent(all);
  });

  test("a set pool that is used up cuts the chain where the refused set would begin", () => {
    const all = fixture(build, { setLimit: 3 });
    const [shard] = all.shards;
    const chain = chainNamed(1, 30);
    for (const [slot, depth] of [
      [1, 30],
      [2, 20],
      [3, 10],
      [4, 5],
      [5, 30],
    ] as const) {
      shard.push(slot, 1, chain.slice(0, depth));
    }
    all.writer.drain();
    const depths = shard.depths(chain, [1, 2, 3, 4, 5]);
    const stored = depths.reduce((sum, depth) => sum + depth, 0);
    expect(stored).toBeLessThan(95);
    expect(shard.counter(layout.INDEX_COUNTER_BLOCKS_REFUSED)).toBe(95 - stored);
    expect(shard.counter(layout.INDEX_COUNTER_SETS_REFUSED)).toBeGreaterThan(0);
    expectConsistent(all);
  });

  test("after any random prompts the index shows just what the lanes hold, prefix-closed, within all capacities", () => {
    // Strategy: 10 endpoints of 60 blocks with 400 entries between them; random prompts of a random tree from two
    // shards, sometimes a cleared endpoint. Invariants after each drain: all of the kernel's, the same holders in lanes
    // and table, prefix-closure (M11), and jump search equal to the linear walk.
    const seed = 20_261_123;
    const prng = new Prng(seed);
    const all = fixture(build, { lanes: { blocksPerEndpoint: 60, blocksTotal: 400 }, setLimit: 1_024 });
    const [index] = all.shards;
    const parents = new Map<bigint, bigint | undefined>();
    const slots = Array.from({ length: 10 }, (_, slot) => slot);
    for (let round = 0; round < 120; round++) {
      const hint = `seed ${seed} round ${round}`;
      let prompt: bigint[] = [];
      for (let pick = 0; pick < 6; pick++) {
        prompt = chainOf(Array.from({ length: 1 + prng.nextBelow(70) }, () => prng.nextBelow(4) >> 1));
        for (const [position, key] of prompt.entries()) parents.set(key, prompt[position - 1]);
        (all.shards[prng.nextBelow(2)] as TestIndex).push(prng.nextBelow(10), 1, prompt);
      }
      while (all.writer.drain() > 0);
      if (prng.nextBelow(10) === 0) all.writer.clearEndpoint(prng.nextBelow(10));
      expectConsistent(all, hint);
      for (const slot of slots) {
        const held = new Set(laneKeys(all.writer, slot));
        expect(held.size, hint).toBeLessThanOrEqual(60);
        const orphans = [...held].filter(
          (key) => parents.get(key) !== undefined && !held.has(parents.get(key) as bigint),
        );
        expect(orphans, hint).toEqual([]);
      }
      expect(index.depths(prompt, slots), hint).toEqual(index.depths(prompt, slots, "linear"));
    }
    expect(all.writer.lanes.freeCount()).toBeLessThan(100);
  });

  test("a new writer after one that died begins with an empty index, which the rings fill again", () => {
    const all = fixture(build);
    const [shard] = all.shards;
    const chain = chainNamed(1, 30);
    for (const slot of [1, 2, 3]) shard.push(slot, 1, chain);
    all.writer.drain();
    shard.push(4, 1, chain);
    all.control.requestClear(2, 1);
    const successor = all.restartWriter();
    expect(shard.depths(chain, [1, 2, 3, 4], "overlay")).toEqual([0, 0, 0, 0]);
    expect(shard.keyCount()).toBe(0);
    shard.push(1, 1, chain);
    expect(successor.drain()).toBe(2);
    expect(all.control.isCleared(2, 1)).toBe(true);
    expect(shard.depths(chain, [1, 2, 3, 4])).toEqual([30, 0, 0, 0]);
    expectConsistent({ ...all, writer: successor });
  });

  test("a writer that is told to stop, or has work, does not lie down to sleep", () => {
    const all = fixture(build);
    const doorbell = (): number => all.kernel.view.getUint32(layout.INDEX + layout.INDEX_SLEEPING, true);
    // A sleep of any length would be longer than the test may take.
    all.shards[1].push(3, 1, chainNamed(1, 5));
    all.writer.waitForWork(3_600_000);
    all.writer.drain();
    all.control.requestClear(3, 1);
    all.writer.waitForWork(3_600_000);
    all.writer.drain();
    all.control.requestEnd();
    all.writer.waitForWork(3_600_000);
    expect(all.writer.isStopRequested()).toBe(true);
    expect(doorbell()).toBe(0);
  });

  test("pushing to a ring takes the doorbell back, so that one sleep is ended by one wake-up", () => {
    const { kernel, shards } = fixture(build);
    kernel.view.setUint32(layout.INDEX + layout.INDEX_SLEEPING, 1, true);
    shards[0].push(3, 1, chainNamed(1, 5));
    expect(kernel.view.getUint32(layout.INDEX + layout.INDEX_SLEEPING, true)).toBe(0);
  });
});
