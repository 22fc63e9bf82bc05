import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { Balancer } from "../../../src/shards/balancer.ts";
import type { ToShard } from "../../../src/shards/messages.ts";

interface Bed {
  readonly clock: ManualClock;
  readonly balancer: Balancer;
  readonly told: [shard: number, message: ToShard][];
  readonly logLines: Record<string, unknown>[];
  readonly counted: () => number;
}

/** Shards that begin so many streams per second, over so many connections. */
function setUp(shards: readonly { rate: number; connections: number; isListening?: boolean }[]): Bed {
  const clock = new ManualClock();
  const told: [number, ToShard][] = [];
  const logLines: Record<string, unknown>[] = [];
  let counted = 0;
  const balancer = new Balancer({
    clock,
    logger: pino({ base: null }, { write: (line: string) => logLines.push(JSON.parse(line)) }),
    shardCount: shards.length,
    isListening: (shard) => shards[shard]?.isListening ?? true,
    connections: (shard) => shards[shard]?.connections ?? 0,
    streamsBegun: (shard) => 1_000_000 + (clock.nowMs() / 1_000) * (shards[shard]?.rate ?? 0),
    tell: (shard, message) => told.push([shard, message]),
    onCounted: () => counted++,
  });
  return { clock, balancer, told, logLines, counted: () => counted };
}

describe("the balancer", () => {
  it("tells the fuller shard, and counts and logs what was done", () => {
    const { clock, balancer, told, logLines, counted } = setUp([
      { rate: 10, connections: 0 },
      { rate: 400, connections: 2 },
    ]);
    clock.advance(10_000);
    expect(told).toEqual([[1, { kind: "shed", share: expect.closeTo(0.4875) }]]);
    expect([counted(), logLines]).toEqual([0, []]);
    balancer.onShed(1);
    expect(counted()).toBe(1);
    expect(logLines).toEqual([
      expect.objectContaining({
        msg: expect.stringContaining("shard 1 "),
        loads: [
          { shard: 0, connections: 0, streamsPerSecond: 10 },
          { shard: 1, connections: 2, streamsPerSecond: 400 },
        ],
      }),
    ]);
  });

  it("does not count on a shard that does not listen", () => {
    const { clock, told } = setUp([
      { rate: 400, connections: 2 },
      { rate: 0, connections: 0, isListening: false },
    ]);
    clock.advance(60_000);
    expect(told).toEqual([]);
  });

  it("does nothing once it is closed", () => {
    const { clock, balancer, told } = setUp([
      { rate: 400, connections: 2 },
      { rate: 0, connections: 0 },
    ]);
    balancer.close();
    clock.advance(60_000);
    expect(told).toEqual([]);
  });
});
