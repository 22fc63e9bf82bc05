import { describe, expect, it } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { appendPiece } from "../../../src/extproc/body.ts";

function append(pieces: readonly Buffer[]): Buffer[] {
  const held: Buffer[] = [];
  for (const piece of pieces) appendPiece(held, piece);
  return held;
}

describe("appendPiece", () => {
  it("keeps pieces of the size that proxies send as they are", () => {
    const pieces = [Buffer.alloc(16_384, 1), Buffer.alloc(1_024, 2), Buffer.alloc(16_384, 3), Buffer.alloc(5, 4)];
    const held = append(pieces);
    expect(held).toHaveLength(pieces.length);
    for (const [index, piece] of pieces.entries()) expect(held[index]).toBe(piece);
  });

  it("keeps the only piece, which may be empty", () => {
    const [small, empty] = [Buffer.from("{}"), Buffer.alloc(0)];
    expect(append([small])[0]).toBe(small);
    expect(append([empty])[0]).toBe(empty);
  });

  it("keeps no empty piece beside others", () => {
    const piece = Buffer.alloc(2_000);
    const held = append([piece, ...Array.from({ length: 1_000 }, () => Buffer.alloc(0))]);
    expect(held).toEqual([piece]);
  });

  it("keeps 100,000 pieces of one byte in 98 of 1,024", () => {
    const held = append(Array.from({ length: 100_000 }, (_, index) => Buffer.from([index & 255])));
    expect(held).toHaveLength(98);
    const expected = Buffer.from(Uint8Array.from({ length: 100_000 }, (_, index) => index & 255));
    expect(Buffer.concat(held).equals(expected)).toBe(true);
  });

  const CASES_COUNT = 500;
  const SEED = 3;

  // Strategy: up to 60 pieces of up to 3,000 bytes, most of them tiny. Invariants: the bytes are those that came, and
  // two pieces in a row have more than 1,024 bytes together.
  it(`loses no byte, and keeps few pieces (${CASES_COUNT} cases, seed ${SEED})`, () => {
    const prng = new Prng(SEED);
    for (let index = 0; index < CASES_COUNT; index++) {
      const pieces = Array.from({ length: prng.nextBelow(60) }, () => {
        const size = prng.nextBelow(4) === 0 ? prng.nextBelow(3_000) : prng.nextBelow(8);
        return Buffer.alloc(size, prng.nextBelow(256));
      });
      const held = append(pieces);
      const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
      expect(Buffer.concat(held).equals(Buffer.concat(pieces)), `case ${index}`).toBe(true);
      expect(held.length, `case ${index}`).toBeLessThanOrEqual(2 * (size / 1_024) + 1);
    }
  });
});
