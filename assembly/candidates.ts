/**
 * The candidates of one pick: a list of slots in rising order, which filters shorten in place, and the columns that
 * have one entry per position in it. As slots rise, a list without gaps is known by its ends; columns are then copied
 * in one run.
 */
import {
  CANDIDATE_MASK,
  CANDIDATE_SLOTS,
  MASK_SIZE,
  MASK_WORDS,
  PICK_FLAGS,
  PICK_HAS_MASK,
  PICK_LOOKS,
  PICK_MASK,
  SHARD_COUNTER_ALL_UNREACHABLE,
  SNAPSHOT_PRESENT,
  SNAPSHOT_REACHABLE,
} from "./layout";
import { addCounter } from "./memory";

/** Slot of the candidate at a position. */
export function slotAt(shard: usize, position: u32): u32 {
  return load<u16>(shard + CANDIDATE_SLOTS + ((<usize>position) << 1));
}

/** Makes `slot` the candidate at a position; for filters, which move those they keep to the front. */
export function putSlot(shard: usize, position: u32, slot: u32): void {
  store<u16>(shard + CANDIDATE_SLOTS + ((<usize>position) << 1), <u16>slot);
}

/**
 * Lists the candidates' slots and returns their count: the reachable endpoints among those the request may use, or,
 * when none of them is reachable, all it may use, since a server that cannot be scraped may still serve.
 */
export function listCandidates(shard: usize, pick: usize): u32 {
  const hasMask = (load<u32>(pick + PICK_FLAGS) & PICK_HAS_MASK) != 0;
  let anyAllowed: u64 = 0;
  let anyReachable: u64 = 0;
  for (let at: usize = 0; at < MASK_SIZE; at += 8) {
    let allowed = load<u64>(shard + at + SNAPSHOT_PRESENT);
    if (hasMask) allowed &= load<u64>(pick + at + PICK_MASK);
    store<u64>(shard + at + CANDIDATE_MASK, allowed);
    anyAllowed |= allowed;
    anyReachable |= allowed & load<u64>(shard + at + SNAPSHOT_REACHABLE);
  }
  const counts = (load<u32>(pick + PICK_FLAGS) & PICK_LOOKS) == 0;
  if (counts && anyAllowed != 0 && anyReachable == 0) addCounter(shard, SHARD_COUNTER_ALL_UNREACHABLE, 1);
  let count: u32 = 0;
  for (let word: u32 = 0; word < MASK_WORDS; word++) {
    const at = shard + ((<usize>word) << 3);
    let mask = load<u64>(at + CANDIDATE_MASK);
    if (anyReachable != 0) mask &= load<u64>(at + SNAPSHOT_REACHABLE);
    store<u64>(at + CANDIDATE_MASK, mask);
    if (mask == 0xffffffffffffffff) {
      listWord(shard, word << 6, count);
      count += 64;
      continue;
    }
    while (mask != 0) {
      putSlot(shard, count, (word << 6) + <u32>ctz(mask));
      count++;
      mask &= mask - 1;
    }
  }
  return count;
}

/** Lists 64 slots from `first` on, eight at a time. */
function listWord(shard: usize, first: u32, position: u32): void {
  const from = shard + CANDIDATE_SLOTS + ((<usize>position) << 1);
  let slots = i16x8.add(i16x8.splat(<i16>first), i16x8(0, 1, 2, 3, 4, 5, 6, 7));
  for (let at: usize = 0; at < 128; at += 16) {
    v128.store(from + at, slots);
    slots = i16x8.add(slots, i16x8.splat(8));
  }
}

/** True when the listed slots have no gaps. */
function isOneRun(shard: usize, count: u32): bool {
  return slotAt(shard, count - 1) - slotAt(shard, 0) == count - 1;
}

/** Copies a f32 column by slot to a f64 column by position; `count` is positive. */
export function gatherF32(shard: usize, count: u32, bySlot: usize, byPosition: usize): void {
  if (isOneRun(shard, count)) {
    const from = bySlot + ((<usize>slotAt(shard, 0)) << 2);
    for (let position: usize = 0; position < <usize>count; position += 2) {
      const values = f64x2.promote_low_f32x4(v128.load64_zero(from + (position << 2)));
      v128.store(byPosition + (position << 3), values);
    }
    return;
  }
  for (let position: u32 = 0; position < count; position++) {
    const value = <f64>load<f32>(bySlot + ((<usize>slotAt(shard, position)) << 2));
    store<f64>(byPosition + ((<usize>position) << 3), value);
  }
}

/** Copies a u32 column by slot to a f64 column by position; `count` is positive. */
export function gatherU32(shard: usize, count: u32, bySlot: usize, byPosition: usize): void {
  if (isOneRun(shard, count)) {
    const from = bySlot + ((<usize>slotAt(shard, 0)) << 2);
    for (let position: usize = 0; position < <usize>count; position += 2) {
      const values = f64x2.convert_low_i32x4_u(v128.load64_zero(from + (position << 2)));
      v128.store(byPosition + (position << 3), values);
    }
    return;
  }
  for (let position: u32 = 0; position < count; position++) {
    const value = <f64>load<u32>(bySlot + ((<usize>slotAt(shard, position)) << 2));
    store<f64>(byPosition + ((<usize>position) << 3), value);
  }
}

/** Adds what is positive of an i32 column by slot to a f64 column by position; `count` is positive. */
export function addPositiveI32(shard: usize, count: u32, bySlot: usize, byPosition: usize): void {
  if (isOneRun(shard, count)) {
    const from = bySlot + ((<usize>slotAt(shard, 0)) << 2);
    for (let position: usize = 0; position < <usize>count; position += 2) {
      const positive = i32x4.max_s(v128.load64_zero(from + (position << 2)), i32x4.splat(0));
      const at = byPosition + (position << 3);
      v128.store(at, f64x2.add(v128.load(at), f64x2.convert_low_i32x4_s(positive)));
    }
    return;
  }
  for (let position: u32 = 0; position < count; position++) {
    const surplus = load<i32>(bySlot + ((<usize>slotAt(shard, position)) << 2));
    const at = byPosition + ((<usize>position) << 3);
    if (surplus > 0) store<f64>(at, load<f64>(at) + <f64>surplus);
  }
}

/** True when the bit of a slot is set in an endpoint mask. */
export function hasBit(mask: usize, slot: u32): bool {
  return ((load<u64>(mask + ((<usize>(slot >> 6)) << 3)) >> (slot & 63)) & 1) != 0;
}
