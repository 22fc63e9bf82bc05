import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import type { FromShard } from "../../../src/shards/messages.ts";
import { PluginReports } from "../../../src/shards/plugin-reports.ts";

describe("a shard's reports of plugins", () => {
  it("say the first failure at once, and what has come together after a second", () => {
    const clock = new ManualClock();
    const sent: FromShard[] = [];
    const reports = new PluginReports({ clock, send: (message) => sent.push(message) });
    for (let count = 0; count < 500; count++) reports.onFailure("a", "threw", `fault ${count}`);
    reports.onFailure("b", "over-budget", "slow");
    expect(sent).toEqual([
      { kind: "pluginFailures", failures: [{ plugin: "a", cause: "threw", count: 1, message: "fault 0" }] },
    ]);
    clock.advance(1_000);
    expect(sent.slice(1)).toEqual([
      {
        kind: "pluginFailures",
        failures: [
          { plugin: "a", cause: "threw", count: 499, message: "fault 1" },
          { plugin: "b", cause: "over-budget", count: 1, message: "slow" },
        ],
      },
    ]);
    // Nothing came in the second after: the next failure is said at once again.
    clock.advance(1_000);
    reports.onFailure("a", "threw", "again");
    expect(sent).toHaveLength(3);
    reports.close();
    expect(clock.pendingCount).toBe(0);
  });

  it("raise and clear the degraded state of a plugin that rests", () => {
    const sent: FromShard[] = [];
    const reports = new PluginReports({ clock: new ManualClock(), send: (message) => sent.push(message) });
    reports.onResting("a", "threw: no luck");
    reports.onWorking("a");
    expect(sent).toEqual([
      { kind: "degraded", code: "plugin-resting", detail: "threw: no luck", subject: "a" },
      { kind: "recovered", code: "plugin-resting", subject: "a" },
    ]);
  });
});
