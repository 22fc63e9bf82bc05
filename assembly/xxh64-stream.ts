/**
 * XXH64 of bytes that come in pieces, for content of which only the hash is kept. The state is 68 bytes at a place of
 * the caller's: the four lanes, the bytes of a stripe that is not whole yet, and the size so far.
 *
 *  0              32             64
 *  ├──────────────┼──────────────┼──────┤
 *  │ lanes u64[4] │ rest u8[32]  │ size │   bytes in rest: size % 32
 *  └──────────────┴──────────────┴──────┘
 */
import { HASH_STREAM_REST, HASH_STREAM_SIZE } from "./layout";
import { addTail, avalanche, mergeLanes, PRIME_1, PRIME_2, PRIME_5, round, STRIPE_SIZE } from "./xxh64";

export function beginHash(state: usize): void {
  store<u64>(state, PRIME_1 + PRIME_2);
  store<u64>(state, PRIME_2, 8);
  store<u64>(state, 0, 16);
  store<u64>(state, 0 - PRIME_1, 24);
  store<u32>(state, 0, HASH_STREAM_SIZE);
}

export function updateHash(state: usize, source: usize, size: usize): void {
  const before: usize = load<u32>(state, HASH_STREAM_SIZE);
  store<u32>(state, <u32>(before + size), HASH_STREAM_SIZE);
  const held = before & (STRIPE_SIZE - 1);
  const rest = state + HASH_STREAM_REST;
  if (held + size < STRIPE_SIZE) {
    memory.copy(rest + held, source, size);
    return;
  }
  const end = source + size;
  if (held > 0) {
    memory.copy(rest + held, source, STRIPE_SIZE - held);
    addStripes(state, rest, rest + STRIPE_SIZE);
    source += STRIPE_SIZE - held;
  }
  const stripesEnd = end - ((end - source) & (STRIPE_SIZE - 1));
  if (source < stripesEnd) addStripes(state, source, stripesEnd);
  memory.copy(rest, stripesEnd, end - stripesEnd);
}

/** The hash of all pieces. The state can be updated further. */
export function endHash(state: usize): u64 {
  const size: usize = load<u32>(state, HASH_STREAM_SIZE);
  let hash: u64 = PRIME_5;
  if (size >= STRIPE_SIZE) {
    hash = mergeLanes(load<u64>(state), load<u64>(state, 8), load<u64>(state, 16), load<u64>(state, 24));
  }
  const rest = state + HASH_STREAM_REST;
  return avalanche(addTail(hash + <u64>size, rest, rest + (size & (STRIPE_SIZE - 1))));
}

/** Takes whole stripes, at least one. */
function addStripes(state: usize, source: usize, end: usize): void {
  let lane1 = load<u64>(state);
  let lane2 = load<u64>(state, 8);
  let lane3 = load<u64>(state, 16);
  let lane4 = load<u64>(state, 24);
  do {
    lane1 = round(lane1, load<u64>(source));
    lane2 = round(lane2, load<u64>(source, 8));
    lane3 = round(lane3, load<u64>(source, 16));
    lane4 = round(lane4, load<u64>(source, 24));
    source += STRIPE_SIZE;
  } while (source < end);
  store<u64>(state, lane1);
  store<u64>(state, lane2, 8);
  store<u64>(state, lane3, 16);
  store<u64>(state, lane4, 24);
}
