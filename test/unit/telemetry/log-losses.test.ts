import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { HealthDetails } from "../../../src/telemetry/health-details.ts";
import { LogLosses, reportLogLosses } from "../../../src/telemetry/log-losses.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";

function setUp(): { clock: ManualClock; losses: LogLosses; health: HealthDetails } {
  const clock = new ManualClock();
  return {
    clock,
    losses: new LogLosses(),
    health: new HealthDetails({ clock, logger: createLogger({ level: "silent" }) }),
  };
}

describe("lost log lines", () => {
  it("degrade the picker until none is lost for a minute", () => {
    const { clock, losses, health } = setUp();
    reportLogLosses(losses, health, clock);
    expect(health.list()).toEqual([]);
    losses.count();
    clock.advance(59_000);
    losses.count();
    expect(health.list()).toMatchObject([{ code: "log-lines-lost", detail: expect.stringContaining("2 lines") }]);
    clock.advance(59_999);
    expect(health.list()).toHaveLength(1);
    clock.advance(1);
    expect(health.list()).toEqual([]);
  });

  it("those before anybody listened count, too", () => {
    const { clock, losses, health } = setUp();
    losses.count();
    reportLogLosses(losses, health, clock);
    expect(health.list()).toMatchObject([{ code: "log-lines-lost", detail: expect.stringContaining("1 lines") }]);
  });

  it("the end of the report leaves no timer, and later losses change nothing", async () => {
    const { clock, losses, health } = setUp();
    const end = reportLogLosses(losses, health, clock);
    losses.count();
    await end();
    expect(clock.pendingCount).toBe(0);
    losses.count();
    expect(clock.pendingCount).toBe(0);
  });
});
