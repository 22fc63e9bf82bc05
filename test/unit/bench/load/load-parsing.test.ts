/** What the load bench reads from others: /proc, h2load, the command line. */
import { describe, expect, it } from "vitest";
import { parseH2load } from "../../../../bench/load/h2load.ts";
import { LOAD_FLAGS } from "../../../../bench/load/load-flags.ts";
import { parseCpuTicks, parseSize, readProcessUsage } from "../../../../bench/load/process-usage.ts";
import { parseFlags } from "../../../../src/platform/flags.ts";

describe("/proc", () => {
  it("user and system ticks are read whatever the program's name", () => {
    // Fields of proc(5); utime is the 14th.
    const stat = "7 (a) R 9 (b) S 1 7 7 0 -1 4194560 5 6 7 8 120 30 0 0 20 0 11 0 9 1 2";
    expect(parseCpuTicks(stat)).toBe(150);
  });

  it("sizes are read in bytes, and a missing one is an error", () => {
    const status = "Name:\tnode\nVmHWM:\t  123 kB\nVmRSS:\t    45 kB\n";
    expect(parseSize(status, "VmRSS")).toBe(45 * 1024);
    expect(() => parseSize(status, "VmSwap")).toThrow("VmSwap");
  });

  it.runIf(process.platform === "linux")("this process has used some of both", () => {
    const use = readProcessUsage(process.pid);
    expect(use.cpuSeconds).toBeGreaterThan(0);
    expect(use.memoryBytesMax).toBeGreaterThanOrEqual(use.memoryBytes);
  });
});

describe("h2load's output", () => {
  // h2load 1.52.
  const output = [
    "finished in 1.03s, 9672.43 req/s, 53.61MB/s",
    "requests: 10000 total, 10000 started, 10000 done, 9998 succeeded, 2 failed, 2 errored, 0 timeout",
  ].join("\n");

  it("gives the rate and how many requests succeeded", () => {
    expect(parseH2load(output)).toEqual({ ratePerSecond: 9672.43, succeededCount: 9998 });
  });

  it("is an error when it is not understood", () => {
    expect(() => parseH2load("h2load: connection refused")).toThrow("connection refused");
  });
});

describe("the command line", () => {
  it.each([
    ["220KB", 220_000],
    ["256KiB", 262_144],
    ["5000", 5_000],
    ["2MB", 2_000_000],
  ])("takes %s for a body's size", (text, size) => {
    expect(parseFlags(LOAD_FLAGS, ["--body-size", text])?.bodySize).toBe(size);
  });

  it.each([
    ["--body-size", "0"],
    ["--body-size", "4 kilobytes"],
    ["--prefix-share", "1.5"],
    ["--prefix-share", ""],
    ["--end", "fin"],
  ])("does not take %s %s", (flag, value) => {
    expect(() => parseFlags(LOAD_FLAGS, [flag, value])).toThrow(flag);
  });
});
