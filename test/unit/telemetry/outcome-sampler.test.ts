import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import {
  isFailure,
  OutcomeSampler,
  type RequestOutcome,
  type SuppressedOutcomes,
} from "../../../src/telemetry/outcome-sampler.ts";

const SUCCESS = { cause: "natural", status: 200 } as const;
const FAILURE = { cause: "natural", status: 500 } as const;

const OUTCOME: RequestOutcome = {
  requestId: "r",
  model: "m",
  slot: 0,
  cause: "natural",
  refusal: undefined,
  status: 200,
  durationMs: 1,
  firstByteMs: 1,
  requestSize: 1,
  promptTokens: 1,
  cachedTokens: 0,
  completionTokens: 1,
};

interface Bed {
  readonly clock: ManualClock;
  readonly sampler: OutcomeSampler;
  readonly told: RequestOutcome[];
  /** How many were told at once, each time. */
  readonly messageSizes: number[];
  readonly suppressed: SuppressedOutcomes[];
  add(kind: Pick<RequestOutcome, "cause" | "status">, count: number): void;
}

function setUp(): Bed {
  const clock = new ManualClock();
  const told: RequestOutcome[] = [];
  const messageSizes: number[] = [];
  const suppressed: SuppressedOutcomes[] = [];
  const sampler = new OutcomeSampler(clock, {
    onOutcomes(outcomes) {
      told.push(...outcomes);
      messageSizes.push(outcomes.length);
    },
    onSuppressed: (counts) => suppressed.push(counts),
  });
  return {
    clock,
    sampler,
    told,
    messageSizes,
    suppressed,
    add(kind, count) {
      for (let index = 0; index < count; index++) sampler.add(kind, () => ({ ...OUTCOME, ...kind }));
    },
  };
}

describe("outcome sampler", () => {
  it("while there are few, every request is told and none is counted as suppressed", () => {
    const bed = setUp();
    for (let second = 0; second < 60; second++) {
      bed.add(SUCCESS, 20);
      bed.clock.advance(1_000);
    }
    expect(bed.told).toHaveLength(1_200);
    expect(bed.suppressed).toEqual([]);
    expect(bed.clock.pendingCount).toBe(0);
  });

  it("under load 20 successes per second and shard are told, and the rest is counted once per second", () => {
    const bed = setUp();
    const SECONDS = 10;
    for (let tick = 0; tick < SECONDS * 100; tick++) {
      bed.add(SUCCESS, 50);
      bed.clock.advance(10);
    }
    bed.clock.advance(1_000);
    // A burst of 40 before.
    expect(bed.told.length).toBeGreaterThanOrEqual(20 * SECONDS);
    expect(bed.told.length).toBeLessThanOrEqual(20 * SECONDS + 40);
    expect(bed.suppressed.length).toBeGreaterThanOrEqual(SECONDS - 1);
    expect(bed.suppressed.length).toBeLessThanOrEqual(SECONDS + 1);
    const suppressedCount = bed.suppressed.reduce((sum, { successes }) => sum + successes, 0);
    expect(bed.told.length + suppressedCount).toBe(50 * SECONDS * 100);
  });

  it("failures are told although successes fill their share, up to 100 per second", () => {
    const bed = setUp();
    bed.add(SUCCESS, 10_000);
    bed.add(FAILURE, 150);
    bed.clock.advance(100);
    expect(bed.told.filter(isFailure)).toHaveLength(150);
    bed.add(FAILURE, 1_000);
    bed.clock.advance(100);
    // The share of 100 ms besides.
    expect(bed.told.filter(isFailure)).toHaveLength(210);
    bed.clock.advance(900);
    expect(bed.suppressed).toEqual([{ successes: 9_960, failures: 940 }]);
    bed.add(FAILURE, 1_000);
    bed.clock.advance(100);
    expect(bed.told.filter(isFailure)).toHaveLength(310);
  });

  it("what is not told is not made", () => {
    const bed = setUp();
    let made = 0;
    const make = (): RequestOutcome => {
      made++;
      return OUTCOME;
    };
    for (let index = 0; index < 1_000; index++) bed.sampler.add(SUCCESS, make);
    expect(made).toBe(40);
  });

  it("what ends within 100 ms is told at once, in its order", () => {
    const bed = setUp();
    const names = Array.from({ length: 12 }, (_, index) => `request-${index}`);
    for (const requestId of names) {
      bed.sampler.add(SUCCESS, () => ({ ...OUTCOME, requestId }));
      bed.clock.advance(20);
    }
    bed.clock.advance(100);
    expect(bed.told.map(({ requestId }) => requestId)).toEqual(names);
    expect(bed.messageSizes).toEqual([5, 5, 2]);
    expect(bed.clock.pendingCount).toBe(0);
  });

  it("requests with a line are told before the count of those without that ended after them", () => {
    const order: string[] = [];
    const clock = new ManualClock();
    const sampler = new OutcomeSampler(clock, {
      onOutcomes: (outcomes) => order.push(`${outcomes.length} lines`),
      onSuppressed: ({ successes }) => order.push(`${successes} without`),
    });
    for (let index = 0; index < 50; index++) sampler.add(SUCCESS, () => OUTCOME);
    clock.advance(950);
    sampler.add(SUCCESS, () => OUTCOME);
    clock.advance(50);
    expect(order).toEqual(["40 lines", "1 lines", "10 without"]);
  });

  it("a defect is told at once, with what was gathered before it", () => {
    const bed = setUp();
    bed.add(SUCCESS, 3);
    const refusal = { code: "Internal", message: "a defect" } as const;
    bed.sampler.add({ cause: "refused", status: 500 }, () => ({ ...OUTCOME, cause: "refused", refusal }));
    expect(bed.messageSizes).toEqual([4]);
    expect(bed.clock.pendingCount).toBe(0);
  });

  it("what is gathered is told when the shard ends, and no timer is left", () => {
    const bed = setUp();
    bed.add(SUCCESS, 45);
    bed.sampler.close();
    expect(bed.told).toHaveLength(40);
    expect(bed.suppressed).toEqual([{ successes: 5, failures: 0 }]);
    expect(bed.clock.pendingCount).toBe(0);
    const idle = setUp();
    idle.sampler.close();
    expect([idle.messageSizes, idle.suppressed]).toEqual([[], []]);
  });

  it.each([
    { cause: "natural", status: 200, isFailed: false },
    { cause: "natural", status: undefined, isFailed: false },
    { cause: "natural", status: 399, isFailed: false },
    { cause: "natural", status: 400, isFailed: true },
    { cause: "natural", status: 503, isFailed: true },
    { cause: "refused", status: 429, isFailed: true },
    { cause: "client-disconnect", status: 200, isFailed: true },
    { cause: "error", status: undefined, isFailed: true },
  ] as const)("$cause with status $status counts as failure: $isFailed", ({ cause, status, isFailed }) => {
    expect(isFailure({ cause, status })).toBe(isFailed);
  });
});
