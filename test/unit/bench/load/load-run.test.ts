import { describe, expect, it } from "vitest";
import type { LatencySummary } from "../../../../bench/load/latency-histogram.ts";
import { generatorLimit } from "../../../../bench/load/load-run.ts";
import { spanOf } from "../../../../bench/load/matrix.ts";

function latency(p99Ms: number): LatencySummary {
  return { samples: 1, p50Ms: 0, p90Ms: 0, p99Ms, p999Ms: p99Ms, maxMs: p99Ms };
}

describe("the generator is the limit", () => {
  const closed = { kind: "closed", concurrency: 8 } as const;
  const open = { kind: "open", ratePerSecond: 100 } as const;

  it.each([
    ["of a closed loop when its thread is busy", closed, { busyFraction: 0.97, lagMs: 0, pickMs: 5 }, "97 %"],
    [
      "of an open loop when it is late by half of what it measures",
      open,
      { busyFraction: 1, lagMs: 4, pickMs: 5 },
      "4.0",
    ],
  ])("%s", (_when, pace, { busyFraction, lagMs, pickMs }, word) => {
    expect(generatorLimit(pace, { busyFraction, lag: latency(lagMs), pick: latency(pickMs) })).toContain(word);
  });

  it.each([
    ["in a closed loop with time to spare", closed, { busyFraction: 0.5, lagMs: 9, pickMs: 5 }],
    ["in an open loop that is late by less than a millisecond", open, { busyFraction: 1, lagMs: 0.9, pickMs: 1 }],
    ["in an open loop that is late by a fraction of what it measures", open, { busyFraction: 1, lagMs: 4, pickMs: 40 }],
  ])("not %s", (_when, pace, { busyFraction, lagMs, pickMs }) => {
    expect(generatorLimit(pace, { busyFraction, lag: latency(lagMs), pick: latency(pickMs) })).toBeUndefined();
  });
});

it("a span is the median and both ends of the rounds", () => {
  expect(spanOf([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
  expect(spanOf([4, 1])).toEqual({ median: 2.5, min: 1, max: 4 });
});
