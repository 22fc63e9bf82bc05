import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { BadResult, FAILURES_MAX, PluginGuard, REST_MS } from "../../../src/scheduling/plugin-guard.ts";

interface TestGuard {
  readonly guard: PluginGuard;
  readonly clock: ManualClock;
  readonly reports: string[];
}

function testGuard({ budgetMs }: { readonly budgetMs: number | undefined } = { budgetMs: 1 }): TestGuard {
  const clock = new ManualClock();
  const reports: string[] = [];
  const guard = new PluginGuard({
    name: "mine",
    budgetMs,
    nowMs: () => clock.nowMs(),
    reports: {
      onFailure: (plugin, cause, message) => reports.push(`${plugin} ${cause}: ${message}`),
      onResting: (plugin, message) => reports.push(`${plugin} rests: ${message}`),
      onWorking: (plugin) => reports.push(`${plugin} works`),
    },
  });
  return { guard, clock, reports };
}

const fail = (): never => {
  throw new Error("broken");
};

describe("a guarded plugin", () => {
  it("answers as it does without a guard", () => {
    const { guard, reports } = testGuard();
    expect(guard.run(() => 7, 0)).toBe(7);
    expect(reports).toEqual([]);
  });

  it.each([
    { name: "throws", call: fail, report: "mine threw: broken" },
    {
      name: "says that its result is bad",
      call: () => {
        throw new BadResult("position 9 of 3");
      },
      report: "mine bad-result: position 9 of 3",
    },
    {
      name: "returns a promise, whose rejection ends nothing",
      call: () => Promise.reject(new Error("later")) as unknown as number,
      report: "mine bad-result: it returned a promise; plugins are called and answer at once",
    },
  ])("is left out when it $name", ({ call, report }) => {
    const { guard, reports } = testGuard();
    expect(guard.run(call, 42)).toBe(42);
    expect(reports).toEqual([report]);
  });

  it.each([
    { tookMs: 1, result: "done", reports: [] },
    { tookMs: 1.5, result: "otherwise", reports: ["mine over-budget: a call took 1.50 ms of 1 ms"] },
  ])("a call of $tookMs ms gives $result", ({ tookMs, result, reports: expected }) => {
    const { guard, clock, reports } = testGuard();
    const call = (): string => {
      clock.advance(tookMs);
      return "done";
    };
    expect(guard.run(call, "otherwise")).toBe(result);
    expect(reports).toEqual(expected);
  });

  it("tells how long each measured call took, also one that was too long", () => {
    const clock = new ManualClock();
    const times: number[] = [];
    const reports = { onFailure: () => undefined, onResting: () => undefined, onWorking: () => undefined };
    const onTimed = (ms: number): unknown => times.push(ms);
    const options = { name: "mine", nowMs: () => clock.nowMs(), reports, onTimed };
    for (const budgetMs of [1, undefined]) {
      const guard = new PluginGuard({ ...options, budgetMs });
      guard.run(() => clock.advance(0.25), undefined);
      guard.run(() => clock.advance(3), undefined);
    }
    expect(times).toEqual([0.25, 3]);
  });

  it("a built-in plugin's time is not measured", () => {
    const { guard, clock } = testGuard({ budgetMs: undefined });
    const call = (): string => {
      clock.advance(1_000);
      return "done";
    };
    expect(guard.run(call, "otherwise")).toBe("done");
  });

  it("rests after failures in a row, is not called then, and is tried again", () => {
    const { guard, clock, reports } = testGuard();
    for (let count = 0; count < FAILURES_MAX; count++) guard.run(fail, 0);
    expect(reports).toHaveLength(FAILURES_MAX + 1);
    expect(reports.at(-1)).toBe("mine rests: threw: broken");
    clock.advance(REST_MS - 1);
    let calls = 0;
    const call = (): number => ++calls;
    expect([guard.run(call, -1), calls]).toEqual([-1, 0]);
    clock.advance(1);
    expect([guard.run(call, -1), calls]).toEqual([1, 1]);
    expect(reports.at(-1)).toBe("mine works");
  });

  it("rests again after one failure when it was tried in vain", () => {
    const { guard, clock, reports } = testGuard();
    for (let count = 0; count < FAILURES_MAX; count++) guard.run(fail, 0);
    clock.advance(REST_MS);
    guard.run(fail, 0);
    expect(reports.slice(-2)).toEqual(["mine threw: broken", "mine rests: threw: broken"]);
    let isCalled = false;
    guard.run(() => {
      isCalled = true;
    }, undefined);
    expect(isCalled).toBe(false);
  });

  it("a success in between begins the count anew", () => {
    const { guard, reports } = testGuard();
    for (let round = 0; round < 3; round++) {
      for (let count = 0; count < FAILURES_MAX - 1; count++) guard.run(fail, 0);
      guard.run(() => 1, 0);
    }
    expect(reports.filter((report) => report.includes("rests"))).toEqual([]);
    expect(reports).toHaveLength(3 * (FAILURES_MAX - 1));
  });
});
