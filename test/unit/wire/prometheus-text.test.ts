import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findSeries, type LabelMatch } from "../../../src/wire/prometheus-text.ts";
import { parseSamples, type Sample } from "../../support/prometheus-oracle.ts";

const CASES: readonly { name: string; text: string; metric: string; labels?: LabelMatch; value: number | undefined }[] =
  [
    { name: "a series without labels", text: "up 1\n", metric: "up", value: 1 },
    { name: "a series with labels", text: 'up{job="a",instance="b"} 0.5\n', metric: "up", value: 0.5 },
    { name: "empty braces", text: "up{} 2\n", metric: "up", value: 2 },
    { name: "tabs and several blanks", text: 'up \t  3\nup{a="b"}\t4', metric: "up", value: 3 },
    { name: "no blank after the braces", text: 'up{a="b"}5\n', metric: "up", value: 5 },
    { name: "a timestamp, which is not the value", text: "up 6 1395066363000\n", metric: "up", value: 6 },
    { name: "a last line without an end", text: "a 1\nup 7", metric: "up", value: 7 },
    { name: "carriage returns", text: "a 1\r\nup 8\r\nb 2\r\n", metric: "up", value: 8 },
    { name: "an exponent", text: "up 1.5e+3\n", metric: "up", value: 1500 },
    { name: "a negative number", text: "up -0.25\n", metric: "up", value: -0.25 },
    { name: "+Inf", text: "up +Inf\n", metric: "up", value: Number.POSITIVE_INFINITY },
    { name: "-Inf", text: "up -Inf\n", metric: "up", value: Number.NEGATIVE_INFINITY },
    { name: "NaN, which is no value", text: "up NaN\n", metric: "up", value: undefined },
    { name: "a word, which is no value", text: "up yes\n", metric: "up", value: undefined },
    { name: "no value at all", text: "up \n", metric: "up", value: undefined },
    { name: "the first of several series", text: 'up{e="0"} 1\nup{e="1"} 2\n', metric: "up", value: 1 },
    { name: "the first, even when it is NaN", text: 'up{e="0"} NaN\nup{e="1"} 2\n', metric: "up", value: undefined },
    { name: "no such series", text: "down 1\n", metric: "up", value: undefined },
    { name: "an empty text", text: "", metric: "up", value: undefined },
    { name: "a name that another begins with", text: "upper 1\nup_total 2\nup 3\n", metric: "up", value: 3 },
    { name: "a name that another ends with", text: "start_up 1\nstart:up 2\nup 3\n", metric: "up", value: 3 },
    { name: "HELP and TYPE lines", text: "# HELP up up 9\n# TYPE up gauge\nup 3\n", metric: "up", value: 3 },
    { name: "a HELP line that ends with the name", text: "# HELP x see up\nup 3\n", metric: "up", value: 3 },
    { name: "the name alone at the end", text: "a 1\nup", metric: "up", value: undefined },
    { name: "a label value that looks like a line", text: 'x{help="\\nup 9"} 1\nup 3\n', metric: "up", value: 3 },
    { name: "a brace inside a label value", text: 'up{path="/{id}"} 3\n', metric: "up", value: 3 },
    { name: "an escaped quote before a brace", text: 'up{q="\\"}"} 3\n', metric: "up", value: 3 },
    { name: "braces that are not closed", text: 'up{a="b" 3\nup 4\n', metric: "up", value: 4 },
    { name: "a matching label", text: 'q{t="a"} 1\nq{t="b"} 2\n', metric: "q", labels: { t: "b" }, value: 2 },
    { name: "one of several labels", text: 'q{x="1",t="b",y="2"} 2\n', metric: "q", labels: { t: "b" }, value: 2 },
    {
      name: "several labels in another order",
      text: 'q{b="2",a="1"} 2\n',
      metric: "q",
      labels: { a: "1", b: "2" },
      value: 2,
    },
    { name: "a comma at the end of the labels", text: 'q{t="b",} 2\n', metric: "q", labels: { t: "b" }, value: 2 },
    { name: "blanks among the labels", text: 'q{ t = "b" , u = "c" } 2\n', metric: "q", labels: { u: "c" }, value: 2 },
    { name: "a label that is not there", text: "q 1\n", metric: "q", labels: { t: "b" }, value: undefined },
    { name: "a label with another value", text: 'q{t="bb"} 1\n', metric: "q", labels: { t: "b" }, value: undefined },
    {
      name: "a label whose name ends alike",
      text: 'q{request_t="b"} 1\nq{t="b"} 2\n',
      metric: "q",
      labels: { t: "b" },
      value: 2,
    },
    {
      name: "a label inside a label's value",
      text: 'q{x="t=\\"b\\"",t="c"} 1\n',
      metric: "q",
      labels: { t: "b" },
      value: undefined,
    },
    { name: "a value with a quote", text: 'q{t="a\\"b"} 2\n', metric: "q", labels: { t: 'a"b' }, value: 2 },
    { name: "a value with a backslash", text: 'q{t="a\\\\b"} 2\n', metric: "q", labels: { t: "a\\b" }, value: 2 },
    { name: "a value with a line break", text: 'q{t="a\\nb"} 2\n', metric: "q", labels: { t: "a\nb" }, value: 2 },
    {
      name: "a value that ends with a backslash",
      text: 'q{t="a\\\\",u="b"} 2\n',
      metric: "q",
      labels: { u: "b" },
      value: 2,
    },
  ];

describe("a series of a Prometheus text", () => {
  it.each(CASES)("$name", ({ text, metric, labels, value }) => {
    expect(findSeries(text, metric, labels)).toBe(value);
  });

  it("the series that is looked for may stand behind a long exposition", () => {
    const others = Array.from({ length: 20_000 }, (_, index) => `vllm:bucket{le="${index}"} ${index}\n`).join("");
    expect(findSeries(`${others}vllm:waiting 4\n`, "vllm:waiting")).toBe(4);
  });
});

// Random expositions against a parser that reads every line in turn. Names and labels are few and alike, so that names
// that begin or end with each other, and labels within label values, come up all the time.
const nameArbitrary = fc.constantFrom("a", "ab", "b:a", "a_b");
const labelNameArbitrary = fc.constantFrom("t", "u", "xt", "t_");
const labelValueArbitrary = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom("", "b", 't="b"') },
  { weight: 1, arbitrary: fc.constantFrom("}", "{", "\\", '"', "\n", "a 1", "\\n") },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 4 }) },
);
const sampleArbitrary: fc.Arbitrary<Sample> = fc.record({
  name: nameArbitrary,
  labels: fc.uniqueArray(fc.tuple(labelNameArbitrary, labelValueArbitrary), {
    maxLength: 3,
    selector: ([name]) => name,
  }),
  value: fc.oneof(fc.constantFrom("NaN", "+Inf", "-Inf", "0", "1e3"), fc.integer({ min: -9, max: 99 }).map(String)),
});
const lineArbitrary = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(sampleArbitrary, fc.boolean()).map(([sample, hasTime]) => formatSample(sample, hasTime)),
  },
  { weight: 1, arbitrary: nameArbitrary.map((name) => `# HELP ${name} ${name} 7`) },
  { weight: 1, arbitrary: fc.constantFrom("", "# TYPE a gauge", "# a 9") },
);

function formatSample({ name, labels, value }: Sample, hasTime: boolean): string {
  const escape = (text: string): string => text.replace(/[\\"\n]/g, (found) => (found === "\n" ? "\\n" : `\\${found}`));
  const block = labels.map(([label, text]) => `${label}="${escape(text)}"`).join(",");
  return `${name}${labels.length > 0 ? `{${block}}` : ""} ${value}${hasTime ? " 1700000000000" : ""}`;
}

describe("a series of a random Prometheus text", () => {
  it("is the first one that a plain parser finds with these labels, in 2,000 texts", () => {
    let found = 0;
    let foundByLabels = 0;
    const property = fc.property(
      fc.array(lineArbitrary, { minLength: 6, maxLength: 16 }),
      nameArbitrary,
      fc.dictionary(labelNameArbitrary, labelValueArbitrary, { maxKeys: 1 }),
      (lines, name, labels) => {
        const text = lines.join("\n");
        const sample = parseSamples(text).find(
          (candidate) =>
            candidate.name === name &&
            Object.entries(labels).every(([label, value]) => new Map(candidate.labels).get(label) === value),
        );
        const number = sample === undefined ? Number.NaN : Number(sample.value.replace("Inf", "Infinity"));
        if (!Number.isNaN(number)) found++;
        if (!Number.isNaN(number) && Object.keys(labels).length > 0) foundByLabels++;
        expect(findSeries(text, name, labels)).toBe(Number.isNaN(number) ? undefined : number);
      },
    );
    fc.assert(property, { numRuns: 2_000, seed: 20_261_128 });
    expect(found).toBeGreaterThan(200);
    expect(foundByLabels).toBeGreaterThan(50);
  });
});
