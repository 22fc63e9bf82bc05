/**
 * XXH64 with seed 0 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md), the one hash of block ids,
 * chained keys and names. Four lanes each take 8 bytes of a 32-byte stripe; they are merged, the tail is added, the
 * bits are mixed. Scalar on purpose: WebAssembly's SIMD has no 64-bit multiply that beats four scalar lanes.
 */

export const PRIME_1: u64 = 0x9e3779b185ebca87;
export const PRIME_2: u64 = 0xc2b2ae3d27d4eb4f;
const PRIME_3: u64 = 0x165667b19e3779f9;
const PRIME_4: u64 = 0x85ebca77c2b2ae63;
export const PRIME_5: u64 = 0x27d4eb2f165667c5;
export const STRIPE_SIZE: usize = 32;

/** XXH64 of any number of bytes. */
export function xxh64(source: usize, size: usize): u64 {
  const end = source + size;
  const stripesEnd = source + (size & ~(STRIPE_SIZE - 1));
  let hash: u64 = PRIME_5;
  if (size >= STRIPE_SIZE) hash = hashStripes(source, stripesEnd);
  return avalanche(addTail(hash + <u64>size, stripesEnd, end));
}

/** XXH64 of a multiple of 32 bytes, at least 32: no tail to add. */
export function xxh64Stripes(source: usize, size: usize): u64 {
  return avalanche(hashStripes(source, source + size) + <u64>size);
}

/** The key of a block in its chain: XXH64(LE64(id) ‖ LE64(previous)). */
export function chainKey(id: u64, previous: u64): u64 {
  return avalanche(addLane(addLane(PRIME_5 + 16, id), previous));
}

/** The four lanes over all stripes, merged. */
function hashStripes(source: usize, end: usize): u64 {
  let lane1 = PRIME_1 + PRIME_2;
  let lane2 = PRIME_2;
  let lane3: u64 = 0;
  let lane4: u64 = 0 - PRIME_1;
  do {
    lane1 = round(lane1, load<u64>(source));
    lane2 = round(lane2, load<u64>(source, 8));
    lane3 = round(lane3, load<u64>(source, 16));
    lane4 = round(lane4, load<u64>(source, 24));
    source += STRIPE_SIZE;
  } while (source < end);
  return inline.always(mergeLanes(lane1, lane2, lane3, lane4));
}

/** What the four lanes come to once the last stripe is in. */
export function mergeLanes(lane1: u64, lane2: u64, lane3: u64, lane4: u64): u64 {
  let hash = rotl<u64>(lane1, 1) + rotl<u64>(lane2, 7) + rotl<u64>(lane3, 12) + rotl<u64>(lane4, 18);
  hash = mergeLane(hash, lane1);
  hash = mergeLane(hash, lane2);
  hash = mergeLane(hash, lane3);
  return mergeLane(hash, lane4);
}

/** The last 0 to 31 bytes: by 8, then at most one 4, then single ones. */
export function addTail(hash: u64, source: usize, end: usize): u64 {
  while (source + 8 <= end) {
    hash = addLane(hash, load<u64>(source));
    source += 8;
  }
  if (source + 4 <= end) {
    hash = rotl<u64>(hash ^ (<u64>load<u32>(source) * PRIME_1), 23) * PRIME_2 + PRIME_3;
    source += 4;
  }
  while (source < end) {
    hash = rotl<u64>(hash ^ (<u64>load<u8>(source) * PRIME_5), 11) * PRIME_1;
    source++;
  }
  return hash;
}

export function round(lane: u64, input: u64): u64 {
  return rotl<u64>(lane + input * PRIME_2, 31) * PRIME_1;
}

function mergeLane(hash: u64, lane: u64): u64 {
  return (hash ^ round(0, lane)) * PRIME_1 + PRIME_4;
}

function addLane(hash: u64, input: u64): u64 {
  return rotl<u64>(hash ^ round(0, input), 27) * PRIME_1 + PRIME_4;
}

/** Makes every input bit reach every output bit. */
export function avalanche(hash: u64): u64 {
  hash = (hash ^ (hash >> 33)) * PRIME_2;
  hash = (hash ^ (hash >> 29)) * PRIME_3;
  return hash ^ (hash >> 32);
}
