import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { DEGRADED_STATES, type DegradedCode } from "../../../src/telemetry/degraded-states.ts";
import { HealthDetails, ShardReports } from "../../../src/telemetry/health-details.ts";

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

const WARN = 40;
const ERROR = 50;
const INFO = 30;

function setUp(): { clock: ManualClock; health: HealthDetails; lines: Line[] } {
  const clock = new ManualClock();
  const lines: Line[] = [];
  const logger = pino({ base: null, timestamp: false }, { write: (line: string) => lines.push(JSON.parse(line)) });
  return { clock, health: new HealthDetails({ clock, logger }), lines };
}

describe("health details", () => {
  it("hold nothing at first, and every code counts 0", () => {
    const { health } = setUp();
    expect(health.list()).toEqual([]);
    expect(health.counts()).toEqual(Object.keys(DEGRADED_STATES).map((code) => ({ code, count: 0 })));
  });

  it("a state that is raised has a row with code, since, detail and remedy, and one log line", () => {
    const { clock, health, lines } = setUp();
    clock.advance(1_500);
    health.raise("endpoints-file-bad", "endpoints.yaml:3:1: not readable");
    expect(health.list()).toEqual([
      {
        code: "endpoints-file-bad",
        subject: "",
        sinceWallMs: clock.wallMs(),
        detail: "endpoints.yaml:3:1: not readable",
        ...DEGRADED_STATES["endpoints-file-bad"],
      },
    ]);
    expect(lines).toEqual([
      {
        level: WARN,
        state: "endpoints-file-bad",
        detail: "endpoints.yaml:3:1: not readable",
        remedy: DEGRADED_STATES["endpoints-file-bad"].remedy,
        msg: `degraded: ${DEGRADED_STATES["endpoints-file-bad"].meaning}`,
      },
    ]);
  });

  it("a state that fails requests is logged as an error", () => {
    const { health, lines } = setUp();
    health.raise("no-endpoints", "the pool is empty");
    expect(lines.map(({ level }) => level)).toEqual([ERROR]);
  });

  it("raising it again changes the detail, keeps the time, and logs nothing", () => {
    const { clock, health, lines } = setUp();
    health.raise("endpoints-unreachable", "1 of 3");
    const began = clock.wallMs();
    clock.advance(60_000);
    health.raise("endpoints-unreachable", "2 of 3");
    expect(health.list()).toMatchObject([{ detail: "2 of 3", sinceWallMs: began }]);
    expect(lines).toHaveLength(1);
  });

  it("clearing it removes the row and logs one info line with how long it held", () => {
    const { clock, health, lines } = setUp();
    health.raise("endpoints-unreachable", "1 of 3");
    clock.advance(2_345);
    health.clear("endpoints-unreachable");
    health.clear("endpoints-unreachable");
    expect(health.list()).toEqual([]);
    expect(lines.slice(1)).toEqual([
      { level: INFO, state: "endpoints-unreachable", heldMs: 2_345, msg: "no longer degraded" },
    ]);
  });

  it("clearing what does not hold says nothing", () => {
    const { health, lines } = setUp();
    health.clear("shard-down", "shard 0");
    expect(lines).toEqual([]);
  });

  it("subjects are told apart, counted, and listed in the order of the table, the oldest first", () => {
    const { health } = setUp();
    health.raise("plugin-resting", "threw", "b");
    health.raise("plugin-resting", "slow", "a");
    health.raise("no-endpoints", "the pool is empty");
    health.clear("plugin-resting", "c");
    expect(health.list().map(({ code, subject }) => `${code} ${subject}`)).toEqual([
      "no-endpoints ",
      "plugin-resting b",
      "plugin-resting a",
    ]);
    expect(health.counts()).toContainEqual({ code: "plugin-resting", count: 2 });
    health.clear("plugin-resting", "b");
    expect(health.counts()).toContainEqual({ code: "plugin-resting", count: 1 });
  });

  it("a code has at most 256 rows, which is said once, and one that goes makes room", () => {
    const { health, lines } = setUp();
    for (let plugin = 0; plugin < 300; plugin++) health.raise("plugin-resting", "threw", `plugin-${plugin}`);
    expect(health.counts()).toContainEqual({ code: "plugin-resting", count: 256 });
    expect(lines.slice(256).map(({ msg }) => msg)).toEqual([
      "degraded in more than 256 places; further ones are not told",
    ]);
    health.clear("plugin-resting", "plugin-0");
    health.raise("plugin-resting", "threw", "plugin-299");
    expect(health.list().at(-1)?.subject).toBe("plugin-299");
  });

  it("long details and subjects are cut, and a cut subject can be cleared", () => {
    const { health } = setUp();
    health.raise("plugin-resting", "x".repeat(10_000), "y".repeat(10_000));
    expect(health.list()).toMatchObject([{ detail: `${"x".repeat(500)}…`, subject: `${"y".repeat(500)}…` }]);
    health.clear("plugin-resting", "y".repeat(10_000));
    expect(health.list()).toEqual([]);
  });
});

describe("a shard's reports", () => {
  it("carry its name, and are taken back when it dies, while others' stay", () => {
    const { health } = setUp();
    const [first, second] = [new ShardReports(health, "shard 0"), new ShardReports(health, "shard 1")];
    first.raise("plugin-resting", "threw", "my-scorer");
    first.raise("series-table-full", "1000 series");
    second.raise("plugin-resting", "threw", "my-scorer");
    expect(health.list().map(({ subject }) => subject)).toEqual([
      "shard 0: my-scorer",
      "shard 1: my-scorer",
      "shard 0",
    ]);
    first.clearAll();
    expect(health.list().map(({ subject }) => subject)).toEqual(["shard 1: my-scorer"]);
    second.clear("plugin-resting", "my-scorer");
    expect(health.list()).toEqual([]);
  });
});

describe("the table of degraded states", () => {
  it.each(Object.entries(DEGRADED_STATES))("%s says what it means and what to do, in sentences", (code, kind) => {
    expect(code).toMatch(/^[a-z]+(?:-[a-z]+)*$/);
    expect(kind.meaning).toMatch(/^[A-Z].*\.$/);
    expect(kind.remedy).toMatch(/^[A-Z`].*\.$/);
    expect(["error", "warning", "notice"]).toContain(kind.severity);
    expect(DEGRADED_STATES[code as DegradedCode]).toBe(kind);
  });
});
