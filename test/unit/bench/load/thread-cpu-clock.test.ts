import { expect, it } from "vitest";
import { threadCpuClock } from "../../../../bench/load/thread-cpu-clock.ts";
import { systemClock } from "../../../../src/base/clock.ts";

it("runs while the thread works, to less than a scheduler's tick, and no faster than time", () => {
  const cpuMs = threadCpuClock();
  const [startMs, startCpuMs] = [systemClock.nowMs(), cpuMs()];
  let steps = 0;
  let before = startCpuMs;
  while (before - startCpuMs < 5) {
    const now = cpuMs();
    if (now > before) steps++;
    expect(now).toBeGreaterThanOrEqual(before);
    before = now;
  }
  // A clock that is brought up to date every 4 ms would have gone on twice.
  expect(steps).toBeGreaterThan(20);
  expect(before - startCpuMs).toBeLessThanOrEqual(systemClock.nowMs() - startMs + 0.1);
});

it("stands still while the thread waits", () => {
  const cpuMs = threadCpuClock();
  const startCpuMs = cpuMs();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30);
  expect(cpuMs() - startCpuMs).toBeLessThan(25);
});
