import { describe, expect, it } from "vitest";
import { Prng, randomSeed } from "../../../src/base/prng.ts";
import { spliceBody } from "../../../src/extproc/splice.ts";
import { cutAtRandom } from "../../support/cuts.ts";

const ROUNDS = 5_000;
const seed = randomSeed();

describe("spliceBody", () => {
  it(`equals the splice of the joined body in ${ROUNDS} random cases (seed ${seed})`, () => {
    const prng = new Prng(seed);
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = Buffer.from(Array.from({ length: 1 + prng.nextBelow(40) }, () => 97 + prng.nextBelow(26)));
      const start = prng.nextBelow(bytes.length + 1);
      const end = start + prng.nextBelow(bytes.length - start + 1);
      const replacement = Buffer.from("NEW".slice(0, prng.nextBelow(4)));
      const expected = Buffer.concat([bytes.subarray(0, start), replacement, bytes.subarray(end)]).toString();
      const pieces = cutAtRandom(bytes, prng);
      expect(Buffer.concat(spliceBody(pieces, start, end, replacement)).toString(), `${start} … ${end}`).toBe(expected);
    }
  });
});
