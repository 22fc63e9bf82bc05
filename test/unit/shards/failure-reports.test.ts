import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { FAILURE_REPORT_MS, type FailureReport, FailureReports } from "../../../src/shards/failure-reports.ts";

function start() {
  const clock = new ManualClock();
  const reports: FailureReport[] = [];
  return { clock, reports, handshakes: new FailureReports(clock, (report) => void reports.push(report)) };
}

describe("failed handshakes", () => {
  it("are reported at once, and those that follow soon are reported together", () => {
    const { clock, reports, handshakes } = start();
    handshakes.add("first");
    expect(reports).toEqual([{ count: 1, reason: "first" }]);
    for (let count = 0; count < 50; count++) handshakes.add(`reason ${count}`);
    clock.advance(FAILURE_REPORT_MS - 1);
    expect(reports).toHaveLength(1);
    clock.advance(1);
    expect(reports.slice(1)).toEqual([{ count: 50, reason: "reason 49" }]);
  });

  it("are reported at once again after a quiet time, and leave no timer behind", () => {
    const { clock, reports, handshakes } = start();
    handshakes.add("first");
    clock.advance(FAILURE_REPORT_MS);
    expect(clock.pendingCount).toBe(0);
    handshakes.add("second");
    expect(reports).toEqual([
      { count: 1, reason: "first" },
      { count: 1, reason: "second" },
    ]);
    handshakes.close();
    expect(clock.pendingCount).toBe(0);
  });
});
