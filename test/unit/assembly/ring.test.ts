/**
 * A shard's ring to the index writer, and the overlay through which shards see what the writer has not applied yet.
 */
import { describe, expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { EndpointColumns } from "../../../src/wasm/endpoint-columns.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { expectConsistent, indexFixture } from "../../support/index-fixture.ts";
import { chainNamed, chainOf } from "../../support/index-model.ts";
import { KERNEL_BUILDS } from "../../support/kernel.ts";

describe.each(KERNEL_BUILDS)("ring and overlay, %s build", (build) => {
  test("what a shard picked is seen by both shards at once, and in the index once the writer has applied it", () => {
    const all = indexFixture(build);
    const [first, second] = all.shards;
    const chain = chainNamed(1, 20);
    expect(first.push(3, 1, chain)).toBe(true);
    expect(first.depths(chain, [2, 3, 4], "overlay")).toEqual([0, 20, 0]);
    expect(first.depths(chain, [2, 3, 4])).toEqual([0, 0, 0]);
    expect(second.depths(chain, [2, 3, 4], "overlay")).toEqual([0, 20, 0]);
    expect(second.depths(chain, [2, 3, 4])).toEqual([0, 0, 0]);
    expect(all.writer.drain()).toBe(1);
    for (const shard of all.shards) expect(shard.depths(chain, [2, 3, 4])).toEqual([0, 20, 0]);
    expect(all.writer.drain()).toBe(0);
    expectConsistent(all);
  });

  test("the overlay gives the part that a prompt shares with an own pick, the longest of several", () => {
    const { shards } = indexFixture(build);
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

  test("the overlay of both shards' picks gives the longest part, whoever picked", () => {
    const { shards } = indexFixture(build);
    const chain = chainNamed(1, 40);
    shards[0].push(3, 1, chain.slice(0, 10));
    shards[1].push(3, 1, chain.slice(0, 30));
    shards[1].push(4, 1, chain.slice(0, 5));
    for (const shard of shards) expect(shard.depths(chain, [3, 4, 5], "overlay")).toEqual([30, 5, 0]);
  });

  test("the overlay raises what the index knows, and never lowers it", () => {
    const all = indexFixture(build);
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
    const all = indexFixture(build);
    const [shard] = all.shards;
    const chain = chainNamed(1, 20);
    shard.push(3, 1, chain);
    all.writer.drain();
    all.writer.clearEndpoint(3);
    expect(shard.depths(chain, [3], "overlay")).toEqual([0]);
    expectConsistent(all);
  });

  test("a record that is applied while a read is under way stays in that read's overlay", () => {
    const { kernel, writer, shards } = indexFixture(build);
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
    const { kernel, shards } = indexFixture(build);
    const chain = chainNamed(1, 20);
    shards[0].push(3, 1, chain);
    new EndpointColumns(kernel.memory).add(3, "10.0.0.99:8000");
    expect(shards[0].depths(chain, [3], "overlay")).toEqual([0]);
  });

  test.each([
    ["the shard's own", 0],
    ["another shard's", 1],
  ])("a record, %s, that was applied and overwritten within a read is not taken for one", (_whose, reading) => {
    // Lap 1: one record of 24 bytes, then some of 16,400. Lap 2: only such of 16,400, so that the header of a record of
    // lap 1 is overwritten by keys 1 and 2 of one of lap 2, and its first key by key 3.
    const { kernel, writer, shards } = indexFixture(build, { lanes: { blocksPerEndpoint: 100, blocksTotal: 1_000 } });
    const [shard] = shards;
    const reader = shards[reading] ?? shard;
    const depths = reader.shard + layout.SHARD_SCRATCH + 20_480;
    const prompt = chainNamed(1, 1);
    const filler = chainNamed(2, layout.BLOCKS_MAX);
    const forged = [filler[0] as bigint, 5n << 32n, (1n << 32n) | 1n, ...prompt, ...filler.slice(4)];
    kernel.kernel.readBegin(reader.shard);
    shard.push(3, 1, chainNamed(3, 1));
    for (let record = 0; record < 70; record++) {
      expect(shard.push(3, 1, record < 63 ? filler : forged)).toBe(true);
      while (writer.drain() > 0);
    }
    kernel.bytes.fill(0, depths, depths + 2_048);
    kernel.kernel.overlayMatch(reader.shard, reader.putKeys(prompt), 1, depths);
    kernel.kernel.readEnd(reader.shard);
    expect(kernel.view.getUint16(depths + 5 * 2, true)).toBe(0);
  });

  test("the overlay shows the last OVERLAY_MAX picks", () => {
    const { shards } = indexFixture(build);
    const [shard] = shards;
    for (let name = 0; name <= layout.OVERLAY_MAX; name++) shard.push(name % 10, 1, chainNamed(name, 2));
    expect(shard.depths(chainNamed(0, 2), [0], "overlay")).toEqual([0]);
    expect(shard.depths(chainNamed(1, 2), [1], "overlay")).toEqual([2]);
    expect(shard.depths(chainNamed(layout.OVERLAY_MAX, 2), [layout.OVERLAY_MAX % 10], "overlay")).toEqual([2]);
  });

  test("a full ring refuses a pick and counts that; after a drain it takes picks again, over many laps", () => {
    const all = indexFixture(build, { lanes: { blocksPerEndpoint: 300, blocksTotal: 3_000 } });
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
    const all = indexFixture(build);
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

  test("pushing leaves the doorbell alone; ringing takes it back, so that one sleep is ended by one wake-up", () => {
    const { kernel, shards } = indexFixture(build);
    const doorbell = (): number => kernel.view.getUint32(layout.INDEX + layout.INDEX_SLEEPING, true);
    kernel.view.setUint32(layout.INDEX + layout.INDEX_SLEEPING, 1, true);
    shards[0].push(3, 1, chainNamed(1, 5));
    expect(doorbell()).toBe(1);
    kernel.kernel.ringDoorbell();
    expect(doorbell()).toBe(0);
  });
});
