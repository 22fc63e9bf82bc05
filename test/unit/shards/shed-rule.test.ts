import { describe, expect, it } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import {
  findShed,
  SHED_LEVEL_MS,
  SHED_PAUSE_GROWTH,
  SHED_PAUSE_MS_MAX,
  SHED_PAUSE_MS_MIN,
  SHED_STREAMS_PER_SECOND_MIN,
  SHED_SUSTAINED_MS,
  type ShardLoad,
  ShedPacer,
} from "../../../src/shards/shed-rule.ts";

const RATE = 500;

/** Shards with so many connections, each of which brings as many streams. */
function even(...connections: number[]): ShardLoad[] {
  return connections.map((count, shard) => ({ shard, connections: count, streamsPerSecond: count * RATE }));
}

describe("which shard would gain", () => {
  it.each([
    ["two connections, both on one shard", even(2, 0), 0],
    ["three and one", even(1, 3), 1],
    ["six and four", even(6, 4), 0],
    ["one shard of four has none", even(1, 2, 1, 0), 1],
    ["a shard that was just started again", even(8, 8, 0, 8), 0],
  ])("%s: the fullest sheds", (_what, loads, shard) => {
    expect(findShed(loads)?.shard).toBe(shard);
  });

  it.each([
    ["one shard alone", even(8)],
    ["no shard", []],
    ["a single connection overall", even(1, 0)],
    ["as level as can be", even(2, 1)],
    ["level", even(3, 3, 3)],
    ["near enough", even(7, 5)],
    ["one more than all others", even(2, 1, 1, 1)],
    [
      "the load comes over one connection",
      [
        { shard: 0, connections: 1, streamsPerSecond: 900 },
        { shard: 1, connections: 5, streamsPerSecond: 10 },
      ],
    ],
    [
      "idle",
      [
        { shard: 0, connections: 2, streamsPerSecond: SHED_STREAMS_PER_SECOND_MIN - 1 },
        { shard: 1, connections: 0, streamsPerSecond: 0 },
      ],
    ],
  ])("%s: none", (_what, loads) => {
    expect(findShed(loads)).toBeUndefined();
  });

  it("the part to be moved is half of the difference", () => {
    const loads = [
      { shard: 0, connections: 4, streamsPerSecond: 1_000 },
      { shard: 1, connections: 1, streamsPerSecond: 400 },
    ];
    expect(findShed(loads)).toEqual({ shard: 0, share: 0.3 });
  });
});

/** Looks every second; returns when the pacer let a shard shed. */
function shedTimes(durationMs: number, loadsAt: (nowMs: number) => ShardLoad[]): number[] {
  const pacer = new ShedPacer();
  const times: number[] = [];
  for (let nowMs = 0; nowMs <= durationMs; nowMs += 1_000) {
    if (pacer.decide(nowMs, loadsAt(nowMs)) !== undefined) times.push(nowMs);
  }
  return times;
}

describe("when it sheds", () => {
  it("not before it was worth it for a while without a break", () => {
    expect(shedTimes(SHED_SUSTAINED_MS, () => even(2, 0))).toEqual([SHED_SUSTAINED_MS]);
    const broken = (nowMs: number): ShardLoad[] => (nowMs % SHED_SUSTAINED_MS === 0 ? even(1, 1) : even(2, 0));
    expect(shedTimes(60_000, broken)).toEqual([]);
  });

  it("not when each of two shards is the fuller one in turn", () => {
    const swinging = (nowMs: number): ShardLoad[] => (nowMs % 2_000 === 0 ? even(2, 0) : even(0, 2));
    expect(shedTimes(60_000, swinging)).toEqual([]);
  });

  it("the pauses grow as long as no shed helps, up to the longest", () => {
    const times = shedTimes(3_600_000, () => even(2, 0));
    const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    expect(pauses[0]).toBe(SHED_PAUSE_MS_MIN);
    for (const [index, pause] of pauses.entries()) {
      const meant = Math.min(SHED_PAUSE_MS_MIN * SHED_PAUSE_GROWTH ** index, SHED_PAUSE_MS_MAX);
      expect(pause).toBe(1_000 * Math.ceil(meant / 1_000));
    }
    expect(pauses.at(-1)).toBe(SHED_PAUSE_MS_MAX);
  });

  it("begins with the shortest pause again once it was level for long enough", () => {
    const levelUntilMs = 300_000 + SHED_LEVEL_MS;
    const times = shedTimes(levelUntilMs + 60_000, (nowMs) => {
      return nowMs > 300_000 && nowMs <= levelUntilMs ? even(1, 1) : even(2, 0);
    });
    const later = times.filter((time) => time > levelUntilMs);
    expect((later[1] ?? 0) - (later[0] ?? 0)).toBe(SHED_PAUSE_MS_MIN);
  });
});

describe("shards whose connections the kernel spreads by chance", () => {
  const RUNS_COUNT = 200;
  const SEED = 11;
  const HOUR_MS = 3_600_000;

  /** Every connection falls on any shard; one that is shed falls again. */
  function spread(shardCount: number, connectionCount: number, prng: Prng): { counts: number[]; lastShedMs: number } {
    const counts = Array.from({ length: shardCount }, () => 0);
    const drop = (): void => {
      const shard = prng.nextBelow(shardCount);
      counts[shard] = (counts[shard] ?? 0) + 1;
    };
    for (let index = 0; index < connectionCount; index++) drop();
    const pacer = new ShedPacer();
    let lastShedMs = 0;
    for (let nowMs = 0; nowMs <= HOUR_MS; nowMs += 1_000) {
      const shed = pacer.decide(nowMs, even(...counts));
      if (shed === undefined) continue;
      lastShedMs = nowMs;
      counts[shed.shard] = (counts[shed.shard] ?? 0) - 1;
      drop();
    }
    return { counts, lastShedMs };
  }

  // Strategy: random first places, random places after each shed. Invariants: in an hour every run ends in a state in
  // which no shed is worth it, and no connection is lost.
  it.each([
    { shards: 2, connections: 2, minutes: 1 },
    { shards: 2, connections: 5, minutes: 1 },
    { shards: 4, connections: 4, minutes: 1 },
    { shards: 4, connections: 8, minutes: 2 },
    { shards: 8, connections: 3, minutes: 1 },
    { shards: 8, connections: 16, minutes: 10 },
  ])(
    `$shards shards, $connections connections come to rest, half of ${RUNS_COUNT} runs in $minutes min (seed ${SEED})`,
    ({ shards, connections, minutes }) => {
      const prng = new Prng(SEED);
      const times: number[] = [];
      for (let run = 0; run < RUNS_COUNT; run++) {
        const { counts, lastShedMs } = spread(shards, connections, prng);
        expect(findShed(even(...counts)), `run ${run}: ${counts.join()}`).toBeUndefined();
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(connections);
        times.push(lastShedMs);
      }
      times.sort((a, b) => a - b);
      expect(times[RUNS_COUNT / 2]).toBeLessThan(minutes * 60_000);
    },
  );
});
