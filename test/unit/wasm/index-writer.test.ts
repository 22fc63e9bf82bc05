/**
 * The index writer: from the shards' rings to the index, within all capacities. On its own thread:
 * `index-writer-thread.test.ts`.
 */
import { describe, expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { EndpointColumns } from "../../../src/wasm/endpoint-columns.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { expectConsistent, indexFixture, laneKeys } from "../../support/index-fixture.ts";
import { chainNamed, chainOf, type TestIndex } from "../../support/index-model.ts";
import { KERNEL_BUILDS } from "../../support/kernel.ts";

describe.each(KERNEL_BUILDS)("index writer, %s build", (build) => {
  test("a record of a generation that has left its slot is dropped and counted", () => {
    const all = indexFixture(build);
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
    const all = indexFixture(build, { lanes: { blocksPerEndpoint: 5_000, blocksTotal: 10_000 } });
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

  test("an endpoint with a limit of its own holds that much, from its next record on", () => {
    const all = indexFixture(build, { lanes: { blocksPerEndpoint: 50, blocksTotal: 1_000 } });
    const [shard] = all.shards;
    const columns = new EndpointColumns(all.kernel.memory);
    columns.setLaneLimit(3, 20);
    columns.setLaneLimit(4, 70);
    for (const slot of [2, 3, 4]) shard.push(slot, 1, chainNamed(1, 90));
    all.writer.drain();
    expect(shard.depths(chainNamed(1, 90), [2, 3, 4])).toEqual([50, 20, 70]);
    columns.setLaneLimit(4, 10);
    expect(shard.depths(chainNamed(1, 90), [4])).toEqual([70]);
    shard.push(4, 1, chainNamed(2, 6));
    all.writer.drain();
    expect(all.writer.lanes.blockCount(4)).toBe(10);
    expect(shard.depths(chainNamed(1, 90), [4])).toEqual([4]);
    columns.setLaneLimit(3, undefined);
    shard.push(3, 1, chainNamed(1, 90));
    all.writer.drain();
    expect(shard.depths(chainNamed(1, 90), [3])).toEqual([50]);
    expectConsistent(all);
  });

  test("an endpoint's lane forgets its least recently used prompt, tail first", () => {
    const all = indexFixture(build, { lanes: { blocksPerEndpoint: 50, blocksTotal: 1_000 } });
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
    const all = indexFixture(build, { lanes: { blocksPerEndpoint: 500, blocksTotal: 600 } });
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

  test("the endpoint that holds most does not evict the head of the prompt in hand for its tail", () => {
    const all = indexFixture(build, { lanes: { blocksPerEndpoint: 100, blocksTotal: 100 } });
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
    const all = indexFixture(build, { lanes: { blocksPerEndpoint: 5_000, blocksTotal: 50_000 } });
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
    const all = indexFixture(build, { setLimit: 3 });
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

  test("after any prompts the index shows just what the lanes hold, prefix-closed, within all capacities", () => {
    // Strategy: 10 endpoints of 60 blocks with 400 entries between them; random prompts of a random tree from two
    // shards, sometimes a cleared endpoint. Invariants after each drain: all of the kernel's, the same holders in lanes
    // and table, prefix-closure (M11), and jump search equal to the linear walk.
    const seed = 20_261_123;
    const prng = new Prng(seed);
    const all = indexFixture(build, { lanes: { blocksPerEndpoint: 60, blocksTotal: 400 }, setLimit: 1_024 });
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
    const all = indexFixture(build);
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

  test("a writer that naps is awake to shards, and one that has work or is told to stop does not nap", () => {
    const all = indexFixture(build);
    const doorbell = (): number => all.kernel.view.getUint32(layout.INDEX + layout.INDEX_SLEEPING, true);
    all.writer.nap(1);
    expect(doorbell()).toBe(0);
    // A nap of any length would be longer than the test may take.
    all.shards[1].push(3, 1, chainNamed(1, 5));
    all.writer.nap(3_600_000);
    expect(all.writer.drain()).toBe(1);
    all.control.requestEnd();
    all.writer.nap(3_600_000);
    expect(doorbell()).toBe(0);
  });

  test("a writer that is told to stop, or has work, does not lie down to sleep", () => {
    const all = indexFixture(build);
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
});
