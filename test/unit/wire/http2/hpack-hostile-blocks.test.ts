import { expect, it } from "vitest";
import { Prng } from "../../../../src/base/prng.ts";
import { HpackDecoder, HpackError } from "../../../../src/wire/http2/hpack-decoder.ts";
import { encodeHeaders, encodeInteger, encodeText } from "../../../../src/wire/http2/hpack-encoder.ts";
import { type Field, tableOf, tableSize } from "../../../support/header-blocks.ts";
import { randomFields } from "../../../support/random-header-fields.ts";

const SEED = 20_261_122;
const BLOCKS = 20_000;
const TABLE_SIZE_MAX = 512;
const LIST_SIZE_MAX = 1000;

/**
 * Strategy: valid blocks of every representation, then bits flipped, cut, joined, or replaced by random bytes; one
 * decoder for 8 of them or so. Invariants: a block decodes or throws HpackError; what is visited is within the
 * list's maximum, and the table within its own.
 */
it(`${BLOCKS} hostile blocks decode or are HpackErrors, and never exceed a maximum`, () => {
  const prng = new Prng(SEED);
  let decoder = newDecoder();
  const seen = { decoded: 0, tooLarge: 0, broken: 0 };
  for (let run = 0; run < BLOCKS; run++) {
    const block = hostileBlock(prng);
    const visited: Field[] = [];
    const name = `seed ${SEED}, run ${run}: ${block.toString("hex")}`;
    try {
      const isWithinSize = decoder.decode(block, 0, block.length, (...field) => visited.push(field));
      seen[isWithinSize ? "decoded" : "tooLarge"]++;
    } catch (error) {
      expect(error, name).toBeInstanceOf(HpackError);
      seen.broken++;
    }
    expect(tableSize(visited), name).toBeLessThanOrEqual(LIST_SIZE_MAX);
    if (prng.nextBelow(8) > 0) continue;
    expect(tableSize(tableOf(decoder)), name).toBeLessThanOrEqual(TABLE_SIZE_MAX);
    decoder = newDecoder();
  }
  // Each way out was taken often enough to mean something.
  expect(Object.values(seen).reduce((sum, count) => sum + count)).toBe(BLOCKS);
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(BLOCKS / 100);
});

function newDecoder(): HpackDecoder {
  return new HpackDecoder({ tableSizeMax: TABLE_SIZE_MAX, listSizeMax: LIST_SIZE_MAX });
}

function hostileBlock(prng: Prng): Buffer {
  const block = validBlock(prng);
  switch (prng.nextBelow(6)) {
    case 0:
      return block;
    case 1:
      return block.subarray(0, prng.nextBelow(block.length + 1));
    case 2:
      return randomBytes(prng, prng.nextBelow(200));
    case 3:
      return Buffer.concat([block, validBlock(prng), validBlock(prng)]);
    case 4: {
      const at = prng.nextBelow(block.length + 1);
      return Buffer.concat([block.subarray(0, at), randomBytes(prng, 1 + prng.nextBelow(6)), block.subarray(at)]);
    }
    default:
      for (let flips = 1 + prng.nextBelow(4); flips > 0 && block.length > 0; flips--) {
        const at = prng.nextBelow(block.length);
        block[at] = (block[at] as number) ^ (1 << prng.nextBelow(8));
      }
      return block;
  }
}

/** Valid while the table holds what its indexes name. */
function validBlock(prng: Prng): Buffer {
  const pieces: Buffer[] = prng.nextBelow(4) === 0 ? [encodeInteger(0x20, 5, prng.nextBelow(TABLE_SIZE_MAX + 1))] : [];
  for (const field of randomFields(prng)) {
    const [name, value] = field;
    const kind = prng.nextBelow(5);
    if (kind === 0) pieces.push(encodeHeaders([field]));
    else if (kind === 1) pieces.push(encodeInteger(0x80, 7, 1 + prng.nextBelow(64)));
    // Zeros are whole Huffman codes when there are 5 of them.
    else if (kind === 2) pieces.push(Buffer.from([0x40]), encodeText(name), Buffer.from([0x85, 0, 0, 0, 0, 0]));
    else if (kind === 3) pieces.push(Buffer.from([0x10]), encodeText(name), encodeText(value));
    else pieces.push(encodeInteger(0x40, 6, 1 + prng.nextBelow(62)), encodeText(value));
  }
  return Buffer.concat(pieces);
}

function randomBytes(prng: Prng, size: number): Buffer {
  return Buffer.from(Array.from({ length: size }, () => prng.nextBelow(256)));
}
