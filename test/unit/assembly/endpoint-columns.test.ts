/** The snapshot that a batch decides on: what it takes from the columns, and that it is never a mix of two states. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { SharedCounters } from "../../../src/wasm/counters.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { SCORER_OPS } from "../../../src/wasm/policies.ts";
import { type EndpointLoad, endpoint, NOW_MS, STALE_MS, type TestFleet, testFleet } from "../../support/fleet.ts";
import { KERNEL_BUILDS } from "../../support/kernel.ts";

interface Snapshot {
  readonly present: bigint;
  readonly reachable: bigint;
  readonly queueDepth: Float32Array;
  readonly kvCacheUsage: Float32Array;
  readonly surplus: Int32Array;
}

/** Takes a snapshot on shard 0 by a request that no endpoint may take, so that nothing is charged. */
function takeSnapshot(fleet: TestFleet, slots: number): Snapshot {
  fleet.decide([{ ...fleet.request(), addresses: [] }], { withScores: false });
  const { buffer } = fleet.memory;
  const base = fleet.shardBase(0);
  return {
    present: fleet.view.getBigUint64(base + layout.SNAPSHOT_PRESENT, true),
    reachable: fleet.view.getBigUint64(base + layout.SNAPSHOT_REACHABLE, true),
    queueDepth: new Float32Array(buffer, base + layout.SNAPSHOT_QUEUE_DEPTH, slots),
    kvCacheUsage: new Float32Array(buffer, base + layout.SNAPSHOT_KV_CACHE_USAGE, slots),
    surplus: new Int32Array(buffer, base + layout.SNAPSHOT_SURPLUS, slots),
  };
}

const torn = (fleet: TestFleet): number =>
  new SharedCounters(fleet.memory, fleet.kernel).shards(layout.SHARD_COUNTER_SNAPSHOT_TORN);

describe.each(KERNEL_BUILDS)("snapshot (%s build)", (build) => {
  const queueScorer = { program: { op: SCORER_OPS.queueDepth }, weight: 1 };
  const fleetOf = (...endpoints: EndpointLoad[]): TestFleet =>
    testFleet(build, endpoints, [queueScorer], { shape: { shardCount: 3 } });

  it("has a bit per present and per reachable slot", () => {
    const fleet = fleetOf(endpoint(), endpoint({ isReachable: false }), endpoint(), endpoint());
    fleet.columns.remove(2);
    expect(takeSnapshot(fleet, 4)).toMatchObject({ present: 0b1011n, reachable: 0b1001n });
  });

  it.each([
    { ageMs: 0, isKnown: true },
    { ageMs: STALE_MS, isKnown: true },
    { ageMs: STALE_MS + 0.001, isKnown: false },
    { ageMs: -5, isKnown: true },
  ])("a value scraped $ageMs ms ago is known: $isKnown", ({ ageMs, isKnown }) => {
    const fleet = fleetOf(endpoint({ queueDepthRequests: 7, kvCacheUsageFraction: 0.5, scrapedAtMs: NOW_MS - ageMs }));
    const { queueDepth, kvCacheUsage } = takeSnapshot(fleet, 1);
    expect([queueDepth[0], kvCacheUsage[0]]).toEqual(isKnown ? [7, 0.5] : [Number.NaN, Number.NaN]);
  });

  it("the surplus is what all shards have in flight, less what they had at the scrape", () => {
    const fleet = fleetOf(endpoint());
    for (const shard of [0, 1, 2, 2]) fleet.pick(undefined, { shard });
    expect(takeSnapshot(fleet, 1).surplus[0]).toBe(4);
    const scraped = { queueDepthRequests: 0, runningRequests: 0, kvCacheUsageFraction: 0, scrapedAtMs: NOW_MS };
    fleet.columns.setScraped(0, { ...scraped, inFlightAtScrape: 3 });
    expect(takeSnapshot(fleet, 1).surplus[0]).toBe(1);
    fleet.columns.setScraped(0, { ...scraped, inFlightAtScrape: 6 });
    expect(takeSnapshot(fleet, 1).surplus[0]).toBe(-2);
  });

  it("requests and tokens in flight are those of all shards", () => {
    const fleet = fleetOf(endpoint({ inFlightRequests: 2, inFlightTokens: 70 }), endpoint());
    const window = fleet.scan("x".repeat(96), { shard: 1 });
    fleet.decide([{ ...fleet.request(window), addresses: ["10.0.0.0"] }], { shard: 1 });
    takeSnapshot(fleet, 2);
    const { buffer } = fleet.memory;
    const base = fleet.shardBase(0);
    expect([...new Uint32Array(buffer, base + layout.SNAPSHOT_IN_FLIGHT_REQUESTS, 2)]).toEqual([3, 0]);
    expect([...new Uint32Array(buffer, base + layout.SNAPSHOT_IN_FLIGHT_TOKENS, 2)]).toEqual([95, 0]);
  });

  it.each([
    { name: "fresh", load: { scrapedAtMs: NOW_MS - 7 }, ageMs: 7 },
    { name: "backed off", load: { scrapedAtMs: NOW_MS - 3_600, isBackedOff: true }, ageMs: 2_100 },
    { name: "never scraped", load: {}, ageMs: Number.POSITIVE_INFINITY },
    { name: "never scraped and backed off", load: { isBackedOff: true }, ageMs: Number.POSITIVE_INFINITY },
  ])("the age of an endpoint's numbers: $name", ({ load, ageMs }) => {
    const fleet = fleetOf(load);
    takeSnapshot(fleet, 1);
    expect(new Float64Array(fleet.memory.buffer, fleet.shardBase(0) + layout.SNAPSHOT_AGE_MS, 1)[0]).toBe(ageMs);
  });

  it.each([
    { ageMs: STALE_MS + layout.BACKED_OFF_MS, isKnown: true },
    { ageMs: STALE_MS + layout.BACKED_OFF_MS + 0.5, isKnown: false },
  ])("a backed-off endpoint's numbers of $ageMs ms ago are known: $isKnown", ({ ageMs, isKnown }) => {
    const fleet = fleetOf(endpoint({ queueDepthRequests: 7, scrapedAtMs: NOW_MS - ageMs, isBackedOff: true }));
    expect(takeSnapshot(fleet, 1).queueDepth[0]).toBe(isKnown ? 7 : Number.NaN);
  });

  it("nothing is known of an endpoint that was never scraped, however young the clock is", () => {
    const fleet = fleetOf({});
    fleet.shards[0]?.decide([fleet.request()], 10, { withScores: false });
    const base = fleet.shardBase(0);
    expect(new Float64Array(fleet.memory.buffer, base + layout.SNAPSHOT_AGE_MS, 1)[0]).toBe(Number.POSITIVE_INFINITY);
  });

  it("columns that stay under change are used as they are, and that is counted", () => {
    const fleet = fleetOf(endpoint({ queueDepthRequests: 3 }));
    const version = new Int32Array(fleet.memory.buffer, layout.ENDPOINTS + layout.ENDPOINTS_VERSION, 1);
    Atomics.add(version, 0, 1);
    expect(takeSnapshot(fleet, 1).queueDepth[0]).toBe(3);
    expect(torn(fleet)).toBe(1);
    Atomics.add(version, 0, 1);
    takeSnapshot(fleet, 1);
    expect(torn(fleet)).toBe(1);
  });
});

describe.each(KERNEL_BUILDS)("the snapshot of a batch (%s build)", (build) => {
  it("is taken once, however many picks there are", () => {
    const fleet = testFleet(build, [endpoint()], []);
    // An odd version makes each snapshot count itself as torn.
    Atomics.add(new Int32Array(fleet.memory.buffer, layout.ENDPOINTS + layout.ENDPOINTS_VERSION, 1), 0, 1);
    const requests = Array.from({ length: 5 }, () => fleet.request());
    fleet.decide(requests, { withScores: false });
    expect(torn(fleet)).toBe(1);
  });
});

describe.each([
  [KERNEL_BUILDS[0], 3_000],
  [KERNEL_BUILDS[1], 20_000],
] as const)("snapshots while another thread changes the columns (%s build)", (build, snapshots) => {
  it(`none of ${snapshots} snapshots mixes two states`, async () => {
    const slots = 64;
    const fleet = testFleet(
      build,
      Array.from({ length: slots }, () => endpoint()),
      [],
    );
    const stop = new SharedArrayBuffer(4);
    const worker = new Worker(new URL("../../support/column-writer.mjs", import.meta.url), {
      workerData: {
        buffer: fleet.memory.buffer,
        version: layout.ENDPOINTS + layout.ENDPOINTS_VERSION,
        stop,
        slots,
        columns: {
          queueDepth: layout.COLUMN_QUEUE_DEPTH,
          kvCacheUsage: layout.COLUMN_KV_CACHE_USAGE,
          inFlightAtScrape: layout.COLUMN_IN_FLIGHT_AT_SCRAPE,
        },
      },
    });
    await once(worker, "online");
    const seen = new Set<number>();
    let mixed = 0;
    let taken = 0;
    // A worker that is scheduled late has as many snapshots more to show itself.
    for (; taken < snapshots || (seen.size < 3 && taken < 100 * snapshots); taken++) {
      const tornBefore = torn(fleet);
      const { queueDepth, kvCacheUsage, surplus } = takeSnapshot(fleet, slots);
      if (torn(fleet) > tornBefore) continue;
      const value = queueDepth[0] ?? -1;
      seen.add(value);
      const isWhole =
        queueDepth.every((depth) => depth === value) &&
        kvCacheUsage.every((usage) => usage === value / 4_096) &&
        surplus.every((difference) => difference === -value);
      if (!isWhole) mixed++;
    }
    const stopped = once(worker, "message");
    Atomics.store(new Int32Array(stop), 0, 1);
    const [changes] = (await stopped) as [number];
    await worker.terminate();
    expect(mixed, `${taken} snapshots, ${torn(fleet)} torn, ${changes} changes`).toBe(0);
    // Without overlap the test would have shown nothing.
    expect(seen.size).toBeGreaterThanOrEqual(3);
    expect(torn(fleet)).toBeLessThan(taken / 2);
  });
});
