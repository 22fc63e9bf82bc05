import { Counter, Histogram, Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { Prng } from "../../../../src/base/prng.ts";
import { PROMPT_TOKENS, REQUEST_BYTES } from "../../../../src/telemetry/metrics/buckets.ts";
import {
  familyHead,
  formatBound,
  HistogramText,
  LabelText,
  sampleLine,
} from "../../../../src/telemetry/metrics/exposition.ts";
import { type HistogramColumns, observe } from "../../../../src/telemetry/series/columns.ts";
import { parseSamples } from "../../../support/prometheus-oracle.ts";

describe("bounds", () => {
  // From pages of Go programs: strconv's shortest form, with an exponent from 10^6 on and below 10^−4.
  it.each([
    [0, "0"],
    [0.0001, "0.0001"],
    [0.00205, "0.00205"],
    [0.00001, "1e-05"],
    [1.25, "1.25"],
    [3600, "3600"],
    [131_072, "131072"],
    [1_000_000, "1e+06"],
    [1_048_576, "1.048576e+06"],
    [1_073_741_824, "1.073741824e+09"],
  ])("%d is written %s", (bound, text) => {
    expect(formatBound(bound)).toBe(text);
    expect(Number(text)).toBe(bound);
  });
});

describe("a histogram", () => {
  it("counts and is written as prom-client does it (2000 random values, seed 5)", async () => {
    const registry = new Registry();
    const buckets = PROMPT_TOKENS.slice();
    const theirs = new Histogram({ name: "h", help: "A.", labelNames: ["a"], buckets, registers: [registry] });
    const cells = new Float64Array(PROMPT_TOKENS.length + 6);
    const columns: HistogramColumns = { at: 1, bounds: Float64Array.from(PROMPT_TOKENS) };
    const prng = new Prng(5);
    for (let index = 0; index < 2_000; index++) {
      // Bounds themselves, too, and what exceeds all of them.
      const isBound = index % 3 === 0;
      const drawn = prng.nextU32() % 2_000_000;
      const value = isBound ? (buckets[drawn % buckets.length] ?? 0) : drawn;
      theirs.observe({ a: "x" }, value);
      observe(cells, 2, columns, value);
    }
    const text = new HistogramText("h", PROMPT_TOKENS).lines(new LabelText(["a"]).of(["x"]), cells.subarray(3));
    const order = ({ name, labels, value }: ReturnType<typeof parseSamples>[number]): unknown => {
      const le = labels.find(([label]) => label === "le")?.[1] ?? "";
      return { name, value, le: le === "+Inf" ? le : Number(le), a: labels.find(([label]) => label === "a")?.[1] };
    };
    expect(parseSamples(text).map(order)).toEqual(parseSamples(await registry.metrics()).map(order));
    expect(cells.subarray(0, 3)).toEqual(new Float64Array(3));
  });

  it("without labels has none but the bound", () => {
    const text = new HistogramText("h", [1]).lines("", Float64Array.of(2, 1, 5));
    expect(text).toBe('h_bucket{le="1"} 2\nh_bucket{le="+Inf"} 3\nh_sum 5\nh_count 3\n');
  });

  it("puts a bound into its own bucket and the next value into the next", () => {
    const cells = new Float64Array(REQUEST_BYTES.length + 2);
    const columns: HistogramColumns = { at: 0, bounds: Float64Array.from(REQUEST_BYTES) };
    for (const bound of REQUEST_BYTES) {
      observe(cells, 0, columns, bound);
      observe(cells, 0, columns, bound + 1);
    }
    expect([...cells.subarray(0, -1)]).toEqual([1, ...REQUEST_BYTES.slice(1).map(() => 2), 1]);
  });
});

describe("text", () => {
  it("label values and helps are escaped as prom-client does it", async () => {
    const registry = new Registry();
    const value = 'a "quoted" \\ name\nof two lines';
    const help = "A help\\of\ntwo lines.";
    new Counter({ name: "c_total", help, labelNames: ["a"], registers: [registry] }).inc({ a: value }, 3);
    const ours =
      familyHead({ name: "c_total", help, type: "counter" }) +
      sampleLine("c_total", new LabelText(["a"]).of([value]), 3);
    expect(ours).toBe(await registry.metrics());
  });

  it.each([
    [Number.POSITIVE_INFINITY, "+Inf"],
    [Number.NEGATIVE_INFINITY, "-Inf"],
    [Number.NaN, "NaN"],
    [0.25, "0.25"],
  ])("%s is written %s", (value, text) => {
    expect(sampleLine("g", "", value)).toBe(`g ${text}\n`);
  });
});
