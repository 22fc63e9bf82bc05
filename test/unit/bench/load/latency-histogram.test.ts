import { describe, expect, it } from "vitest";
import { LatencyHistogram } from "../../../../bench/load/latency-histogram.ts";
import { Prng } from "../../../../src/base/prng.ts";

const SEED = 20_261_120;
/** A bucket is a 64th of its value wide; below 12.8 µs values are exact to 0.1 µs. */
const RELATIVE_ERROR_MAX = 1 / 64;
const ABSOLUTE_ERROR_MAX_MS = 0.0001;

/** Log-uniform from 1 µs to 10 s. */
function samples(count: number): number[] {
  const prng = new Prng(SEED);
  return Array.from({ length: count }, () => 0.001 * 10 ** (7 * prng.nextFraction()));
}

function histogramOf(values: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const value of values) histogram.add(value);
  return histogram;
}

describe("a latency histogram", () => {
  it.each([0, 0.5, 0.9, 0.99, 0.999])(`gives quantile %d of sorted samples (seed ${SEED})`, (fraction) => {
    const values = samples(5_000);
    const exact = values.toSorted((a, b) => a - b)[Math.floor(values.length * fraction)] ?? Number.NaN;
    const error = Math.abs(histogramOf(values).quantileMs(fraction) - exact);
    expect(error).toBeLessThan(exact * RELATIVE_ERROR_MAX + ABSOLUTE_ERROR_MAX_MS);
  });

  it("keeps the maximum exactly, and no quantile lies above it", () => {
    const histogram = histogramOf([1, 2, 7.654_321]);
    expect(histogram.summary()).toMatchObject({ samples: 3, maxMs: 7.654_321 });
    expect(histogram.quantileMs(1)).toBeLessThanOrEqual(7.654_321);
  });

  it("merged from parts is that of all samples", () => {
    const values = samples(1_000);
    const merged = new LatencyHistogram();
    for (const part of [values.slice(0, 300), values.slice(300)]) merged.merge(histogramOf(part).state());
    expect(merged.summary()).toEqual(histogramOf(values).summary());
  });

  it("takes what is out of range as the nearest value, and nothing as 0", () => {
    expect(new LatencyHistogram().summary()).toMatchObject({ samples: 0, p50Ms: 0, maxMs: 0 });
    const histogram = histogramOf([-1, 1e9]);
    expect(histogram.quantileMs(0)).toBe(0);
    expect(histogram.quantileMs(1)).toBeGreaterThan(200_000);
  });
});
