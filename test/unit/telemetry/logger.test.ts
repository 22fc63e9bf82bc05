import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createLogger, type LoggerOptions } from "../../../src/telemetry/logger.ts";

/** The lines that a logger of this level writes when each level is used once. */
function linesOf(level: LoggerOptions["level"]): Record<string, unknown>[] {
  const folder = mkdtempSync(join(tmpdir(), "magpie-log-"));
  try {
    const path = join(folder, "log");
    const destination = openSync(path, "w");
    const logger = createLogger({ level, destination });
    for (const used of ["debug", "info", "warn", "error"] as const) logger[used]({ slot: 3 }, `a ${used} line`);
    closeSync(destination);
    const text = readFileSync(path, "utf8");
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("logger", () => {
  it.each([
    { level: "debug" as const, written: 4 },
    { level: "info" as const, written: 3 },
    { level: "warn" as const, written: 2 },
    { level: "error" as const, written: 1 },
    { level: "silent" as const, written: 0 },
  ])("at level $level $written of four lines are written, at once", ({ level, written }) => {
    expect(linesOf(level)).toHaveLength(written);
  });

  it("a line is JSON with a readable time, the message and its fields, and nothing of the machine", () => {
    const [line] = linesOf("error");
    expect(Object.keys(line ?? {}).toSorted()).toEqual(["level", "msg", "slot", "time"]);
    expect(line).toMatchObject({ msg: "a error line", slot: 3, time: expect.stringMatching(/^\d{4}-.*Z$/) });
  });
});
