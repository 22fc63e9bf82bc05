import { describe, expect, it } from "vitest";
import { formatDuration, parseDuration } from "../../../src/base/duration.ts";

describe("durations", () => {
  it.each([
    ["0", 0],
    ["50ms", 50],
    ["2s", 2_000],
    ["1m30s", 90_000],
    ["1.5h", 5_400_000],
    [".5s", 500],
    ["100us", 0.1],
    ["100µs", 0.1],
    ["-3s", -3_000],
    ["1h0m0s", 3_600_000],
  ])("%s is %d ms", (text, durationMs) => {
    expect(parseDuration(text)).toBeCloseTo(durationMs, 9);
  });

  it.each(["", "5", "s", "1 s", "1d", "1s2", "abc", "1e3s", "--1s", "-"])("%j is no duration", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  it.each([
    [0, "0s"],
    [50, "50ms"],
    [90_000, "1m30s"],
    [3_600_001, "1h1ms"],
    [-2_000, "-2s"],
  ])("%d ms is written %s, and is read again as the same", (durationMs, text) => {
    expect(formatDuration(durationMs)).toBe(text);
    expect(parseDuration(text)).toBe(durationMs);
  });
});
