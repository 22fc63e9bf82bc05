import { describe, expect, it } from "vitest";
import { ConfigError } from "../../../src/base/errors.ts";
import {
  choiceFlag,
  durationFlag,
  integerFlag,
  integerListFlag,
  optionalSizeFlag,
  portFlag,
  repeatedFlag,
  switchFlag,
  textFlag,
  textListFlag,
} from "../../../src/platform/flag-kinds.ts";
import { formatHelp, parseFlags, readFlags } from "../../../src/platform/flags.ts";

const TABLE = {
  file: textFlag("file", "path", "Where to read.", ""),
  host: textFlag("host", "address", "Where to listen.", "0.0.0.0"),
  port: portFlag("port", "Port of something.", 9002),
  count: integerFlag({ name: "count", valueName: "number", help: "How many.", byDefault: 3, min: 1, max: 64 }),
  interval: durationFlag({ name: "interval", help: "How often.", byDefaultMs: 50, minMs: 20 }),
  isLoud: switchFlag("loud", "Say more."),
  isSafe: switchFlag("safe-mode", "Risk nothing.", true),
  verbosity: integerFlag({ name: "v", valueName: "number", help: "Verbosity.", byDefault: 2, min: 0, max: 9 }),
  level: choiceFlag("level", "Least severe lines.", ["info", "debug", "warn"]),
};

const DEFAULTS = {
  ...{ file: "", host: "0.0.0.0", port: 9002, count: 3, interval: 50 },
  ...{ isLoud: false, isSafe: true, verbosity: 2, level: "info" },
};

/** The message of the ConfigError that these arguments cause. */
function faultOf(...args: string[]): string {
  try {
    parseFlags(TABLE, args);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  }
  throw new Error(`${args.join(" ")} was accepted`);
}

describe("flags", () => {
  it("without arguments every flag has its default", () => {
    expect(parseFlags(TABLE, [])).toEqual(DEFAULTS);
  });

  it.each([
    { args: ["--file", "a b.yaml"], changed: { file: "a b.yaml" } },
    { args: ["--file=a=b.yaml"], changed: { file: "a=b.yaml" } },
    { args: ["--file="], changed: { file: "" } },
    { args: ["--file=-"], changed: { file: "-" } },
    { args: ["--port", "0"], changed: { port: 0 } },
    { args: ["--port=65535"], changed: { port: 65_535 } },
    { args: ["--count", "64"], changed: { count: 64 } },
    { args: ["--count=007"], changed: { count: 7 } },
    { args: ["--loud"], changed: { isLoud: true } },
    { args: ["--level=warn"], changed: { level: "warn" } },
    { args: ["--count", "5", "--loud", "--host=::1"], changed: { count: 5, isLoud: true, host: "::1" } },
    { args: ["--count", "5", "--count", "6"], changed: { count: 6 } },
    { args: ["-count", "5", "-loud"], changed: { count: 5, isLoud: true } },
    { args: ["--safeMode=false", "-safeMode"], changed: { isSafe: true } },
    { args: ["-safeMode=false"], changed: { isSafe: false } },
    ...["true", "True", "TRUE", "t", "T", "1"].map((text) => ({ args: [`--loud=${text}`], changed: { isLoud: true } })),
    ...["false", "False", "FALSE", "f", "F", "0"].map((text) => ({
      args: [`--safe-mode=${text}`],
      changed: { isSafe: false },
    })),
    ...[["-v=4"], ["-v", "4"], ["--v", "4"], ["--v=4"], ["-v4"]].map((args) => ({ args, changed: { verbosity: 4 } })),
    { args: ["", "--loud", "", "--count", "5", ""], changed: { isLoud: true, count: 5 } },
    { args: ["--file", ""], changed: { file: "" } },
    { args: ["--file", "--not-a-flag"], changed: { file: "--not-a-flag" } },
    { args: ["--file=a\nb: c"], changed: { file: "a\nb: c" } },
  ])("$args", ({ args, changed }) => {
    expect(parseFlags(TABLE, args)).toEqual({ ...DEFAULTS, ...changed });
  });

  it.each([
    { text: "50ms", ms: 50 },
    { text: "2s", ms: 2_000 },
    { text: "1m30s", ms: 90_000 },
    { text: "1h", ms: 3_600_000 },
    { text: "1h1m1s1ms", ms: 3_661_001 },
    { text: "0.5s", ms: 500 },
    { text: "1.25m", ms: 75_000 },
    { text: "596h", ms: 2_145_600_000 },
    { text: "20ms", ms: 20 },
    { text: "19.9ms", ms: 20 },
    { text: ".5s", ms: 500 },
    { text: "1.s", ms: 1_000 },
    { text: "+5s", ms: 5_000 },
    { text: "500000us", ms: 500 },
    { text: "0s", ms: 20 },
    { text: "0", ms: 20 },
  ])("the duration $text is $ms ms, and less than the least is raised to it", ({ text, ms }) => {
    expect(parseFlags(TABLE, ["--interval", text])?.interval).toBe(ms);
  });

  it.each(["", " ", "50", "5 s", "s", "ms", "1d", "-5s", "1s ", "1s,5ms", "1e3ms", "1..5s", "abc", "1S"])(
    "%j is not a duration",
    (text) => {
      expect(faultOf(`--interval=${text}`)).toBe(`--interval: "${text}" is not a duration like 50ms, 2s or 1m30s`);
    },
  );

  it("a duration longer than any timer can run is refused instead of ending at once", () => {
    expect(faultOf("--interval=597h")).toBe('--interval: "597h" is longer than 596h, the longest duration');
  });

  it.each([
    { args: ["--count=0"], fault: '--count: "0" is not a whole number from 1 to 64' },
    { args: ["--count=65"], fault: '--count: "65" is not a whole number from 1 to 64' },
    { args: ["--count=1.5"], fault: '--count: "1.5" is not a whole number from 1 to 64' },
    { args: ["--count=0x10"], fault: '--count: "0x10" is not a whole number from 1 to 64' },
    { args: ["--count="], fault: '--count: "" is not a whole number from 1 to 64' },
    { args: ["--count", "many"], fault: '--count: "many" is not a whole number from 1 to 64' },
    { args: ["--port=65536"], fault: '--port: "65536" is not a whole number from 0 to 65535' },
    { args: ["--level=loud"], fault: '--level: "loud" is none of info, debug, warn' },
    { args: ["--level="], fault: '--level: "" is none of info, debug, warn' },
  ])("$args is refused with what would be right", ({ args, fault }) => {
    expect(faultOf(...args)).toBe(fault);
  });

  it.each([
    {
      name: "an unknown flag",
      args: ["--colour"],
      fault: "there is no flag --colour; --help shows all flags",
    },
    {
      name: "a misspelt flag",
      args: ["--cuont=5"],
      fault: "there is no flag --cuont; did you mean --count?",
    },
    {
      name: "a misspelt flag in camel case",
      args: ["--safeMod"],
      fault: "there is no flag --safeMod; did you mean --safe-mode?",
    },
    { name: "an unknown letter", args: ["-x"], fault: /^there is no flag --x; / },
    { name: "a word", args: ["start"], fault: '"start" is not a flag; --help shows all flags' },
    { name: "what follows two dashes", args: ["--", "--loud"], fault: '"--" is not a flag; --help shows all flags' },
    {
      name: "a switch's value apart from it",
      args: ["--loud", "false"],
      fault: '"false" is not a flag; a switch is given its value by =, like --flag=false; --help shows all flags',
    },
    { name: "a flag without its value", args: ["--port"], fault: "--port needs a value: --port=<port>" },
    {
      name: "a flag where a value should be",
      args: ["--host", "--loud"],
      fault: "--host needs a value: --host=<address>",
    },
    { name: "a switch with a value", args: ["--loud=yes"], fault: '--loud: "yes" is neither true nor false' },
    { name: "a switch with an empty value", args: ["--loud="], fault: '--loud: "" is neither true nor false' },
  ])("$name is refused with what would be right", ({ args, fault }) => {
    expect(faultOf(...args)).toMatch(fault);
  });

  it("help is asked for by --help, whatever else is there", () => {
    expect(parseFlags(TABLE, ["--help"])).toBeUndefined();
    expect(parseFlags(TABLE, ["--count=0", "--help"])).toBeUndefined();
    expect(parseFlags(TABLE, ["--unheard-of", "-h"])).toBeUndefined();
  });

  it("what was given is told apart from what has its default", () => {
    expect([...(readFlags(TABLE, ["--count=3", "-safeMode", "", "-v", "2"])?.given ?? [])]).toEqual([
      "count",
      "safe-mode",
      "v",
    ]);
  });

  it("a fault that is no operator's goes through as it is", () => {
    const defect = new TypeError("defect");
    const broken = {
      flag: {
        ...TABLE.file,
        read: (): string => {
          throw defect;
        },
      },
    };
    expect(() => parseFlags(broken, [])).toThrow(defect);
  });
});

describe("help text", () => {
  const { file, host, ...others } = TABLE;
  const GROUPS = [
    { title: "Places", flags: { file, host } },
    { title: "Others", flags: others },
  ];
  const help = formatHelp({ usage: "thing [flags]", about: "Does a thing.", groups: GROUPS });

  it("begins with usage and purpose", () => {
    expect(help.split("\n").slice(0, 4)).toEqual(["Usage: thing [flags]", "", "Does a thing.", ""]);
  });

  it.each([
    ["--file <path>", "Where to read."],
    ["--host <address>", "Where to listen. Default: 0.0.0.0."],
    ["--port <port>", "Port of something. 0 takes a free one. Default: 9002."],
    ["--count <number>", "How many. Default: 3."],
    ["--interval <duration>", "How often. Default: 50ms."],
    ["--loud", "Say more. Default: false."],
    ["--safe-mode", "Risk nothing. Default: true."],
    ["-v <number>", "Verbosity. Default: 2."],
    ["--level <info|debug|warn>", "Least severe lines. Default: info."],
  ])("has a line for %s", (left, right) => {
    expect(help.split("\n")).toContain(`  ${left.padEnd(36)}${right}`);
  });

  it("goes on below where a flag or its text is too long for a line", () => {
    const long = "word ".repeat(40).trim();
    const flags = { long: textFlag("a-flag-with-a-name-that-is-long", "value-of-it", long, "x") };
    const lines = formatHelp({ usage: "", about: "", groups: [{ title: "Long", flags }] })
      .trimEnd()
      .split("\n");
    const [flag, ...text] = lines.slice(lines.indexOf("Long:") + 1);
    expect(flag).toBe("  --a-flag-with-a-name-that-is-long <value-of-it>");
    expect(text.map((line) => line.slice(38)).join(" ")).toBe(`${long} Default: x.`);
    for (const line of text) expect([line.slice(0, 38).trim(), line.length <= 110]).toEqual(["", true]);
    expect(text.length).toBeGreaterThan(2);
  });

  it("has a line per flag in groups and ends with a line break", () => {
    expect(help.split("\n").filter((line) => line.startsWith("  -"))).toHaveLength(Object.keys(TABLE).length);
    expect(help.split("\n").filter((line) => /^\w+:$/.test(line))).toEqual(["Places:", "Others:"]);
    expect(help.endsWith("\n")).toBe(true);
  });
});

describe("lists", () => {
  const table = {
    suites: textListFlag("suites", "list", "Suites."),
    ports: integerListFlag({ name: "ports", valueName: "ports", help: "Ports.", min: 1, max: 65_535, countMax: 3 }),
    modules: repeatedFlag("module", "path", "Modules."),
  };
  const read = (...args: string[]) => parseFlags(table, args);

  it("are separated by commas or given one by one, each item once, in their order", () => {
    expect(read("--suites=b, a", "--suites", "c", "--suites=a")?.suites).toEqual(["b", "a", "c"]);
    expect(read("--ports=8000,8001", "--ports=8000")?.ports).toEqual([8_000, 8_001]);
    expect(read("--ports=", "--suites=,")).toEqual({ suites: [], ports: [], modules: [] });
  });

  it("of paths are given one by one, commas and all", () => {
    expect(read("--module=a,b.js", "--module", "c.js", "--module=")?.modules).toEqual(["a,b.js", "c.js"]);
  });

  it("say what is wrong with an item, or with their length", () => {
    expect(() => read("--ports=80,http")).toThrow('--ports: "http" is not a whole number from 1 to 65535');
    expect(() => read("--ports=1,2,3,4")).toThrow("--ports: 4 are more than 3");
  });
});

describe("a size", () => {
  const table = {
    size: optionalSizeFlag({ name: "size", help: "Size.", defaultText: "no limit", min: 1024, max: 2 ** 31 - 1 }),
  };

  it.each([
    ["6Mi", 6 * 2 ** 20],
    ["6MiB", 6 * 2 ** 20],
    ["16M", 16_000_000],
    ["64MB", 64_000_000],
    ["4194304", 4_194_304],
    ["4194304B", 4_194_304],
    ["1.5Ki", 1_536],
    ["1e6", 1_000_000],
  ])("%s is %d bytes", (text, size) => {
    expect(parseFlags(table, ["--size", text])?.size).toBe(size);
  });

  it("that is empty or absent is none", () => {
    expect(parseFlags(table, ["--size="])?.size).toBeUndefined();
    expect(parseFlags(table, [])?.size).toBeUndefined();
  });

  it.each([
    ["many", '--size: "many" is not a size like 6Mi, 16M or 4194304'],
    ["6 Mi", '--size: "6 Mi" is not a size like 6Mi, 16M or 4194304'],
    ["1Ki1", '--size: "1Ki1" is not a size like 6Mi, 16M or 4194304'],
    ["1023", '--size: "1023" is not in 1024 … 2147483647 bytes'],
    ["2Gi", '--size: "2Gi" is not in 1024 … 2147483647 bytes'],
  ])("%s is refused", (text, fault) => {
    expect(() => parseFlags(table, ["--size", text])).toThrow(fault);
  });
});
