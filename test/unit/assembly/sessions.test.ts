/**
 * Sessions: what they are bound to, how long, and what becomes of the table when it is full or when several threads
 * write it at once.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { SharedCounters } from "../../../src/wasm/counters.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { FILTER_OPS, SCORER_OPS } from "../../../src/wasm/policies.ts";
import type { Decided, SessionUse } from "../../../src/wasm/shard-memory.ts";
import { endpoint, NOW_MS, type TestFleet, testFleet } from "../../support/fleet.ts";
import { KERNEL_BUILDS, type KernelBuild } from "../../support/kernel.ts";
import { xxh64 } from "../../support/xxh64.ts";

const REPORT = 16;
const session = (key: string, changes: Partial<SessionUse> = {}): SessionUse => ({
  key,
  secondsMax: 300,
  binds: true,
  ...changes,
});

/** Endpoints without load; the session's one scores 1. */
function fleetOf(build: KernelBuild, endpointCount = 4, shardCount = 1): TestFleet {
  const endpoints = Array.from({ length: endpointCount }, () => endpoint());
  const scorers = [{ program: { op: SCORER_OPS.session, operand: 1 }, weight: 1 }];
  return testFleet(build, endpoints, scorers, { shape: { shardCount } });
}

interface Use extends Partial<SessionUse> {
  readonly seed?: number;
  readonly atSeconds?: number;
  readonly shard?: number;
  readonly addresses?: readonly string[];
}

/** Slot that a request of the session gets, and its score. */
function use(fleet: TestFleet, key: string, options: Use = {}): { slot: number; score: number } {
  const { seed = 1, atSeconds = 0, shard = 0, addresses, ...sessionUse } = options;
  const request = { ...fleet.request(undefined, seed), addresses, sessions: [undefined, session(key, sessionUse)] };
  const [pick] = fleet.decide([request], { shard, nowMs: NOW_MS + atSeconds * 1_000 });
  if (pick === undefined) throw new Error("nothing was picked");
  fleet.shards[shard]?.release(pick);
  return { slot: pick.slot, score: pick.scores[0] ?? Number.NaN };
}

const counter = (fleet: TestFleet, number: number): number =>
  new SharedCounters(fleet.memory, fleet.kernel).shards(number);

const seeds = Array.from({ length: 50 }, (_, seed) => seed);

describe.each(KERNEL_BUILDS)("sessions (%s build)", (build) => {
  it("a session stays where it was first sent, whatever the seed", () => {
    const fleet = fleetOf(build);
    const first = use(fleet, "a", { seed: 7 });
    expect(first.score).toBe(0);
    for (const seed of seeds) expect(use(fleet, "a", { seed })).toEqual({ slot: first.slot, score: 1 });
    expect(counter(fleet, layout.SHARD_COUNTER_SESSIONS_BOUND)).toBe(1);
  });

  it("other sessions go elsewhere", () => {
    const fleet = fleetOf(build);
    const slots = seeds.map((seed) => use(fleet, `session ${seed}`, { seed }).slot);
    expect(new Set(slots).size).toBe(4);
    expect(counter(fleet, layout.SHARD_COUNTER_SESSIONS_BOUND)).toBe(50);
  });

  it("all shards know it", () => {
    const fleet = fleetOf(build, 4, 2);
    const { slot } = use(fleet, "a");
    for (const seed of seeds) expect(use(fleet, "a", { seed, shard: 1 })).toEqual({ slot, score: 1 });
  });

  it("a request that does not bind leaves none", () => {
    const fleet = fleetOf(build);
    for (const seed of seeds) expect(use(fleet, "a", { seed, binds: false }).score).toBe(0);
    expect(counter(fleet, layout.SHARD_COUNTER_SESSIONS_BOUND)).toBe(0);
  });

  it.each([
    { idle: 300, score: 1 },
    { idle: 301, score: 0 },
  ])("after $idle s without use it scores $score", ({ idle, score }) => {
    const fleet = fleetOf(build);
    use(fleet, "a", { atSeconds: 100 });
    expect(use(fleet, "a", { atSeconds: 100 + idle }).score).toBe(score);
  });

  it("each use renews it; a request that does not bind does not", () => {
    const fleet = fleetOf(build);
    const { slot } = use(fleet, "a");
    for (const atSeconds of [250, 500, 750]) expect(use(fleet, "a", { atSeconds })).toEqual({ slot, score: 1 });
    use(fleet, "a", { atSeconds: 1_000, binds: false });
    expect(use(fleet, "a", { atSeconds: 1_051, binds: false }).score).toBe(0);
  });

  it("a shard whose clock is a moment behind still finds it", () => {
    const fleet = fleetOf(build, 4, 2);
    const { slot } = use(fleet, "a", { atSeconds: 10 });
    expect(use(fleet, "a", { atSeconds: 9, shard: 1 })).toEqual({ slot, score: 1 });
  });

  it("one is bound anew when its endpoint is gone, also when the slot has a new endpoint", () => {
    const fleet = fleetOf(build, 2);
    const { slot } = use(fleet, "a");
    fleet.columns.remove(slot);
    expect(use(fleet, "a")).toEqual({ slot: 1 - slot, score: 0 });
    expect(use(fleet, "a")).toEqual({ slot: 1 - slot, score: 1 });
    fleet.columns.remove(1 - slot);
    fleet.columns.add(1 - slot, "10.0.0.9:8000");
    expect(use(fleet, "a").score).toBe(0);
  });

  it("one stays bound while its endpoint is only no candidate", () => {
    const fleet = fleetOf(build, 2);
    const { slot } = use(fleet, "a");
    expect(use(fleet, "a", { addresses: [`10.0.0.${1 - slot}`] })).toEqual({ slot: 1 - slot, score: 0 });
    expect(use(fleet, "a")).toEqual({ slot, score: 1 });
  });

  it("a request may belong to several, each with its number", () => {
    const fleet = fleetOf(build);
    const filters = [{ op: FILTER_OPS.sessionOrAll, operand: 3 }];
    const policy = fleet.publish([], { filters });
    const { slot } = use(fleet, "a");
    const sessions = [session("b"), undefined, undefined, session("a")];
    const [pick] = fleet.decide([{ ...fleet.request(), policy, sessions }]);
    expect(pick).toMatchObject({ slot, candidateCount: 1, poolCount: 4 });
    expect(use(fleet, "b")).toEqual({ slot, score: 1 });
  });

  it("sessions of one request are not those of the request before it", () => {
    const fleet = fleetOf(build);
    const policy = fleet.publish([], { filters: [{ op: FILTER_OPS.sessionOrAll, operand: 0 }] });
    const bound = { ...fleet.request(), policy, sessions: [session("a")] };
    fleet.decide([bound]);
    const picks = fleet.decide([bound, { ...fleet.request(), policy }, { ...fleet.request(), policy, sessions: [] }]);
    expect(picks.map((pick) => pick?.candidateCount)).toEqual([1, 4, 4]);
  });

  it("the session filter keeps all when the bound endpoint is no candidate", () => {
    const fleet = fleetOf(build, 3);
    const policy = fleet.publish([], { filters: [{ op: FILTER_OPS.sessionOrAll, operand: 1 }] });
    const { slot } = use(fleet, "a");
    const others = [0, 1, 2].filter((other) => other !== slot);
    const [pick] = fleet.decide([
      {
        ...fleet.request(),
        policy,
        sessions: [undefined, session("a")],
        addresses: others.map((other) => `10.0.0.${other}`),
      },
    ]);
    expect(fleet.candidates(pick)).toEqual(others);
  });
});

/** Names of sessions that share one bucket. */
function inOneBucket(count: number): string[] {
  const buckets = BigInt(layout.SESSIONS_MAX / layout.SESSION_BUCKET);
  const wanted = xxh64(Buffer.from("0")) % buckets;
  const names: string[] = [];
  for (let index = 0; names.length < count; index++) {
    if (xxh64(Buffer.from(String(index))) % buckets === wanted) names.push(String(index));
  }
  return names;
}

describe.each(KERNEL_BUILDS)("a full bucket of sessions (%s build)", (build) => {
  const names = inOneBucket(layout.SESSION_BUCKET + 2);

  it("gives up the session that was not used for longest, and counts it", () => {
    const fleet = fleetOf(build);
    const full = names.slice(0, layout.SESSION_BUCKET);
    for (const [index, name] of full.entries()) use(fleet, name, { atSeconds: index });
    use(fleet, full[0] ?? "", { atSeconds: 100 });
    expect(counter(fleet, layout.SHARD_COUNTER_SESSIONS_REPLACED)).toBe(0);
    use(fleet, names[8] ?? "", { atSeconds: 101 });
    expect(counter(fleet, layout.SHARD_COUNTER_SESSIONS_REPLACED)).toBe(1);
    const alive = names.slice(0, 9).map((name) => use(fleet, name, { atSeconds: 102, binds: false }).score);
    expect(alive).toEqual([1, 0, 1, 1, 1, 1, 1, 1, 1]);
    expect(fleet.kernel.checkSessions(REPORT)).toBe(0);
  });

  it("an old session that makes room is not counted", () => {
    const fleet = fleetOf(build);
    for (const name of names.slice(0, 8)) use(fleet, name);
    use(fleet, names[8] ?? "", { atSeconds: 1_000 });
    expect(counter(fleet, layout.SHARD_COUNTER_SESSIONS_REPLACED)).toBe(0);
  });

  it("an entry that a dead shard left half written serves nobody and is taken first", () => {
    const fleet = fleetOf(build);
    for (const name of names.slice(0, 8)) use(fleet, name);
    const entry = findEntry(fleet, names[3] ?? "");
    // As if a shard had put its key there and died.
    fleet.view.setBigUint64(entry, xxh64(Buffer.from(names[8] ?? "")), true);
    expect(use(fleet, names[8] ?? "", { binds: false }).score).toBe(0);
    use(fleet, names[9] ?? "");
    expect(counter(fleet, layout.SHARD_COUNTER_SESSIONS_REPLACED)).toBe(0);
    const alive = [0, 1, 2, 4, 5, 6, 7, 9].map((index) => use(fleet, names[index] ?? "", { binds: false }).score);
    expect(alive).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
  });

  it("checkSessions finds a session in another's bucket", () => {
    const fleet = fleetOf(build);
    use(fleet, "a");
    expect(fleet.kernel.checkSessions(REPORT)).toBe(0);
    fleet.view.setBigUint64(layout.SESSIONS + 5 * layout.SESSION_SIZE, 0xffffn, true);
    expect(fleet.kernel.checkSessions(REPORT)).toBe(20);
    expect(fleet.view.getUint32(REPORT, true)).toBe(5);
  });
});

function findEntry(fleet: TestFleet, name: string): number {
  const key = xxh64(Buffer.from(name));
  for (let at = layout.SESSIONS; at < layout.INDEX; at += layout.SESSION_SIZE) {
    if (fleet.view.getBigUint64(at, true) === key) return at;
  }
  throw new Error(`session ${name} is not in the table`);
}

describe.each([
  [KERNEL_BUILDS[0], 20_000],
  [KERNEL_BUILDS[1], 60_000],
] as const)("sessions under several writers (%s build)", (build, rounds) => {
  /**
   * Strategy: another shard on a thread of its own binds sessions of one bucket to endpoints that follow from their
   * names, as this thread does. Invariant: no session is ever seen bound to another endpoint than its own (M19), and
   * the table is whole afterwards (M20).
   */
  it(`none of ${rounds} look-ups gives a session the endpoint of another`, async () => {
    const names = inOneBucket(24);
    const fleet = fleetOf(build, names.length, 2);
    const worker = new Worker(new URL("../../support/session-writer.mjs", import.meta.url), {
      workerData: {
        memory: fleet.memory,
        module: `build/kernel${build === "debug" ? ".debug" : ""}.wasm`,
        shardBase: fleet.shardBase(1),
        hashes: names.map((name) => xxh64(Buffer.from(name))),
        nowMs: NOW_MS,
        rounds,
        layout: { ...layout },
      },
    });
    await once(worker, "message");
    let bound = 0;
    for (let round = 0; round < rounds; round++) {
      const own = (round * 7) % names.length;
      const request = { ...fleet.request(), addresses: [`10.0.0.${own}`] };
      const sessions = [undefined, session(names[own] ?? "")];
      const decided = fleet.shards[0]?.decide([{ ...request, sessions }], NOW_MS, { withScores: true }) as [Decided];
      if (decided[0].kind !== "picked") throw new Error("nothing was picked");
      fleet.shards[0]?.release(decided[0]);
      // All that is asked of the other thread's bindings: seen from a request that may go anywhere.
      const other = (round * 5 + 3) % names.length;
      const seen = use(fleet, names[other] ?? "", { binds: false, seed: round });
      if (seen.score !== 1) continue;
      bound++;
      expect(seen.slot).toBe(other);
    }
    const [foreign] = (await once(worker, "message")) as [number];
    await worker.terminate();
    expect(foreign).toBe(0);
    expect(bound).toBeGreaterThan(rounds / 100);
    expect(fleet.kernel.checkSessions(REPORT)).toBe(0);
  });
});
