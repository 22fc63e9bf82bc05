/** `decideBatch`: who is a candidate, what a pick charges, and that a batch decides as its picks would one by one. */
import { describe, expect, it } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { SharedCounters } from "../../../src/wasm/counters.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { SCORER_OPS } from "../../../src/wasm/policies.ts";
import type { Pick } from "../../../src/wasm/shard-memory.ts";
import { BLOCK_SIZE, type EndpointLoad, endpoint, NOW_MS, type TestFleet, testFleet } from "../../support/fleet.ts";
import { KERNEL_BUILDS, type KernelBuild } from "../../support/kernel.ts";

const queueScorer = { program: { op: SCORER_OPS.queueDepth }, weight: 2 };
const cacheScorer = { program: { op: SCORER_OPS.kvCacheUtilization }, weight: 2 };
const prefixScorer = { program: { op: SCORER_OPS.prefixCache }, weight: 3 };
const unreachable = endpoint({ isReachable: false });

/** Total of a shard counter over the fleet's shards. */
function counter(fleet: TestFleet, number: number): number {
  return new SharedCounters(fleet.memory, fleet.kernel).shards(number);
}

/** Slots that a request can get, found with many seeds; picks are released. */
function possibleSlots(fleet: TestFleet, addresses?: readonly string[]): number[] {
  const slots = new Set<number>();
  for (let seed = 0; seed < 100; seed++) {
    const request = { ...fleet.request(undefined, seed), addresses };
    const picked = fleet.decide([request], { withScores: false })[0];
    if (picked === undefined) continue;
    slots.add(picked.slot);
    fleet.shards[0]?.release(picked);
  }
  return [...slots].toSorted((one, other) => one - other);
}

function inFlight(fleet: TestFleet, count: number): { requests: number[]; tokens: number[] } {
  const counters = new SharedCounters(fleet.memory, fleet.kernel);
  const slots = Array.from({ length: count }, (_, slot) => slot);
  return {
    requests: slots.map((slot) => counters.inFlightRequests(slot)),
    tokens: slots.map((slot) => counters.inFlightTokens(slot)),
  };
}

describe.each(KERNEL_BUILDS)("candidates (%s build)", (build) => {
  const CASES: readonly {
    name: string;
    endpoints: EndpointLoad[];
    addresses?: string[];
    slots: number[];
    allUnreachable: number;
    noEndpoints: number;
  }[] = [
    {
      name: "all are candidates",
      endpoints: [endpoint(), endpoint()],
      slots: [0, 1],
      allUnreachable: 0,
      noEndpoints: 0,
    },
    {
      name: "an unreachable endpoint is left out while another is reachable",
      endpoints: [unreachable, endpoint(), unreachable],
      slots: [1],
      allUnreachable: 0,
      noEndpoints: 0,
    },
    {
      name: "all stay in when none is reachable, and that is counted",
      endpoints: [unreachable, unreachable],
      slots: [0, 1],
      allUnreachable: 100,
      noEndpoints: 0,
    },
    {
      name: "a request may be limited to some addresses",
      endpoints: [endpoint(), endpoint(), endpoint()],
      addresses: ["10.0.0.2", "10.0.0.0"],
      slots: [0, 2],
      allUnreachable: 0,
      noEndpoints: 0,
    },
    {
      name: "what it may use decides whether one is reachable",
      endpoints: [endpoint(), unreachable, unreachable],
      addresses: ["10.0.0.1", "10.0.0.2"],
      slots: [1, 2],
      allUnreachable: 100,
      noEndpoints: 0,
    },
    {
      name: "an unreachable one is left out among those that it may use",
      endpoints: [endpoint(), unreachable, endpoint()],
      addresses: ["10.0.0.1", "10.0.0.2"],
      slots: [2],
      allUnreachable: 0,
      noEndpoints: 0,
    },
    {
      name: "addresses that nobody has give no endpoint",
      endpoints: [endpoint()],
      addresses: ["10.9.9.9"],
      slots: [],
      allUnreachable: 0,
      noEndpoints: 100,
    },
    {
      name: "an empty list of addresses gives no endpoint",
      endpoints: [endpoint()],
      addresses: [],
      slots: [],
      allUnreachable: 0,
      noEndpoints: 100,
    },
    { name: "an empty fleet gives no endpoint", endpoints: [], slots: [], allUnreachable: 0, noEndpoints: 100 },
  ];

  it.each(CASES)("$name", ({ endpoints, addresses, slots, allUnreachable, noEndpoints }) => {
    const fleet = testFleet(build, endpoints, []);
    expect(possibleSlots(fleet, addresses)).toEqual(slots);
    expect(counter(fleet, layout.SHARD_COUNTER_ALL_UNREACHABLE)).toBe(allUnreachable);
    expect(counter(fleet, layout.SHARD_COUNTER_NO_ENDPOINTS)).toBe(noEndpoints);
    expect(counter(fleet, layout.SHARD_COUNTER_PICKS)).toBe(100 - noEndpoints);
  });

  it("an endpoint that was removed is no candidate from then on, and its slot can be used again", () => {
    const fleet = testFleet(build, [endpoint(), endpoint()], []);
    fleet.columns.remove(0);
    expect(possibleSlots(fleet)).toEqual([1]);
    fleet.columns.remove(1);
    expect(possibleSlots(fleet)).toEqual([]);
    fleet.columns.add(1, "10.7.7.7:80");
    expect(fleet.pick()).toMatchObject({ slot: 1, generation: 2, hostPort: "10.7.7.7:80" });
  });

  it("an endpoint that becomes reachable again is a candidate again", () => {
    const fleet = testFleet(build, [unreachable, endpoint()], []);
    fleet.columns.setReachable(0, true);
    expect(possibleSlots(fleet)).toEqual([0, 1]);
  });

  it("a request that finds no endpoint charges nobody and tells the index nothing", () => {
    const fleet = testFleet(build, [endpoint()], [prefixScorer]);
    const window = fleet.scan("x".repeat(1_000));
    fleet.columns.remove(0);
    expect(fleet.pick(window)).toBeUndefined();
    expect(inFlight(fleet, 1)).toEqual({ requests: [0], tokens: [0] });
    expect(fleet.view.getUint32(fleet.shardBase(0) + layout.SHARD_RING_HEAD, true)).toBe(0);
  });

  it("a full fleet is decided over, its first and last slot included", () => {
    const loads = Array.from({ length: layout.ENDPOINTS_MAX }, (_, slot) =>
      endpoint({ queueDepthRequests: slot === 0 || slot === layout.ENDPOINTS_MAX - 1 ? 0 : 5 }),
    );
    const fleet = testFleet(build, loads, [queueScorer]);
    expect(possibleSlots(fleet)).toEqual([0, layout.ENDPOINTS_MAX - 1]);
    expect(fleet.pick()).toMatchObject({ candidateCount: layout.ENDPOINTS_MAX, tieCount: 2 });
  });
});

describe.each(KERNEL_BUILDS)("charges (%s build)", (build) => {
  // A chat message of n characters has n + 4 canonical bytes ("user" goes first); a token is 4 bytes, rounded up.
  it.each([
    { name: "an empty content leaves the role", content: 0, tokens: 1 },
    { name: "a part of a token counts as one", content: 1, tokens: 2 },
    { name: "whole tokens are not rounded", content: 1_020, tokens: 256 },
    { name: "a long prompt", content: 400_000, tokens: 100_001 },
  ])("a new prompt is charged in full: $name", ({ content, tokens }) => {
    const fleet = testFleet(build, [endpoint()], []);
    expect(fleet.pick(fleet.scan("x".repeat(content)))?.tokens).toBe(tokens);
    expect(inFlight(fleet, 1)).toEqual({ requests: [1], tokens: [tokens] });
  });

  it("blocks that the picked endpoint holds are not charged", () => {
    const fleet = testFleet(build, [endpoint()], [prefixScorer]);
    const shared = "x".repeat(3 * BLOCK_SIZE - 4);
    const first = fleet.pick(fleet.scan(shared));
    const second = fleet.pick(fleet.scan(`${shared}${"y".repeat(100)}`));
    const again = fleet.pick(fleet.scan(shared));
    expect(first).toMatchObject({ matchedBlocks: 0, blockCount: 3, tokens: 192 });
    expect(second).toMatchObject({ matchedBlocks: 3, blockCount: 4, tokens: 25 });
    expect(again).toMatchObject({ matchedBlocks: 3, blockCount: 3, tokens: 0 });
    expect(inFlight(fleet, 1)).toEqual({ requests: [3], tokens: [217] });
    expect(counter(fleet, layout.SHARD_COUNTER_PROMPT_BLOCKS)).toBe(10);
    expect(counter(fleet, layout.SHARD_COUNTER_MATCHED_BLOCKS)).toBe(6);
  });

  it("what picks charged is what is in flight, at every step and over all shards, and releases return it to 0", () => {
    // Strategy: two shards pick and release in random order, prompts of random length. Invariant: per slot, the sums
    // over the picks not yet released equal the columns' sums.
    const seed = 20_261_124;
    const prng = new Prng(seed);
    const count = 5;
    const loads = Array.from({ length: count }, () => endpoint());
    const fleet = testFleet(build, loads, [queueScorer, prefixScorer], { shape: { shardCount: 2 } });
    const windows = [0, 1].map((shard) =>
      Array.from({ length: 8 }, (_, index) => fleet.scan("abc ".repeat(200 * index), { shard })),
    );
    const open: { shard: number; pick: Pick }[] = [];
    const expectConserved = (step: number): void => {
      const slots = loads.map((_, slot) => open.filter(({ pick }) => pick.slot === slot));
      const requests = slots.map((picks) => picks.length);
      const tokens = slots.map((picks) => picks.reduce((sum, { pick }) => sum + pick.tokens, 0));
      expect(inFlight(fleet, count), `seed ${seed} step ${step}`).toEqual({ requests, tokens });
    };
    let steps = 0;
    for (; steps < 400; steps++) {
      const shard = prng.nextBelow(2);
      if (prng.nextBelow(2) === 0) {
        const window = prng.nextBelow(4) === 0 ? undefined : windows[shard]?.[prng.nextBelow(8)];
        const pick = fleet.pick(window, { shard, seed: prng.nextU32() });
        if (pick !== undefined) open.push({ shard, pick });
      } else if (open.length > 0) {
        const [closed] = open.splice(prng.nextBelow(open.length), 1);
        if (closed !== undefined) fleet.shards[closed.shard]?.release(closed.pick);
      }
      expectConserved(steps);
    }
    expect(steps).toBe(400);
    for (const { shard, pick } of open.splice(0)) fleet.shards[shard]?.release(pick);
    expectConserved(steps);
  });

  it("requests that another shard has in flight make a queue longer", () => {
    const fleet = testFleet(build, [endpoint(), endpoint()], [queueScorer], { shape: { shardCount: 3 } });
    const first = fleet.pick(undefined, { shard: 2 });
    const second = fleet.pick(undefined, { shard: 1 });
    expect(new Set([first?.slot, second?.slot])).toEqual(new Set([0, 1]));
    expect(fleet.pick(undefined, { shard: 0 })).toMatchObject({ tieCount: 2 });
  });

  it("a dead shard's charges and streams are returned, and the others' stay", () => {
    const fleet = testFleet(build, [endpoint(), endpoint()], [queueScorer], { shape: { shardCount: 2 } });
    for (let index = 0; index < 6; index++) fleet.pick(fleet.scan("x".repeat(100)), { shard: 0, seed: index });
    for (let index = 0; index < 3; index++) fleet.shards[0]?.count(layout.SHARD_COUNTER_STREAMS_OPENED);
    fleet.shards[0]?.count(layout.SHARD_COUNTER_STREAMS_CLOSED);
    fleet.shards[1]?.count(layout.SHARD_COUNTER_STREAMS_OPENED);
    const kept = fleet.pick(undefined, { shard: 1 });
    fleet.kernel.resetShard(0);
    const expected = [0, 1].map((slot) => (slot === kept?.slot ? 1 : 0));
    expect(inFlight(fleet, 2)).toEqual({ requests: expected, tokens: [0, 0] });
    const opened = counter(fleet, layout.SHARD_COUNTER_STREAMS_OPENED);
    expect([opened, opened - counter(fleet, layout.SHARD_COUNTER_STREAMS_CLOSED)]).toEqual([4, 1]);
  });

  it("the successor of a dead shard can decide and be told of what it charged alone", () => {
    const fleet = testFleet(build, [endpoint()], [prefixScorer], { shape: { shardCount: 1 } });
    fleet.pick(fleet.scan("x".repeat(1_000)));
    fleet.kernel.resetShard(0);
    const picked = fleet.pick(fleet.scan("x".repeat(1_000)));
    // What the dead shard picked for is still what the endpoint is taken to hold.
    expect(picked).toMatchObject({ matchedBlocks: 4, blockCount: 4 });
    if (picked !== undefined) fleet.shards[0]?.release(picked);
    expect(inFlight(fleet, 1)).toEqual({ requests: [0], tokens: [0] });
  });
});

describe("charges (debug build's assertions)", () => {
  const picked = (prompt?: string): { fleet: TestFleet; pick: Pick } => {
    const fleet = testFleet("debug", [endpoint(), endpoint()], []);
    const pick = fleet.pick(prompt === undefined ? undefined : fleet.scan(prompt));
    if (pick === undefined) throw new Error("no endpoint was picked");
    return { fleet, pick };
  };

  it("a pick that is released twice stops the thread", () => {
    const { fleet, pick } = picked();
    fleet.shards[0]?.release(pick);
    expect(() => fleet.shards[0]?.release(pick)).toThrow(/unreachable/);
  });

  it("tokens that were never charged stop the thread", () => {
    const { fleet, pick } = picked("x".repeat(100));
    expect(() => fleet.shards[0]?.release({ ...pick, tokens: pick.tokens + 1 })).toThrow(/unreachable/);
  });
});

describe.each(KERNEL_BUILDS)("batches (%s build)", (build) => {
  /** 256 requests for 12 conversations of growing length, some without a body. */
  function conversations(fleet: TestFleet, prng: Prng): ReturnType<TestFleet["request"]>[] {
    return Array.from({ length: layout.PICKS_MAX }, () => {
      const prompt = `conversation ${prng.nextBelow(12)} `.repeat(10 + prng.nextBelow(100));
      const window = prng.nextBelow(10) === 0 ? undefined : fleet.scan(prompt);
      return fleet.request(window, prng.nextU32());
    });
  }

  function loadedFleet(fleetBuild: KernelBuild, prng: Prng): TestFleet {
    const loads = Array.from({ length: 40 }, () =>
      endpoint({
        queueDepthRequests: prng.nextBelow(6),
        kvCacheUsageFraction: prng.nextFraction(),
        isReachable: prng.nextBelow(8) > 0,
      }),
    );
    const shape = { streamWindowCount: layout.PICKS_MAX };
    return testFleet(fleetBuild, loads, [queueScorer, cacheScorer, prefixScorer], { shape, policy: { targetsMax: 3 } });
  }

  it("256 picks in one batch are the same 256 picks one by one", () => {
    const seed = 20_261_125;
    const [together, alone] = [loadedFleet(build, new Prng(seed)), loadedFleet(build, new Prng(seed))];
    const requests = conversations(together, new Prng(seed + 1));
    expect(conversations(alone, new Prng(seed + 1))).toEqual(requests);

    const batch = together.decide(requests);
    const oneByOne = requests.map((request) => alone.decide([request])[0]);
    expect(batch, `seed ${seed}`).toEqual(oneByOne);
    expect(batch).toHaveLength(layout.PICKS_MAX);
    expect(batch?.some((pick) => (pick?.matchedBlocks ?? 0) > 0)).toBe(true);
    expect(inFlight(together, 40)).toEqual(inFlight(alone, 40));
    expect(counter(together, layout.SHARD_COUNTER_BATCHES)).toBe(1);
    expect(counter(alone, layout.SHARD_COUNTER_BATCHES)).toBe(layout.PICKS_MAX);
  });

  it("each pick of a batch sees the charges of those before it", () => {
    const fleet = testFleet(build, [endpoint(), endpoint({ queueDepthRequests: 2 })], [queueScorer]);
    const requests = Array.from({ length: 2 }, (_, seed) => fleet.request(undefined, seed));
    const picks = fleet.decide(requests, { withScores: false });
    expect(picks?.map((pick) => [pick?.slot, pick?.tieCount])).toEqual([
      [0, 1],
      [0, 1],
    ]);
    expect(fleet.pick()).toMatchObject({ tieCount: 2 });
  });

  it("requests of one batch may follow different policies", () => {
    const loads = [endpoint({ kvCacheUsageFraction: 0.5 }), endpoint({ queueDepthRequests: 4 })];
    const fleet = testFleet(build, loads, [queueScorer]);
    const byQueue = fleet.request();
    const byCache = { ...fleet.request(), policy: fleet.publish([cacheScorer]) };
    const picks = fleet.decide([byQueue, byCache, byQueue, byCache]);
    expect(picks?.map((pick) => [pick?.slot, pick?.total])).toEqual([
      [0, 2],
      [1, 2],
      [0, 2],
      [1, 2],
    ]);
  });

  it("each policy of a batch has its own limit of age", () => {
    const loads = [endpoint(), endpoint({ queueDepthRequests: 5, scrapedAtMs: NOW_MS - 1_000 })];
    const fleet = testFleet(build, loads, [queueScorer]);
    const impatient = { ...fleet.request(), policy: fleet.publish([queueScorer], { staleMs: 999 }) };
    const picks = fleet.decide([fleet.request(), impatient, fleet.request()]);
    expect(picks?.map((pick) => pick?.tieCount)).toEqual([1, 2, 1]);
  });

  it("more than PICKS_MAX requests stop the thread before anything is decided", () => {
    const fleet = testFleet(build, [endpoint()], []);
    const requests = Array.from({ length: layout.PICKS_MAX + 1 }, () => fleet.request());
    expect(() => fleet.decide(requests, { withScores: false })).toThrow("257 picks in one batch");
    expect(inFlight(fleet, 1)).toEqual({ requests: [0], tokens: [0] });
  });

  it("a batch of none decides nothing", () => {
    const fleet = testFleet(build, [endpoint()], []);
    expect(fleet.decide([], { withScores: false })).toEqual([]);
    expect(counter(fleet, layout.SHARD_COUNTER_PICKS)).toBe(0);
  });
});
