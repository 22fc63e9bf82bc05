import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import type { FromShard } from "../../../src/shards/messages.ts";
import { SLABS_QUIET_MS, SlabReports } from "../../../src/shards/slab-reports.ts";

function start() {
  const clock = new ManualClock();
  const sent: FromShard[] = [];
  const reports = new SlabReports({ clock, send: (message) => void sent.push(message), size: 16_384 });
  return { clock, sent, reports };
}

describe("a lack of slabs", () => {
  it("is told once, and its end after a minute without", () => {
    const { clock, sent, reports } = start();
    reports.onExhausted();
    expect(sent).toMatchObject([
      { kind: "degraded", code: "slabs-exhausted", detail: expect.stringContaining("16384") },
    ]);
    clock.advance(SLABS_QUIET_MS / 2);
    reports.onExhausted();
    clock.advance(SLABS_QUIET_MS - 1);
    expect(sent).toHaveLength(1);
    clock.advance(1);
    expect(sent.slice(1)).toMatchObject([{ kind: "recovered", code: "slabs-exhausted" }]);
    expect(clock.pendingCount).toBe(0);
  });

  it("is told again when it comes back, and leaves no timer behind", () => {
    const { clock, sent, reports } = start();
    reports.onExhausted();
    clock.advance(SLABS_QUIET_MS);
    reports.onExhausted();
    expect(sent.map(({ kind }) => kind)).toEqual(["degraded", "recovered", "degraded"]);
    reports.close();
    expect(clock.pendingCount).toBe(0);
  });
});
