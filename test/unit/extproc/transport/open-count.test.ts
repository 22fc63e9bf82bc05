import { expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { OpenCount } from "../../../../src/extproc/transport/open-count.ts";

it("counts what is open, and waits for nothing when it may not take any time", async () => {
  const clock = new ManualClock();
  const count = new OpenCount();
  count.add();
  count.add();
  expect(count.open).toBe(2);
  await count.untilNone(clock, 0);
  const wait = count.untilNone(clock, 1_000);
  count.remove();
  expect([count.open, clock.pendingCount]).toEqual([1, 1]);
  count.remove();
  await wait;
  expect([count.open, clock.pendingCount]).toEqual([0, 0]);
});
