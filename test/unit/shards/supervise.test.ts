import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { type Supervised, supervise } from "../../../src/shards/supervise.ts";

/** A task that tests end, and what is seen of it. */
class Task {
  readonly clock = new ManualClock();
  readonly startedAtMs: number[] = [];
  readonly deaths: string[] = [];
  readonly supervised: Supervised;
  #settle: { resolve: () => void; reject: (error: unknown) => void } | undefined;

  constructor() {
    this.supervised = supervise({
      clock: this.clock,
      run: () => {
        this.startedAtMs.push(this.clock.nowMs());
        return new Promise<void>((resolve, reject) => {
          this.#settle = { resolve, reject };
        });
      },
      onDeath: (reason) => void this.deaths.push(reason),
    });
  }

  get isRunning(): boolean {
    return this.#settle !== undefined;
  }

  /** Ends the run as a crash would, or as if the task had returned, and lets what follows happen. */
  async die(error?: unknown): Promise<void> {
    const settle = this.#settle;
    this.#settle = undefined;
    if (error === undefined) settle?.resolve();
    else settle?.reject(error);
    await turns();
  }

  async advance(ms: number): Promise<void> {
    this.clock.advance(ms);
    await turns();
  }
}

/** Lets promises that are settled run on. */
async function turns(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe("supervise", () => {
  it("the task starts at once and is left alone while it runs", async () => {
    const task = new Task();
    await task.advance(1_000_000);
    expect(task.startedAtMs).toEqual([0]);
    expect([task.deaths, task.clock.pendingCount]).toEqual([[], 0]);
  });

  it.each([
    { name: "that throws", error: new Error("out of memory"), reason: "out of memory" },
    { name: "that throws no error", error: "gone", reason: "gone" },
    { name: "that returns unasked", error: undefined, reason: "its task ended" },
  ])("a task $name is reported and started again after a pause", async ({ error, reason }) => {
    const task = new Task();
    await task.die(error);
    expect(task.deaths).toEqual([reason]);
    expect(task.isRunning).toBe(false);
    await task.advance(9);
    expect(task.isRunning).toBe(false);
    await task.advance(1);
    expect(task.isRunning).toBe(true);
    expect(task.startedAtMs).toEqual([0, 10]);
  });

  it("the pause doubles with each quick death, up to five seconds", async () => {
    const task = new Task();
    const pauses: number[] = [];
    for (let death = 0; death < 12; death++) {
      const diedAtMs = task.clock.nowMs();
      await task.die(new Error("again"));
      expect(task.clock.pendingCount).toBe(1);
      task.clock.advanceToNext();
      await turns();
      pauses.push(task.clock.nowMs() - diedAtMs);
    }
    expect(pauses).toEqual([10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 5_000, 5_000, 5_000]);
    expect(task.deaths).toHaveLength(12);
  });

  it.each([
    { livedMs: 5_001, pauseMs: 10 },
    { livedMs: 5_000, pauseMs: 80 },
  ])("after a life of $livedMs ms the pause is $pauseMs ms", async ({ livedMs, pauseMs }) => {
    const task = new Task();
    for (const pause of [10, 20, 40]) {
      await task.die(new Error("quick"));
      await task.advance(pause);
      expect(task.isRunning).toBe(true);
    }
    await task.advance(livedMs);
    const diedAtMs = task.clock.nowMs();
    await task.die(new Error("late"));
    expect((task.clock.nextDueMs ?? 0) - diedAtMs).toBe(pauseMs);
  });

  it.each([
    { name: "returns", error: undefined },
    { name: "throws", error: new Error("killed") },
  ])("a task that $name after it was told to end is neither reported nor started again", async ({ error }) => {
    const task = new Task();
    let hasEnded = false;
    const ended = task.supervised.end().then(() => (hasEnded = true));
    await turns();
    expect(hasEnded).toBe(false);
    await task.die(error);
    await ended;
    expect([task.startedAtMs.length, task.deaths, task.clock.pendingCount]).toEqual([1, [], 0]);
  });

  it("ending during the pause ends at once and leaves no timer", async () => {
    const task = new Task();
    await task.die(new Error("crash"));
    expect(task.clock.pendingCount).toBe(1);
    await task.supervised.end();
    expect(task.clock.pendingCount).toBe(0);
    await task.advance(100_000);
    expect(task.startedAtMs).toEqual([0]);
  });

  it("ending twice, and after the end, is no harm", async () => {
    const task = new Task();
    const first = task.supervised.end();
    await task.die();
    await Promise.all([first, task.supervised.end()]);
    await task.supervised.end();
    expect(task.startedAtMs).toEqual([0]);
  });
});
