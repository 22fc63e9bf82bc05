import { describe, expect, it } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { randomUuid } from "../../../src/base/uuid.ts";

describe("random UUID", () => {
  it("has the form, version and variant of RFC 9562, and does not repeat, in 10,000 draws", () => {
    const seed = 20_261_129;
    const prng = new Prng(seed);
    const drawn = Array.from({ length: 10_000 }, () => randomUuid(prng));
    for (const uuid of drawn) {
      expect(uuid, `seed ${seed}`).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }
    expect(new Set(drawn).size).toBe(drawn.length);
  });

  it("every free digit takes every value", () => {
    const prng = new Prng(20_261_130);
    const seen = Array.from({ length: 36 }, () => new Set<string>());
    for (let draw = 0; draw < 2_000; draw++) {
      for (const [place, digit] of [...randomUuid(prng)].entries()) seen[place]?.add(digit);
    }
    const counts = seen.map(({ size }) => size);
    expect(counts).toEqual(
      counts.map((_, place) => {
        if ([8, 13, 18, 23, 14].includes(place)) return 1;
        return place === 19 ? 4 : 16;
      }),
    );
  });

  it("is a function of the generator's state", () => {
    expect(randomUuid(new Prng(7))).toBe(randomUuid(new Prng(7)));
  });
});
