/** What shards know of their picks before the index writer has run, and once it has. */
import { describe, expect, it } from "vitest";
import { SharedCounters } from "../../../src/wasm/counters.ts";
import { IndexWriter } from "../../../src/wasm/index-writer.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { SCORER_OPS } from "../../../src/wasm/policies.ts";
import { BLOCK_SIZE, endpoint, type TestFleet, testFleet } from "../../support/fleet.ts";
import { KERNEL_BUILDS, type KernelBuild } from "../../support/kernel.ts";

const scorers = [{ program: { op: SCORER_OPS.prefixCache }, weight: 1 }];
const promptOf = (name: string, blockCount: number): string => name.padEnd(blockCount * BLOCK_SIZE - 4, ".");

function fleetOf(build: KernelBuild, endpointCount: number, shardCount = 1): TestFleet {
  const endpoints = Array.from({ length: endpointCount }, () => endpoint());
  return testFleet(build, endpoints, scorers, { shape: { shardCount, streamWindowCount: 512 } });
}

/** Blocks of the prompt that the picked endpoint holds. */
function matched(fleet: TestFleet, prompt: string, shard = 0): number | undefined {
  const picked = fleet.pick(fleet.scan(prompt, { shard }), { shard });
  return picked?.matchedBlocks;
}

function startWriter(fleet: TestFleet, build: KernelBuild): IndexWriter {
  return new IndexWriter({
    memory: fleet.memory,
    lanes: { blocksPerEndpoint: 1_000, blocksTotal: 10_000 },
    build,
    setLimit: 1_024,
  });
}

describe.each(KERNEL_BUILDS)("own picks (%s build)", (build) => {
  it("a pick attracts the next request with the same prompt at once, before any index writer ran", () => {
    const fleet = fleetOf(build, 20);
    const first = fleet.pick(fleet.scan(promptOf("a", 6)), { seed: 4 });
    for (let seed = 10; seed < 30; seed++) {
      const next = fleet.pick(fleet.scan(promptOf("a", 6)), { seed });
      expect(next, `seed ${seed}`).toMatchObject({ slot: first?.slot, matchedBlocks: 6, total: 1, tieCount: 1 });
    }
  });

  it("picks of one batch see each other's prompts", () => {
    const fleet = fleetOf(build, 20);
    const requests = Array.from({ length: 8 }, (_, seed) => fleet.request(fleet.scan(promptOf("a", 3)), seed));
    const picks = fleet.decide(requests, { withScores: false });
    expect(new Set(picks?.map((pick) => pick?.slot)).size).toBe(1);
    expect(picks?.map((pick) => pick?.matchedBlocks)).toEqual([0, 3, 3, 3, 3, 3, 3, 3]);
  });

  it("a longer prompt matches the blocks that it shares with a shorter one, and the other way round", () => {
    const fleet = fleetOf(build, 1);
    const shared = promptOf("s", 4);
    expect(matched(fleet, shared)).toBe(0);
    expect(matched(fleet, `${shared}${"x".repeat(3 * BLOCK_SIZE)}`)).toBe(4);
    expect(matched(fleet, `${shared}${"y".repeat(BLOCK_SIZE)}`)).toBe(4);
    expect(matched(fleet, `${shared}${"x".repeat(BLOCK_SIZE)}`)).toBe(5);
  });

  it("the longest of several own picks counts, whichever came last", () => {
    const fleet = fleetOf(build, 1);
    const long = promptOf("s", 8);
    matched(fleet, long);
    matched(fleet, `${long.slice(0, 2 * BLOCK_SIZE)}other${"z".repeat(2 * BLOCK_SIZE)}`);
    expect(matched(fleet, long)).toBe(8);
  });

  it("another shard sees them at once, too, and nobody loses them when the index writer applies them", () => {
    const fleet = fleetOf(build, 1, 3);
    const writer = startWriter(fleet, build);
    const prompt = promptOf("a", 5);
    expect(matched(fleet, prompt, 0)).toBe(0);
    expect([matched(fleet, prompt, 0), matched(fleet, prompt, 1), matched(fleet, prompt, 2)]).toEqual([5, 5, 5]);
    expect(writer.drain()).toBeGreaterThan(0);
    expect([matched(fleet, prompt, 0), matched(fleet, prompt, 1), matched(fleet, prompt, 2)]).toEqual([5, 5, 5]);
  });

  it("the writer keeps a fleet-wide account of what was picked", () => {
    const fleet = fleetOf(build, 3, 2);
    const writer = startWriter(fleet, build);
    for (let round = 0; round < 10; round++) matched(fleet, promptOf(`p${round}`, 2), round % 2);
    writer.drain();
    const counters = new SharedCounters(fleet.memory, fleet.kernel);
    expect(counters.index(layout.INDEX_COUNTER_RECORDS)).toBe(10);
    expect(counters.indexKeyCount).toBe(20);
  });

  it("the overlay reaches back OVERLAY_MAX picks", () => {
    const fleet = fleetOf(build, 1);
    const oldest = promptOf("oldest", 2);
    matched(fleet, oldest);
    for (let pick = 0; pick < layout.OVERLAY_MAX - 1; pick++) matched(fleet, promptOf(`n${pick}`, 1));
    expect(matched(fleet, oldest)).toBe(2);

    const later = fleetOf(build, 1);
    matched(later, oldest);
    for (let pick = 0; pick < layout.OVERLAY_MAX; pick++) matched(later, promptOf(`n${pick}`, 1));
    expect(matched(later, oldest)).toBe(0);
  });

  it("a new endpoint in a slot inherits none of the picks of the old one", () => {
    const fleet = fleetOf(build, 1);
    const prompt = promptOf("a", 3);
    matched(fleet, prompt);
    fleet.columns.remove(0);
    fleet.columns.add(0, "10.0.0.9:80");
    expect(matched(fleet, prompt)).toBe(0);
    expect(matched(fleet, prompt)).toBe(3);
  });

  it("a full ring is counted, and picks go on without their prompts being recorded", () => {
    const fleet = testFleet(build, [endpoint()], scorers, { policy: { blockSize: 64 } });
    const window = fleet.scan("x".repeat(64 * layout.BLOCKS_MAX - 4));
    const recordSize = layout.RING_RECORD_KEYS + 8 * layout.BLOCKS_MAX;
    const room = Math.floor(layout.RING_SIZE / recordSize);
    const counters = new SharedCounters(fleet.memory, fleet.kernel);
    for (let pick = 0; pick < room; pick++) expect(fleet.pick(window)).toMatchObject({ slot: 0 });
    expect(counters.shards(layout.SHARD_COUNTER_RING_FULL)).toBe(0);
    for (let pick = 0; pick < 3; pick++) expect(fleet.pick(window)).toMatchObject({ slot: 0, matchedBlocks: 2_048 });
    expect(counters.shards(layout.SHARD_COUNTER_RING_FULL)).toBe(3);
  });
});
