import { describe, expect, test } from "vitest";
import { parseCommandLine } from "../../../src/simulator/command-line.ts";
import { SIMULATOR_DEFAULTS } from "../../../src/simulator/defaults.ts";
import { resolveOptions } from "../../../src/simulator/options.ts";

describe("flags", () => {
  test("none: one server, defaults", () => {
    expect(parseCommandLine([])).toEqual({ kind: "run", count: 1, options: {} });
  });

  test("become options, with and without an equals sign", () => {
    const command = parseCommandLine(
      "--count 4 --port=18000 --model m --adapters red,blue --prefill-token-ms 0.5 --running-requests-max=2".split(" "),
    );
    const options = { port: 18_000, model: "m", adapters: ["red", "blue"], prefillTokenMs: 0.5, runningRequestsMax: 2 };
    expect(command).toEqual({ kind: "run", count: 4, options });
  });

  test("help names every flag and its default", () => {
    const command = parseCommandLine(["--help"]);
    const text = command.kind === "help" ? command.text : "";
    expect(text).toContain("--count");
    expect(text).toMatch(/--kv-cache-blocks .*\(16384\)/);
    expect(text).toMatch(/--adapters /);
    // Settings that a command line cannot express, by design.
    const others = ["adapters", "metricOverrides", "fault", "faultFraction", "clock"];
    const flagCount = Object.keys(SIMULATOR_DEFAULTS).filter((setting) => !others.includes(setting)).length;
    expect(text.match(/^ {2}--/gm)).toHaveLength(flagCount + ["count", "adapters", "help"].length);
  });

  test.each([
    [["--bogus"], "--bogus"],
    [["--port", "high"], '--port: "high" is not a number'],
    [["--port="], '--port: "" is not a number'],
    [["--count", "0"], "--count: 0"],
    [["--count", "1.5"], "--count: 1.5"],
    [["--model"], "--model"],
    [["stray"], "stray"],
  ])("%j is an error that names the flag", (args, message) => {
    expect(() => parseCommandLine(args)).toThrow(message);
  });
});

describe("options", () => {
  test.each([
    [{ port: 65_536 }, "port 65536"],
    [{ runningRequestsMax: 0 }, "runningRequestsMax 0"],
    [{ kvCacheBlocks: 1.5 }, "kvCacheBlocks 1.5"],
    [{ prefillTokenMs: -1 }, "prefillTokenMs -1"],
    [{ interTokenMs: Number.NaN }, "interTokenMs NaN"],
    [{ loadFactorMax: 0.5 }, "loadFactorMax 0.5"],
    [{ faultFraction: 1.5 }, "faultFraction 1.5"],
    [{ replyTokensMin: 9, replyTokensMax: 8 }, "replyTokensMin 9 is above"],
    [{ kvCacheBlocks: 10 }, "contextTokensMax 32768 does not fit"],
    [{ seed: -1 }, "seed -1"],
  ])("%j is refused by name and value", (options, message) => {
    expect(() => resolveOptions(options)).toThrow(message);
  });

  test("the defaults fit together", () => {
    expect(resolveOptions({})).toEqual(SIMULATOR_DEFAULTS);
  });
});
