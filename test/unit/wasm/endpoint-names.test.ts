/** What endpoints say they have, from the control thread's writer to the score and the filter that read it. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { SharedCounters } from "../../../src/wasm/counters.ts";
import { type Adapters, EndpointNames } from "../../../src/wasm/endpoint-names.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { FILTER_OPS, SCORER_OPS } from "../../../src/wasm/policies.ts";
import { endpoint, NOW_MS, STALE_MS, type TestFleet, testFleet } from "../../support/fleet.ts";
import { KERNEL_BUILDS, type KernelBuild } from "../../support/kernel.ts";
import { xxh64 } from "../../support/xxh64.ts";

/** Changes that a reader should see before it can say that it met none halfway. */
const CHANGES_MIN = 100;
const BY_ADAPTERS = [{ program: { op: SCORER_OPS.loraAffinity }, weight: 1 }];
const adapters = (running: string[], waiting: string[], loadedMax: number): Adapters => ({
  running,
  waiting,
  loadedMax,
});

/** Scores of endpoints with these adapters for a request for `model`. */
function scoresOf(build: KernelBuild, given: readonly (Adapters | undefined)[], model = "tuned"): number[] {
  const endpoints = given.map((own) => endpoint(own === undefined ? {} : { adapters: own }));
  const fleet = testFleet(build, endpoints, BY_ADAPTERS);
  return fleet.scores(fleet.scan("hello", { model }));
}

describe.each(KERNEL_BUILDS)("adapters (%s build)", (build) => {
  it.each([
    { name: "it runs", own: adapters(["tuned"], [], 1), score: 1 },
    { name: "it runs among others", own: adapters(["a", "b", "tuned"], ["c"], 4), score: 1 },
    { name: "it runs and waits", own: adapters(["tuned"], ["tuned"], 1), score: 1 },
    { name: "another one fits", own: adapters(["a"], [], 2), score: 0.8 },
    { name: "it waits, and another one fits", own: adapters(["a"], ["tuned"], 3), score: 0.8 },
    { name: "it waits, and none fits", own: adapters(["a"], ["tuned"], 2), score: 0.6 },
    { name: "none fits", own: adapters(["a"], ["b"], 2), score: 0 },
    { name: "running and waiting count twice", own: adapters(["a"], ["a"], 2), score: 0 },
    { name: "none fits at all", own: adapters([], [], 0), score: 0 },
  ])("$name: $score", ({ own, score }) => {
    expect(scoresOf(build, [own])).toEqual([score]);
  });

  it("an endpoint that does not say scores the mean of the others, 1 when none says", () => {
    const known = [adapters(["tuned"], [], 1), adapters([], ["tuned"], 1)];
    expect(scoresOf(build, [...known, undefined])).toEqual([1, 0.6, 0.8]);
    expect(scoresOf(build, [undefined, undefined])).toEqual([1, 1]);
  });

  it("what is stale is unknown", () => {
    const stale = { scrapedAtMs: NOW_MS - STALE_MS - 1 };
    const endpoints = [
      endpoint({ adapters: adapters(["tuned"], [], 1), ...stale }),
      endpoint({ adapters: adapters(["a"], [], 1) }),
    ];
    const fleet = testFleet(build, endpoints, BY_ADAPTERS);
    expect(fleet.scores(fleet.scan("hello", { model: "tuned" }))).toEqual([0, 0]);
  });

  it("a request without a model is for no adapter", () => {
    const fleet = testFleet(build, [endpoint({ adapters: adapters(["tuned"], [], 1) })], BY_ADAPTERS);
    expect(fleet.scores()).toEqual([0]);
  });

  it("a later list replaces the earlier one", () => {
    const fleet = testFleet(build, [endpoint({ adapters: adapters(["tuned", "a"], [], 2) })], BY_ADAPTERS);
    const names = new EndpointNames(fleet.memory, fleet.kernel);
    const scores: number[][] = [];
    for (const next of [adapters(["a"], [], 1), adapters(["a"], ["tuned"], 1), undefined]) {
      names.setAdapters(0, next);
      scores.push(fleet.scores(fleet.scan("hello", { model: "tuned" })));
    }
    expect(scores).toEqual([[0], [0.6], [1]]);
  });
});

describe.each(KERNEL_BUILDS)("more names than are kept (%s build)", (build) => {
  const many = Array.from({ length: layout.ENDPOINT_NAMES_MAX + 6 }, (_, index) => `adapter-${index}`);

  it("the first ones are known, running ones before waiting ones; what is left out is counted", () => {
    const fleet = testFleet(build, [endpoint(), endpoint({ adapters: adapters([], [], 0) })], BY_ADAPTERS);
    const names = new EndpointNames(fleet.memory, fleet.kernel);
    names.setAdapters(0, adapters(many.slice(60), many.slice(0, 60), 1));
    expect(names.beyondCount).toBe(6);
    const scoreOf = (model: string): number => fleet.scores(fleet.scan("hello", { model }))[0] ?? Number.NaN;
    expect([scoreOf("adapter-69"), scoreOf("adapter-0"), scoreOf("adapter-53")]).toEqual([1, 0.6, 0.6]);
    // Left out: unknown, as is a name that nobody has. Unknown is the mean of the others, 0.
    expect([scoreOf("adapter-54"), scoreOf("nobody's")]).toEqual([0, 0]);
  });

  it("the same list again is not counted again", () => {
    const fleet = testFleet(build, [endpoint()], []);
    const names = new EndpointNames(fleet.memory, fleet.kernel);
    for (let round = 0; round < 3; round++) names.setServedModels(0, many);
    expect(names.beyondCount).toBe(6);
    names.setServedModels(0, many.slice(1));
    expect(names.beyondCount).toBe(11);
  });
});

describe.each([
  [KERNEL_BUILDS[0], 500],
  [KERNEL_BUILDS[1], 2_000],
] as const)("adapters while another thread changes them (%s build)", (build, reads) => {
  it(`none of ${reads} reads mixes two states`, async () => {
    const slots = 1_000;
    const endpoints = Array.from({ length: slots }, () => endpoint({ adapters: adapters(["a"], [], 0) }));
    const fleet = testFleet(build, endpoints, BY_ADAPTERS);
    const window = fleet.scan("hello", { model: "a" });
    const stop = new SharedArrayBuffer(4);
    const worker = new Worker(new URL("../../support/names-writer.mjs", import.meta.url), {
      workerData: {
        buffer: fleet.memory.buffer,
        stop,
        slots,
        version: layout.ENDPOINT_NAMES_VERSION,
        first: layout.ADAPTERS + layout.ENDPOINT_NAMES_HASHES,
        stride: layout.ENDPOINT_NAMES_STRIDE,
        hashes: ["a", "b"].map((name) => (xxh64(Buffer.from(name)) & ~3n) | BigInt(layout.NAME_RUNNING)),
      },
    });
    await once(worker, "online");
    const torn = (): number =>
      new SharedCounters(fleet.memory, fleet.kernel).shards(layout.SHARD_COUNTER_SNAPSHOT_TORN);
    let last: number | undefined;
    let changes = 0;
    let mixed = 0;
    // A worker that is scheduled late has as many reads more to show itself.
    for (let taken = 0; taken < reads || (changes < CHANGES_MIN && taken < 5 * reads); taken++) {
      const tornBefore = torn();
      const scores = fleet.scores(window);
      if (torn() > tornBefore) continue;
      if (scores[0] !== last) changes++;
      last = scores[0];
      if (scores.some((score) => score !== last)) mixed++;
    }
    const stopped = once(worker, "message");
    Atomics.store(new Int32Array(stop), 0, 1);
    await stopped;
    await worker.terminate();
    expect(mixed).toBe(0);
    // Without overlap the test would have shown nothing.
    expect(changes).toBeGreaterThan(2);
  });
});

describe.each(KERNEL_BUILDS)("tables under change (%s build)", (build) => {
  const fleetOf = (): TestFleet =>
    testFleet(
      build,
      [endpoint({ servedModels: ["other"], adapters: adapters(["tuned"], [], 1) }), endpoint({ servedModels: ["x"] })],
      BY_ADAPTERS,
      { policy: { filters: [{ op: FILTER_OPS.servesModel }] } },
    );

  it("tables that stay under change are used as they are, and that is counted", () => {
    const fleet = fleetOf();
    const torn = (): number =>
      new SharedCounters(fleet.memory, fleet.kernel).shards(layout.SHARD_COUNTER_SNAPSHOT_TORN);
    const left = (): number[] => fleet.candidates(fleet.pick(fleet.scan("hello", { model: "tuned" })));
    expect([left(), torn()]).toEqual([[0], 0]);
    const version = new Int32Array(fleet.memory.buffer, layout.ENDPOINT_NAMES_VERSION, 1);
    Atomics.add(version, 0, 1);
    // Once by the filter, once by the scorer.
    expect([left(), torn()]).toEqual([[0], 2]);
    Atomics.add(version, 0, 1);
    expect([left(), torn()]).toEqual([[0], 2]);
  });
});
