import { describe, expect, it } from "vitest";
import { ConfigError } from "../../../src/base/errors.ts";
import {
  choiceFlag,
  durationFlag,
  formatHelp,
  integerFlag,
  listFlag,
  parseFlags,
  portFlag,
  switchFlag,
  textFlag,
} from "../../../src/platform/flags.ts";

const TABLE = {
  file: textFlag("file", "path", "Where to read.", ""),
  host: textFlag("host", "address", "Where to listen.", "0.0.0.0"),
  port: portFlag("port", "Port of something.", 9002),
  count: integerFlag({ name: "count", valueName: "number", help: "How many.", byDefault: 3, min: 1, max: 64 }),
  interval: durationFlag({ name: "interval", help: "How often.", byDefaultMs: 50, minMs: 20 }),
  isLoud: switchFlag("loud", "Say more."),
  level: choiceFlag("level", "Least severe lines.", ["info", "debug", "warn"]),
};

const DEFAULTS = { file: "", host: "0.0.0.0", port: 9002, count: 3, interval: 50, isLoud: false, level: "info" };

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
    { text: "0s", ms: 20 },
    { text: "0", ms: 20 },
  ])("the duration $text is $ms ms, and less than the least is raised to it", ({ text, ms }) => {
    expect(parseFlags(TABLE, ["--interval", text])?.interval).toBe(ms);
  });

  it.each([
    "",
    " ",
    "50",
    "5 s",
    "s",
    "ms",
    "1d",
    "-5s",
    "+5s",
    "1s ",
    "1s,5ms",
    "1.s",
    ".5s",
    "1e3ms",
    "1..5s",
    "abc",
    "1S",
  ])("%j is not a duration", (text) => {
    expect(faultOf(`--interval=${text}`)).toBe(`--interval: "${text}" is not a duration like 50ms, 2s or 1m30s`);
  });

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

  const KNOWN = "known flags: --file, --host, --port, --count, --interval, --loud, --level, --help";
  it.each([
    { name: "an unknown flag", args: ["--colour"], fault: `Unknown option '--colour'; ${KNOWN}` },
    { name: "an unknown flag with a value", args: ["--colour=red"], fault: `Unknown option '--colour'; ${KNOWN}` },
    { name: "an unknown letter", args: ["-v"], fault: `Unknown option '-v'; ${KNOWN}` },
    { name: "a word", args: ["start"], fault: `Unexpected argument 'start'; ${KNOWN}` },
    { name: "a flag without its value", args: ["--port"], fault: `Option '--port <value>' argument missing; ${KNOWN}` },
    {
      name: "a flag where a value should be",
      args: ["--host", "--loud"],
      fault: `Option '--host' argument is ambiguous; ${KNOWN}`,
    },
    {
      name: "a switch with a value",
      args: ["--loud=yes"],
      fault: `Option '--loud' does not take an argument; ${KNOWN}`,
    },
  ])("$name is refused with the list of flags", ({ args, fault }) => {
    expect(faultOf(...args)).toBe(fault);
  });

  it("help is asked for by --help, whatever else is there", () => {
    expect(parseFlags(TABLE, ["--help"])).toBeUndefined();
    expect(parseFlags(TABLE, ["--count=0", "--help"])).toBeUndefined();
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
  const help = formatHelp({ usage: "thing [flags]", about: "Does a thing.", table: TABLE });

  it("begins with usage and purpose", () => {
    expect(help.split("\n").slice(0, 4)).toEqual(["Usage: thing [flags]", "", "Does a thing.", ""]);
  });

  it.each([
    ["--file <path>", "Where to read. Default: none."],
    ["--host <address>", "Where to listen. Default: 0.0.0.0."],
    ["--port <port>", "Port of something. 0 takes a free one. Default: 9002."],
    ["--count <number>", "How many. Default: 3."],
    ["--interval <duration>", "How often. Default: 50ms."],
    ["--loud", "Say more. Default: off."],
    ["--level <info|debug|warn>", "Least severe lines. Default: info."],
  ])("has a line for %s", (left, right) => {
    expect(help.split("\n")).toContain(`  ${left.padEnd("--level <info|debug|warn>".length)}  ${right}`);
  });

  it("has a line per flag and ends with a line break", () => {
    expect(help.trimEnd().split("\n")).toHaveLength(4 + Object.keys(TABLE).length);
    expect(help.endsWith("\n")).toBe(true);
  });
});

describe("a list flag", () => {
  const table = { letters: listFlag("letters", "Letters.", ["a", "b", "c"], ["a", "b"]) };
  const read = (...args: string[]) => parseFlags(table, args)?.letters;

  it("gives its choices in the order given, each once, or the default", () => {
    expect(read()).toEqual(["a", "b"]);
    expect(read("--letters=c, a,c")).toEqual(["c", "a"]);
  });

  it.each(["", "a,x", "a,"])("refuses %j and names the choices", (text) => {
    expect(() => read(`--letters=${text}`)).toThrow(/--letters: ".*" is none of a, b, c/);
  });
});
