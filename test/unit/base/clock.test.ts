import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ManualClock, systemClock, TIMER_DELAY_MS_MAX } from "../../../src/base/clock.ts";

describe("the manual clock", () => {
  test("time stands still until it is advanced", () => {
    const clock = new ManualClock();
    const wallMs = clock.wallMs();
    expect(clock.nowMs()).toBe(0);
    clock.advance(1500.25);
    expect(clock.nowMs()).toBe(1500.25);
    expect(clock.wallMs() - wallMs).toBe(1500);
  });

  test("a timer runs at its due time and not before", () => {
    const clock = new ManualClock();
    const ranAtMs: number[] = [];
    clock.setTimeout(() => ranAtMs.push(clock.nowMs()), 10);
    clock.advance(9.999);
    expect(ranAtMs).toEqual([]);
    clock.advance(5);
    expect(ranAtMs).toEqual([10]);
    expect(clock.pendingCount).toBe(0);
  });

  test("a timer set by a timer runs in the same advance when it falls due within it", () => {
    const clock = new ManualClock();
    const ran: string[] = [];
    clock.setTimeout(() => {
      ran.push("outer");
      clock.setTimeout(() => ran.push("within"), 5);
      clock.setTimeout(() => ran.push("beyond"), 6);
    }, 5);
    clock.advance(10);
    expect(ran).toEqual(["outer", "within"]);
  });

  test("a cancelled timer does not run, even when an earlier timer of the same instant cancels it", () => {
    const clock = new ManualClock();
    const ran: string[] = [];
    clock.setTimeout(() => second.cancel(), 1);
    const second = clock.setTimeout(() => ran.push("second"), 1);
    const third = clock.setTimeout(() => ran.push("third"), 1);
    third.cancel();
    third.cancel();
    clock.advance(1);
    expect(ran).toEqual([]);
  });

  test("an interval runs each period until it cancels itself", () => {
    const clock = new ManualClock();
    const ranAtMs: number[] = [];
    const interval = clock.setInterval(() => {
      ranAtMs.push(clock.nowMs());
      if (ranAtMs.length === 3) interval.cancel();
    }, 50);
    clock.advance(1000);
    expect(ranAtMs).toEqual([50, 100, 150]);
    expect(clock.pendingCount).toBe(0);
  });

  test("advancing to the next timer stops exactly there", () => {
    const clock = new ManualClock();
    clock.advance(0.1);
    clock.setTimeout(() => {}, 0.2);
    expect(clock.advanceToNext()).toBe(true);
    expect(clock.nowMs()).toBe(0.1 + 0.2);
    expect(clock.advanceToNext()).toBe(false);
  });

  // Strategy: random delays and cancellations against a stable sort by due time. Checks order, due times and
  // completeness.
  test("timers run in the order of due time, then of setting", () => {
    const timers = fc.array(fc.record({ delayMs: fc.nat(20), isCancelled: fc.boolean() }), { maxLength: 40 });
    fc.assert(
      fc.property(timers, fc.array(fc.nat(10), { minLength: 3, maxLength: 3 }), (plan, steps) => {
        const clock = new ManualClock();
        const ran: string[] = [];
        const handles = plan.map(({ delayMs }, index) =>
          clock.setTimeout(() => ran.push(`${index} at ${clock.nowMs()}`), delayMs),
        );
        handles.forEach((handle, index) => {
          if (plan[index]?.isCancelled) handle.cancel();
        });
        const expected = plan
          .map((timer, index) => ({ ...timer, index }))
          .filter((timer) => !timer.isCancelled)
          .sort((left, right) => left.delayMs - right.delayMs)
          .map(({ index, delayMs }) => `${index} at ${delayMs}`);
        for (const step of [...steps, 20]) clock.advance(step);
        expect(ran).toEqual(expected);
      }),
    );
  });
});

describe("every clock", () => {
  test.each([
    ["manual", new ManualClock()],
    ["system", systemClock],
  ])("%s: refuses delays that Node would turn into 1 ms", (_name, clock) => {
    for (const delayMs of [-1, Number.NaN, Number.POSITIVE_INFINITY, TIMER_DELAY_MS_MAX + 1]) {
      expect(() => clock.setTimeout(() => {}, delayMs)).toThrow("timer delay");
      expect(() => clock.setInterval(() => {}, delayMs)).toThrow("timer delay");
    }
    expect(() => clock.setInterval(() => {}, 0)).toThrow("timer delay");
  });
});

describe("the system clock", () => {
  test("calls timers, and not those that were cancelled", async () => {
    const ran: string[] = [];
    const cancelled = systemClock.setTimeout(() => ran.push("cancelled"), 0);
    cancelled.cancel();
    const stopped = systemClock.setInterval(() => ran.push("stopped"), 1);
    stopped.cancel();
    const startMs = systemClock.nowMs();
    await new Promise<void>((resolve) => systemClock.setTimeout(resolve, 3));
    // Node may call up to one millisecond early: its timers count whole milliseconds.
    expect(systemClock.nowMs() - startMs).toBeGreaterThanOrEqual(2);
    expect(ran).toEqual([]);
  });

  test("reads the same time in another thread", async () => {
    const beforeMs = systemClock.nowMs();
    const worker = new Worker(`require("node:worker_threads").parentPort.postMessage(performance.now())`, {
      eval: true,
    });
    const inWorkerMs = await new Promise<number>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    const afterMs = systemClock.nowMs();
    expect(inWorkerMs).toBeGreaterThanOrEqual(beforeMs);
    expect(inWorkerMs).toBeLessThanOrEqual(afterMs);
  });
});
