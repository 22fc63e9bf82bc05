/**
 * XXH64 with seed 0, slow and obvious, for tests to compare with: straight from the specification
 * (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md), on BigInt, one step per line.
 */

const PRIME_1 = 0x9e3779b185ebca87n;
const PRIME_2 = 0xc2b2ae3d27d4eb4fn;
const PRIME_3 = 0x165667b19e3779f9n;
const PRIME_4 = 0x85ebca77c2b2ae63n;
const PRIME_5 = 0x27d4eb2f165667c5n;

const wrap = (value: bigint): bigint => BigInt.asUintN(64, value);
const rotateLeft = (value: bigint, bits: bigint): bigint => wrap((value << bits) | (value >> (64n - bits)));
const round = (accumulator: bigint, lane: bigint): bigint =>
  wrap(rotateLeft(wrap(accumulator + lane * PRIME_2), 31n) * PRIME_1);
const mergeAccumulator = (hash: bigint, accumulator: bigint): bigint =>
  wrap((hash ^ round(0n, accumulator)) * PRIME_1 + PRIME_4);

/** The hash as a number of 64 bits. */
export function xxh64(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let position = 0;
  let hash = PRIME_5;
  if (bytes.length >= 32) {
    const accumulators = [wrap(PRIME_1 + PRIME_2), PRIME_2, 0n, wrap(-PRIME_1)] as [bigint, bigint, bigint, bigint];
    for (; position + 32 <= bytes.length; position += 32) {
      for (const lane of [0, 1, 2, 3] as const) {
        accumulators[lane] = round(accumulators[lane], view.getBigUint64(position + lane * 8, true));
      }
    }
    const [first, second, third, fourth] = accumulators;
    hash = wrap(rotateLeft(first, 1n) + rotateLeft(second, 7n) + rotateLeft(third, 12n) + rotateLeft(fourth, 18n));
    for (const accumulator of accumulators) hash = mergeAccumulator(hash, accumulator);
  }
  hash = wrap(hash + BigInt(bytes.length));
  for (; position + 8 <= bytes.length; position += 8) {
    hash ^= round(0n, view.getBigUint64(position, true));
    hash = wrap(rotateLeft(hash, 27n) * PRIME_1 + PRIME_4);
  }
  if (position + 4 <= bytes.length) {
    hash ^= wrap(BigInt(view.getUint32(position, true)) * PRIME_1);
    hash = wrap(rotateLeft(hash, 23n) * PRIME_2 + PRIME_3);
    position += 4;
  }
  for (; position < bytes.length; position++) {
    hash ^= wrap(BigInt(view.getUint8(position)) * PRIME_5);
    hash = wrap(rotateLeft(hash, 11n) * PRIME_1);
  }
  hash = wrap((hash ^ (hash >> 33n)) * PRIME_2);
  hash = wrap((hash ^ (hash >> 29n)) * PRIME_3);
  return hash ^ (hash >> 32n);
}

/** Ids of all blocks of a part: every whole block, and the partial one at the end. */
export function blockIds(bytes: Uint8Array, blockSize: number): bigint[] {
  const ids: bigint[] = [];
  for (let start = 0; start < bytes.length; start += blockSize)
    ids.push(xxh64(bytes.subarray(start, start + blockSize)));
  return ids;
}
