import { expect, it } from "vitest";
import { trendOf } from "../../../../bench/day/trend.ts";

function samples(of: (index: number) => number): number[] {
  return Array.from({ length: 40 }, (_, index) => of(index));
}

it.each([
  ["that stays the same", () => 100],
  ["that fills up in the first tenth", (index: number) => Math.min(100, 25 * (index + 1))],
  ["that goes up and down", (index: number) => 100 + (index % 3)],
  ["that shrinks", (index: number) => 200 - index],
])("a quantity %s does not grow", (_what, of) => {
  expect(trendOf(samples(of), 0)).toMatchObject({ grows: false });
});

it("one that has grown by more than a twentieth since the second tenth grows", () => {
  expect(
    trendOf(
      samples((index) => 100 + index / 5),
      0,
    ),
  ).toMatchObject({ grows: true });
  expect(
    trendOf(
      samples((index) => 100 + index / 10),
      0,
    ),
  ).toMatchObject({ grows: false });
});

it("a difference within the slack is no growth, however small the quantity is", () => {
  const oneMore = samples((index) => (index < 20 ? 2 : 3));
  expect(trendOf(oneMore, 1)).toEqual({ second: 2, last: 3, ratio: 1.5, grows: false });
  expect(trendOf(oneMore, 0.5)).toMatchObject({ grows: true });
});
