/** The exposition scanner case by case, each text whole and cut at every place. */
import { describe, expect, it } from "vitest";
import { ExpositionScanner, type SeriesChoice } from "../../../src/wasm/exposition-scanner.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { KERNEL_BUILDS } from "../../support/kernel.ts";

const GAUGE = "# TYPE up gauge\n";

interface Case {
  readonly name: string;
  readonly text: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly choice?: SeriesChoice;
  readonly value: number | undefined;
}

/** What is wanted is the series `up`. */
const CASES: readonly Case[] = [
  { name: "a series without labels", text: `${GAUGE}up 1\n`, value: 1 },
  { name: "a counter", text: "# TYPE up counter\nup 1\n", value: 1 },
  { name: "a series with labels", text: `${GAUGE}up{job="a",instance="b"} 0.5\n`, value: 0.5 },
  { name: "empty braces", text: `${GAUGE}up{} 2\n`, value: 2 },
  { name: "tabs and several blanks", text: `#  TYPE\tup \t gauge\n \tup \t  3 \n`, value: 3 },
  { name: "no blank after the braces", text: `${GAUGE}up{a="b"}5\n`, value: 5 },
  { name: "blanks before the braces", text: `${GAUGE}up {a="b"} 5\n`, value: 5 },
  { name: "a timestamp, which is not the value", text: `${GAUGE}up 6 1395066363000\n`, value: 6 },
  { name: "an exemplar", text: `${GAUGE}up 6 # {trace_id="a"} 0.67 1.2\n`, value: 6 },
  { name: "a last line without an end", text: `${GAUGE}a 1\nup 7`, value: 7 },
  { name: "carriage returns", text: "# TYPE up gauge\r\na 1\r\nup 8\r\nb 2\r\n", value: 8 },
  { name: "an exponent", text: `${GAUGE}up 1.5e+3\n`, value: 1500 },
  { name: "a large exponent letter", text: `${GAUGE}up 15E-1\n`, value: 1.5 },
  { name: "a point without digits before it", text: `${GAUGE}up .5\n`, value: 0.5 },
  { name: "a point without digits behind it", text: `${GAUGE}up 5.\n`, value: 5 },
  { name: "a negative number", text: `${GAUGE}up -0.25\n`, value: -0.25 },
  { name: "a plus sign", text: `${GAUGE}up +4\n`, value: 4 },
  {
    name: "Python's way to write a large number",
    text: `${GAUGE}up 1.7635427361234567e+09\n`,
    value: 1763542736.1234567,
  },
  { name: "+Inf", text: `${GAUGE}up +Inf\n`, value: Number.POSITIVE_INFINITY },
  { name: "-Inf", text: `${GAUGE}up -Inf\n`, value: Number.NEGATIVE_INFINITY },
  { name: "a number beyond all numbers", text: `${GAUGE}up 1e999999999999\n`, value: Number.POSITIVE_INFINITY },
  { name: "a number that is nearly nothing", text: `${GAUGE}up 1e-999999999999\n`, value: 0 },
  { name: "NaN, which is no value", text: `${GAUGE}up NaN\n`, value: undefined },
  { name: "a word, which is no value", text: `${GAUGE}up yes\n`, value: undefined },
  { name: "a hexadecimal number, which is no value", text: `${GAUGE}up 0x10\n`, value: undefined },
  { name: "an exponent without digits", text: `${GAUGE}up 1e\n`, value: undefined },
  { name: "a sign alone", text: `${GAUGE}up -\n`, value: undefined },
  { name: "no value at all", text: `${GAUGE}up \n`, value: undefined },
  { name: "the name alone at the end", text: `${GAUGE}a 1\nup`, value: undefined },
  { name: "no such series", text: "# TYPE down gauge\ndown 1\n", value: undefined },
  { name: "an empty text", text: "", value: undefined },
  { name: "empty lines", text: `\n\n${GAUGE}\r\n  \nup 3\n\n`, value: 3 },

  { name: "no type, which is no value", text: "up 1\n", value: undefined },
  { name: "untyped, which is no value", text: "# TYPE up untyped\nup 1\n", value: undefined },
  { name: "a histogram, which is no value", text: "# TYPE up histogram\nup 1\n", value: undefined },
  { name: "a summary, which is no value", text: "# TYPE up summary\nup 1\n", value: undefined },
  { name: "a type that begins like a gauge", text: "# TYPE up gauges\nup 1\n", value: undefined },
  { name: "the type of another name", text: "# TYPE upper gauge\n# TYPE p gauge\nup 1\n", value: undefined },
  { name: "a type that comes too late", text: `up 1\n${GAUGE}`, value: undefined },
  { name: "a word that begins like TYPE", text: "# TYPES up gauge\nup 1\n", value: undefined },
  { name: "a help that speaks of a type", text: "# HELP up TYPE up gauge\nup 1\n", value: undefined },

  { name: "a name that another begins with", text: `${GAUGE}upper 1\nup_total 2\nup 3\n`, value: 3 },
  { name: "a name that another ends with", text: `${GAUGE}start_up 1\nstart:up 2\nup 3\n`, value: 3 },
  { name: "a help line that ends with the name", text: `# HELP x see up\n${GAUGE}up 3\n`, value: 3 },
  { name: "a label value that looks like a line", text: `${GAUGE}x{help="\\nup 9"} 1\nup 3\n`, value: 3 },
  { name: "a brace inside a label value", text: `${GAUGE}up{path="/{id}"} 3\n`, value: 3 },
  { name: "an escaped quote before a brace", text: `${GAUGE}up{q="\\"}"} 3\n`, value: 3 },
  { name: "braces that are not closed", text: `${GAUGE}up{a="b" 3\nup 4\n`, value: 4 },
  { name: "a label without quotes", text: `${GAUGE}up{a=b} 3\nup 4\n`, value: 4 },
  { name: "labels without a comma between", text: `${GAUGE}up{a="b"c="d"} 3\nup 4\n`, value: 4 },
  { name: "a cut label value", text: `${GAUGE}up{a="b\nup 4\n`, value: 4 },
  { name: "a cut escape", text: `${GAUGE}up{a="b\\\nup 4\n`, value: 4 },

  { name: "the first of several series", text: `${GAUGE}up{e="0"} 1\nup{e="1"} 2\n`, value: 1 },
  { name: "the first, even when it is NaN", text: `${GAUGE}up{e="0"} NaN\nup{e="1"} 2\n`, value: undefined },
  { name: "the newest of several", text: `${GAUGE}up 1 5\nup 2 7\nup 3 6\nup 4 7\n`, value: 2 },
  { name: "none is older than 0", text: `${GAUGE}up 1 -5\nup 2\nup 3 0\n`, value: 2 },
  { name: "a timestamp that is none", text: `${GAUGE}up 1 x\nup 2 1\n`, value: 2 },
  { name: "the greatest", text: `${GAUGE}up 1\nup 3 1\nup 3 2\nup 2 9\n`, choice: "greatest", value: 3 },
  { name: "the greatest of NaN and less", text: `${GAUGE}up NaN\nup -1\n`, choice: "greatest", value: -1 },
  { name: "a sum", text: `${GAUGE}up{e="0"} 1 9\nup{e="1"} 2.5 3\n`, choice: "sum", value: 3.5 },
  { name: "a sum with NaN", text: `${GAUGE}up 1\nup NaN\n`, choice: "sum", value: undefined },

  { name: "a matching label", text: `${GAUGE}up{t="a"} 1\nup{t="b"} 2\n`, labels: { t: "b" }, value: 2 },
  { name: "one of several labels", text: `${GAUGE}up{x="1",t="b",y="2"} 2\n`, labels: { t: "b" }, value: 2 },
  { name: "several in another order", text: `${GAUGE}up{b="2",a="1"} 2\n`, labels: { a: "1", b: "2" }, value: 2 },
  { name: "a comma at the end of the labels", text: `${GAUGE}up{t="b",} 2\n`, labels: { t: "b" }, value: 2 },
  { name: "blanks among the labels", text: `${GAUGE}up{ t = "b" , u = "c" } 2\n`, labels: { u: "c" }, value: 2 },
  { name: "a label that is not there", text: `${GAUGE}up 1\n`, labels: { t: "b" }, value: undefined },
  { name: "an empty label that is wanted", text: `${GAUGE}up{t=""} 1\n`, labels: { t: "" }, value: 1 },
  { name: "a label with another value", text: `${GAUGE}up{t="bb"} 1\n`, labels: { t: "b" }, value: undefined },
  { name: "a label with half the value", text: `${GAUGE}up{t="b"} 1\n`, labels: { t: "bb" }, value: undefined },
  {
    name: "a label whose name ends alike",
    text: `${GAUGE}up{request_t="b"} 1\nup{t="b"} 2\n`,
    labels: { t: "b" },
    value: 2,
  },
  {
    name: "a label inside a label's value",
    text: `${GAUGE}up{x="t=\\"b\\"",t="c"} 1\n`,
    labels: { t: "b" },
    value: undefined,
  },
  { name: "the last of a repeated label", text: `${GAUGE}up{t="b",t="c"} 1\n`, labels: { t: "b" }, value: undefined },
  { name: "a value with a quote", text: `${GAUGE}up{t="a\\"b"} 2\n`, labels: { t: 'a"b' }, value: 2 },
  { name: "a value with a backslash", text: `${GAUGE}up{t="a\\\\b"} 2\n`, labels: { t: "a\\b" }, value: 2 },
  { name: "a value with a line break", text: `${GAUGE}up{t="a\\nb"} 2\n`, labels: { t: "a\nb" }, value: 2 },
  { name: "a value that ends with a backslash", text: `${GAUGE}up{t="a\\\\",u="b"} 2\n`, labels: { u: "b" }, value: 2 },
  { name: "a value beyond ASCII", text: `${GAUGE}up{t="größe"} 2\n`, labels: { t: "größe" }, value: 2 },
];

describe.each(KERNEL_BUILDS)("a wanted series, %s build", (build) => {
  const scanner = new ExpositionScanner({ windowCount: 2, build });

  it.each(CASES)("$name", ({ text, labels = {}, choice = "newest", value }) => {
    const fresh = new ExpositionScanner({ windowCount: 1, build });
    const table = fresh.addTable([{ name: "up", labels, choice }]) as number;
    const body = Buffer.from(text);
    for (let cut = 0; cut <= body.length; cut++) {
      const window = fresh.begin(table) as number;
      fresh.feed(window, body, 0, cut);
      fresh.feed(window, body, cut, body.length);
      fresh.end(window);
      expect(fresh.value(window, 0), `cut at ${cut}`).toBe(value);
      fresh.release(window);
    }
  });

  it("bytes that lie in the receive buffer are scanned there", () => {
    const table = scanner.addTable([{ name: "up", choice: "newest" }]) as number;
    const window = scanner.begin(table) as number;
    const size = scanner.receiveBuffer.write(`xx${GAUGE}up 3\nup`, "latin1");
    scanner.feed(window, scanner.receiveBuffer, 2, size - 2);
    scanner.end(window);
    expect(scanner.value(window, 0)).toBe(3);
    scanner.release(window);
  });

  it("the label block of the chosen series is kept as it is written, whatever its type", () => {
    const table = scanner.addTable([
      { name: "up", choice: "newest" },
      { name: "info", choice: "greatest", keepsLabels: true },
      { name: "config", choice: "newest", keepsLabels: true },
    ]) as number;
    const window = scanner.begin(table) as number;
    const text = 'info{l="a"} 1.5e9\nup 2\nconfig{x="\\"}"} 1\ninfo{l="b,c"} 1.7e9\n info {l="d"} 1.6e9\n';
    scanner.feed(window, Buffer.from(text), 0, text.length);
    scanner.end(window);
    const blocks = [0, 1, 2].map((series) => scanner.labelBlock(window, series)?.toString());
    expect(blocks).toEqual([undefined, '{l="b,c"}', '{x="\\"}"}']);
    expect([0, 1, 2].map((series) => scanner.seriesCount(window, series))).toEqual([0, 3, 1]);
    scanner.release(window);
  });

  it("several wanted series may have one name, and short and long names stand side by side", () => {
    const names = ["a", "ab", "a2345678", "a23456789", "b2345678", `x${"y".repeat(100)}`];
    const table = scanner.addTable([
      ...names.map((name) => ({ name, choice: "newest" as const })),
      { name: "a", labels: { t: "1" }, choice: "newest" },
    ]) as number;
    const window = scanner.begin(table) as number;
    const text = names.map((name, value) => `# TYPE ${name} gauge\n${name}{t="0"} ${value}\n`).join("");
    scanner.feed(window, Buffer.from(`${text}a{t="1"} 9`), 0, text.length + 10);
    scanner.end(window);
    expect(Array.from({ length: 7 }, (_, series) => scanner.value(window, series))).toEqual([0, 1, 2, 3, 4, 5, 9]);
    scanner.release(window);
  });

  it.each([
    { name: "a line of the longest size is read", extra: 0, value: 1, tooLong: 0 },
    { name: "a longer one is skipped and counted", extra: 1, value: 2, tooLong: 1 },
  ])("$name, cut or not", ({ extra, value, tooLong }) => {
    const [start, end] = [`up{a="`, `"} 1`];
    const line = start + "x".repeat(layout.EXPOSITION_LINE_SIZE_MAX + extra - start.length - end.length) + end;
    const body = Buffer.from(`${GAUGE}${line}\nup 2\n`);
    const table = scanner.addTable([{ name: "up", choice: "newest" }]) as number;
    for (const cut of [0, 20, 5_000, body.length - 7, body.length - 6, body.length - 5]) {
      const window = scanner.begin(table) as number;
      scanner.feed(window, body, 0, cut);
      scanner.feed(window, body, cut, body.length);
      scanner.end(window);
      expect([scanner.value(window, 0), scanner.linesTooLong(window)], `cut at ${cut}`).toEqual([value, tooLong]);
      scanner.release(window);
    }
  });

  it("what does not fit into a table is refused", () => {
    const small = new ExpositionScanner({ windowCount: 1, build });
    const series = (count: number): { name: string; choice: "newest" }[] =>
      Array.from({ length: count }, (_, index) => ({ name: `s${index}`, choice: "newest" }));
    expect(small.addTable(series(layout.EXPOSITION_SERIES_MAX + 1))).toBeUndefined();
    expect(small.addTable([{ name: "n".repeat(40_000), choice: "newest" }])).toBeUndefined();
    const labels = Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`l${index}`, ""]));
    expect(small.addTable([{ name: "a", labels, choice: "newest" }])).toBeUndefined();
    expect(small.addTable(series(3).map((one) => ({ ...one, keepsLabels: true })))).toBeUndefined();
    for (let table = 0; table < layout.EXPOSITION_TABLES_MAX; table++) {
      expect(small.addTable(series(layout.EXPOSITION_SERIES_MAX))).toBe(table);
    }
    expect(small.addTable(series(1))).toBeUndefined();
  });

  it("windows run out, come back, and are clean", () => {
    const small = new ExpositionScanner({ windowCount: 2, build });
    const table = small.addTable([{ name: "up", choice: "newest" }]) as number;
    const [first, second] = [small.begin(table) as number, small.begin(table) as number];
    expect(first).not.toBe(second);
    expect(small.begin(table)).toBeUndefined();
    small.feed(first, Buffer.from(`${GAUGE}up 1\nup{a="`), 0, GAUGE.length + 12);
    small.release(first);
    expect(() => small.release(first)).toThrow("is not taken");
    expect(small.begin(table)).toBe(first);
    small.feed(first, Buffer.from("up 2\n"), 0, 5);
    small.end(first);
    expect(small.value(first, 0)).toBeUndefined();
  });
});
