import { execFileSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import type { TimeEncoding } from "../../../src/platform/log-flags.ts";
import { LogLosses } from "../../../src/telemetry/log-losses.ts";
import { createLogger, type Logger, type LoggerOptions } from "../../../src/telemetry/logger.ts";
import { until } from "../../support/until.ts";

let folder = "";
let file = 0;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "magpie-log-"));
  file = openSync(path.join(folder, "log"), "a");
});

afterEach(() => {
  closeSync(file);
  rmSync(folder, { recursive: true });
});

/** The text that a logger has written when `use` has used it. */
async function written(options: LoggerOptions, use: (logger: Logger) => void): Promise<string> {
  const logger = createLogger({ clock: new ManualClock(), ...options, destination: file });
  use(logger);
  const read = (): string => readFileSync(path.join(folder, "log"), "utf8");
  if (logger.isLevelEnabled("error")) {
    logger.error("end of the test");
    await until("the last line is written", () => read().includes("end of the test"));
  }
  return read().replace(/^.*end of the test.*\n/m, "");
}

async function linesOf(options: LoggerOptions, use: (logger: Logger) => void): Promise<Record<string, unknown>[]> {
  const lines = (await written(options, use)).split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

function useEachLevel(logger: Logger): void {
  for (const level of ["trace", "debug", "info", "warn", "error"] as const) logger[level]({ slot: 3 }, `${level} line`);
}

describe("a logger whose lines nobody takes", () => {
  const LINE_COUNT = 20_000;

  it(`does not wait: of ${LINE_COUNT} lines those that find no room are counted as lost`, async () => {
    const fifo = path.join(folder, "fifo");
    execFileSync("mkfifo", [fifo]);
    const reader = openSync(fifo, "r+");
    const pipe = openSync(fifo, "w");
    let lostCount = 0;
    const losses = new LogLosses();
    losses.listen((count) => {
      lostCount = count;
    });
    const logger = createLogger({ level: "info", destination: pipe, losses });
    for (let line = 0; line < LINE_COUNT; line++) logger.info({ filler: "x".repeat(100) }, "a line");
    const lostBefore = lostCount;
    expect(lostBefore).toBeGreaterThan(LINE_COUNT / 2);
    // The pipe and the buffer hold some; they are not lost.
    expect(lostBefore).toBeLessThan(LINE_COUNT);
    closeSync(reader);
    await until("the broken pipe ends the waiting", () => lostCount > lostBefore);
    closeSync(pipe);
  });

  it.runIf(existsSync("/dev/full"))("survives a full disk", async () => {
    const full = openSync("/dev/full", "w");
    let lostCount = 0;
    const losses = new LogLosses();
    losses.listen((count) => {
      lostCount = count;
    });
    createLogger({ level: "info", destination: full, losses }).info("a line");
    expect(await until("the loss is counted", () => lostCount > 0)).toBe(true);
  });
});

describe("logger", () => {
  it.each([
    { level: "trace" as const, lines: 5 },
    { level: "debug" as const, lines: 4 },
    { level: "verbose" as const, lines: 3 },
    { level: "info" as const, lines: 3 },
    { level: "warn" as const, lines: 2 },
    { level: "error" as const, lines: 1 },
    { level: "fatal" as const, lines: 0 },
    { level: "silent" as const, lines: 0 },
  ])("at level $level $lines of five lines are written", async ({ level, lines }) => {
    expect(await linesOf({ level }, useEachLevel)).toHaveLength(lines);
  });

  it("a line is JSON with zap's keys, the message and its fields, and nothing of the machine", async () => {
    const [line] = await linesOf({ level: "error" }, useEachLevel);
    expect(line).toEqual({ level: "error", ts: "2026-01-01T00:00:00.000Z", slot: 3, msg: "error line" });
  });

  it("levels have zap's names", async () => {
    const lines = await linesOf({ level: "trace" }, useEachLevel);
    expect(lines.map(({ level }) => level)).toEqual(["debug", "debug", "info", "warn", "error"]);
  });

  it.each<{ encoding: TimeEncoding; ts: unknown }>([
    { encoding: "epoch", ts: 1767225601.5 },
    { encoding: "millis", ts: 1767225601500 },
    { encoding: "nano", ts: 1767225601500000000 },
    { encoding: "iso8601", ts: "2026-01-01T00:00:01.500Z" },
    { encoding: "rfc3339", ts: "2026-01-01T00:00:01Z" },
    { encoding: "rfc3339nano", ts: "2026-01-01T00:00:01.5Z" },
  ])("the time in form $encoding", async ({ encoding, ts }) => {
    const clock = new ManualClock();
    clock.advance(1_500);
    const [line] = await linesOf({ level: "info", timeEncoding: encoding, clock }, (logger) => logger.info("a"));
    expect(line?.["ts"]).toBe(ts);
  });

  it("a whole second has no fraction as rfc3339nano", async () => {
    const [line] = await linesOf({ level: "info", timeEncoding: "rfc3339nano" }, (logger) => logger.info("a"));
    expect(line?.["ts"]).toBe("2026-01-01T00:00:00Z");
  });

  it.each([
    { stacktraceLevel: "info" as const, traced: ["info", "warn", "error"] },
    { stacktraceLevel: "warn" as const, traced: ["warn", "error"] },
    { stacktraceLevel: "error" as const, traced: ["error"] },
    { stacktraceLevel: "panic" as const, traced: [] },
  ])(
    "from level $stacktraceLevel on an error's stack is told; its message always",
    async ({ stacktraceLevel, traced }) => {
      const lines = await linesOf({ level: "info", stacktraceLevel }, (logger) => {
        for (const level of ["info", "warn", "error"] as const) logger[level]({ error: new Error("lost") }, "a");
        logger.error("no error object");
      });
      expect(lines.slice(0, 3).map(({ error }) => error)).toEqual(["lost", "lost", "lost"]);
      expect(
        lines.filter(({ stacktrace }) => String(stacktrace).includes("logger.test")).map(({ level }) => level),
      ).toEqual(traced);
      expect(lines[3]).not.toHaveProperty("stacktrace");
    },
  );

  it("for people: time, level, logger, message, fields; what a client sent stays on its line", async () => {
    const text = await written({ level: "info", encoder: "console" }, (logger) => {
      logger.info({ logger: "shard-0", model: "a\nb" }, "request\nserved");
      logger.warn("plain");
      logger.error({ error: new Error("lost") }, "failed");
    });
    const lines = text.split("\n");
    expect(lines[0]).toBe('2026-01-01T00:00:00.000Z\tINFO\tshard-0\trequest\\u000aserved\t{"model":"a\\nb"}');
    expect(lines[1]).toBe("2026-01-01T00:00:00.000Z\tWARN\tplain");
    expect(lines[2]).toBe('2026-01-01T00:00:00.000Z\tERROR\tfailed\t{"error":"lost"}');
    expect(lines[3]).toBe("Error: lost");
    expect(lines[4]).toMatch(/^ {4}at /);
  });
});
