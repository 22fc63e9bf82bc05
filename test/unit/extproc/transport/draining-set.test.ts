import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { DrainingSet } from "../../../../src/extproc/transport/draining-set.ts";

/** Whether the promise has resolved, all that follows from what was done so far included. */
async function hasResolved(promise: Promise<void>): Promise<boolean> {
  let isOver = false;
  void promise.then(() => {
    isOver = true;
  });
  await new Promise<void>((resolve) => setImmediate(resolve));
  return isOver;
}

describe("a draining set", () => {
  it("that is empty is not waited for", async () => {
    const clock = new ManualClock();
    expect(await hasResolved(new DrainingSet().untilEmpty(clock, 1_000))).toBe(true);
    expect(clock.pendingCount).toBe(0);
  });

  it("is waited for until its last item is gone, and leaves no timer behind", async () => {
    const clock = new ManualClock();
    const set = new DrainingSet<string>();
    set.add("a");
    set.add("b");
    const waits = [set.untilEmpty(clock, 1_000), set.untilEmpty(clock, 2_000)];
    set.delete("a");
    expect(await Promise.all(waits.map(hasResolved))).toEqual([false, false]);
    set.delete("b");
    expect(await Promise.all(waits.map(hasResolved))).toEqual([true, true]);
    expect(clock.pendingCount).toBe(0);
  });

  it("is waited for no longer than it may take", async () => {
    const clock = new ManualClock();
    const set = new DrainingSet<string>();
    set.add("a");
    const wait = set.untilEmpty(clock, 1_000);
    clock.advance(999);
    expect(await hasResolved(wait)).toBe(false);
    clock.advance(1);
    expect(await hasResolved(wait)).toBe(true);
    set.delete("a");
    expect([...set]).toEqual([]);
  });
});
