/** The bench of shards with a few requests: what it sends and counts is right. Nothing is compared here. */
import { describe, expect, it } from "vitest";
import { ModelFleet } from "../../bench/shards/model-fleet.ts";
import { measureQuality } from "../../bench/shards/quality-run.ts";
import { simulateQuality } from "../../bench/shards/simulated-run.ts";
import { bodyOf, planWorkload } from "../../bench/shards/workload.ts";
import { ManualClock, systemClock } from "../../src/base/clock.ts";
import { Prng } from "../../src/base/prng.ts";
import { loadBuiltInConfiguration } from "../../src/configuration.ts";
import { supportsReusePort } from "../../src/shards/pool.ts";

const WORKLOAD = { requestCount: 120, sessionsPerSecond: 60, groupCount: 4 };

describe("the plan of requests", () => {
  it("is the same for the same seed, in order of time, and another one for another seed", () => {
    const plan = (seed: number) => planWorkload({ ...WORKLOAD, prng: new Prng(seed) });
    const requests = plan(1);
    expect(requests).toHaveLength(WORKLOAD.requestCount);
    expect(plan(1)).toEqual(requests);
    expect(plan(2)).not.toEqual(requests);
    const times = requests.map(({ atMs }) => atMs);
    expect(times).toEqual(times.toSorted((one, other) => one - other));
  });

  it("has prompts that begin alike: of a group, of a session, of requests at once", () => {
    const requests = planWorkload({ ...WORKLOAD, requestCount: 600, prng: new Prng(1) });
    const uses = new Map<string, number>();
    for (const { segments } of requests) for (const { id } of segments) uses.set(id, (uses.get(id) ?? 0) + 1);
    expect([...uses.keys()].filter((id) => !id.includes("/"))).toHaveLength(WORKLOAD.groupCount);
    const [first] = requests;
    const text = first && bodyOf(first, "any").toString();
    for (const segment of first?.segments ?? []) expect(text).toContain(segment.text);
    // A piece is named with all that stands before it: the same piece never follows two others.
    const before = new Map<string, string | undefined>();
    for (const { segments } of requests) {
      for (const [index, { id }] of segments.entries()) {
        const previous = segments[index - 1]?.id;
        if (!before.has(id)) before.set(id, previous);
        expect(before.get(id)).toBe(previous);
      }
    }
  });
});

describe("the model servers", () => {
  it("hold what they have had, and let requests wait that find no place", async () => {
    const clock = new ManualClock();
    const fleet = await ModelFleet.start(1, clock);
    const [server] = fleet.servers;
    const segments = [{ id: "g0", text: "x".repeat(4_000) }];
    const served: number[] = [];
    const all = Array.from({ length: 10 }, async (_, index) => {
      await server?.serve({ atMs: 0, segments, decodeMs: 100 });
      served.push(index);
    });
    expect(server?.tally).toEqual({
      requests: 10,
      inFlight: 10,
      inFlightPeak: 10,
      waited: 2,
      promptSize: 40_000,
      heldSize: 36_000,
    });
    const exposition = await (await fetch(`http://127.0.0.1:${server?.port}/metrics`)).text();
    expect(exposition).toMatch(/^vllm:num_requests_running\{.*\} 8$/m);
    expect(exposition).toMatch(/^vllm:num_requests_waiting\{.*\} 2$/m);
    // The first one's prompt had to be read: 1,000 tokens in 50 ms.
    clock.advance(120);
    await Promise.resolve();
    expect(served).not.toContain(0);
    clock.advance(1_000);
    await Promise.resolve();
    clock.advance(1_000);
    await Promise.all(all);
    expect(server?.tally.inFlight).toBe(0);
    await fleet.close();
  });
});

describe("in simulated time", () => {
  const [SEED, REQUESTS_COUNT] = [1, 2_000];

  // Strategy: the same conversations to the kernel of 1, 2, 4 and 8 shards, among them bursts that come to all shards
  // within half a millisecond. Invariant: what the picked servers hold does not depend on the number of shards. That
  // each shard saw only its own latest picks would cost 3 to 11 % of the hits here.
  it(`hits do not depend on the number of shards (${REQUESTS_COUNT} requests, seed ${SEED})`, async () => {
    const config = await loadBuiltInConfiguration();
    const requests = planWorkload({
      requestCount: REQUESTS_COUNT,
      sessionsPerSecond: 40,
      groupCount: 24,
      prng: new Prng(SEED),
    });
    const options = { config, endpointCount: 20, connectionCount: 16, requests, seed: SEED, indexPeriodMs: 1 };
    const [one, ...others] = [1, 2, 4, 8].map((shardCount) => simulateQuality({ ...options, shardCount }));
    expect(simulateQuality({ ...options, shardCount: 1 })).toEqual(one);
    for (const quality of others) {
      expect(quality.hitRate / (one?.hitRate ?? 0)).toBeGreaterThan(0.99);
      expect(quality.hitRateOfPicker / (one?.hitRateOfPicker ?? 0)).toBeGreaterThan(0.99);
      expect(quality.maxOverMean / (one?.maxOverMean ?? 0)).toBeLessThan(1.15);
    }
    expect(others.map(({ fullestShardFraction }) => fullestShardFraction)).toEqual([0.5, 0.25, 0.125]);
  });
});

describe("a run", () => {
  it.each(supportsReusePort() ? [1, 2] : [1])(
    "with %i shards serves every request, and finds prefixes",
    async (shardCount) => {
      const requests = planWorkload({ ...WORKLOAD, prng: new Prng(1) });
      const options = { endpointCount: 4, connectionCount: 8, requests, seed: 1, clock: systemClock };
      const quality = await measureQuality({ ...options, shardCount });
      expect(quality.hitRate).toBeGreaterThan(0.3);
      expect(quality.hitRate).toBeLessThan(1);
      expect(quality.hitRateOfPicker).toBeGreaterThan(0.3);
      expect(quality.maxOverMean).toBeGreaterThanOrEqual(1);
      expect(quality.inFlightPeak).toBeGreaterThanOrEqual(quality.inFlightPeakMean);
      expect(quality.fullestShardFraction).toBeGreaterThanOrEqual(1 / shardCount);
      expect(quality.fullestShardFraction).toBeLessThanOrEqual(1);
    },
  );
});
