import { describe, expect, test } from "vitest";
import { Prng, randomSeed } from "../../../src/base/prng.ts";

const SEED = 20_261_103;

describe("the generator", () => {
  // Published with the tests of the Rust crate rand_xoshiro: made with the authors' xoshiro128starstar.c 1.1, state 1,
  // 2, 3, 4.
  test("gives the numbers of the authors' implementation", () => {
    const prng = new Prng(0, [1, 2, 3, 4]);
    const expected = [
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ];
    expect(expected.map(() => prng.nextU32())).toEqual(expected);
  });

  test("repeats from its seed and differs from its neighbour's", () => {
    expect(draw(new Prng(SEED), 100)).toEqual(draw(new Prng(SEED), 100));
    expect(draw(new Prng(SEED), 4)).not.toEqual(draw(new Prng(SEED + 1), 4));
  });

  test("draws something from seed 0", () => {
    expect(new Set(draw(new Prng(0), 100)).size).toBe(100);
  });

  test.each([-1, 0.5, 2 ** 32, Number.NaN])("refuses %d as a seed", (seed) => {
    expect(() => new Prng(seed)).toThrow("is not a u32");
  });

  test("refuses a state of zeros", () => {
    expect(() => new Prng(1, [0, 0, 0, 0])).toThrow("zeros");
  });
});

describe("fractions", () => {
  test("lie in [0, 1) and fill ten bins evenly", () => {
    const prng = new Prng(SEED);
    const fractions = Array.from({ length: 100_000 }, () => prng.nextFraction());
    expect(fractions.filter((fraction) => !(fraction >= 0 && fraction < 1))).toEqual([]);
    const bins = new Array<number>(10).fill(0);
    for (const fraction of fractions) bins[Math.floor(fraction * 10)]! += 1;
    expectEven(bins, 10_000);
  });

  test("use 53 bits", () => {
    const prng = new Prng(SEED);
    const fractions = Array.from({ length: 100 }, () => prng.nextFraction() * 2 ** 53);
    expect(fractions.every(Number.isInteger)).toBe(true);
    expect(fractions.some((fraction) => fraction % 2 === 1)).toBe(true);
  });
});

describe("integers below a count", () => {
  test.each([1, 2, 3, 7, 1000])("are even over 0 … %d − 1", (count) => {
    const prng = new Prng(SEED);
    const bins = new Array<number>(count).fill(0);
    for (let index = 0; index < 1000 * count; index++) bins[prng.nextBelow(count)]! += 1;
    expectEven(bins, 1000);
  });

  // With count 3 · 2^30 a plain remainder would give the lowest third twice as often as the others.
  test("have no bias towards low numbers when the count does not divide 2^32", () => {
    const prng = new Prng(SEED);
    const thirds = [0, 0, 0];
    for (let index = 0; index < 30_000; index++) thirds[Math.floor(prng.nextBelow(3 * 2 ** 30) / 2 ** 30)]! += 1;
    expectEven(thirds, 10_000);
  });

  test.each([0, -1, 1.5, 2 ** 32 + 1, Number.NaN])("refuse count %d", (count) => {
    expect(() => new Prng(SEED).nextBelow(count)).toThrow("count");
  });
});

describe("forks", () => {
  test("depend on seed and label, not on what was drawn", () => {
    const prng = new Prng(SEED);
    const before = draw(prng.fork("arrivals"), 20);
    prng.nextU32();
    expect(draw(prng.fork("arrivals"), 20)).toEqual(before);
    expect(draw(prng.fork("lengths"), 20)).not.toEqual(before);
    expect(draw(new Prng(SEED + 1).fork("arrivals"), 20)).not.toEqual(before);
    expect(draw(prng.fork("arrivals").fork("lengths"), 20)).not.toEqual(draw(prng.fork("lengths"), 20));
  });
});

test("random seeds are u32s and differ", () => {
  const seeds = Array.from({ length: 8 }, randomSeed);
  expect(new Set(seeds).size).toBeGreaterThan(1);
  for (const seed of seeds) expect(() => new Prng(seed)).not.toThrow();
});

function draw(prng: Prng, count: number): number[] {
  return Array.from({ length: count }, () => prng.nextU32());
}

/** Each bin lies within five standard deviations of what an even spread gives. */
function expectEven(bins: readonly number[], expectedPerBin: number): void {
  for (const [bin, count] of bins.entries()) {
    expect(Math.abs(count - expectedPerBin), `bin ${bin}, seed ${SEED}`).toBeLessThanOrEqual(
      5 * Math.sqrt(expectedPerBin),
    );
  }
}
