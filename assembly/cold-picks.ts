/**
 * Spreads prompts that nobody holds: the endpoint that got none for longest comes first. The order is common to all
 * shards: each cold pick takes the next number and leaves it with its endpoint. A shard keeps the slots sorted by those
 * numbers from one pick to the next; few change meanwhile, so sorting again takes one pass.
 *
 *   COLD_ORDER: │ never picked cold (number 0) │ least recently │ … │ most recently │     a permutation of the slots
 *
 * Endpoints that have left their slot are no part of the order.
 */
import { hasBit, slotAt } from "./candidates";
import { drawBelow, STREAM_SHUFFLE } from "./draws";
import {
  COLD_NUMBERS,
  COLD_ORDER,
  COLD_ORDER_COUNT,
  COLD_PICK_NUMBERS,
  COLD_PICKS,
  COLD_RANKS,
  DEPTHS,
  ENDPOINTS_MAX,
  PICK_BLOCK_COUNT,
  SNAPSHOT_PRESENT,
  SNAPSHOT_SLOT_COUNT,
  WORK,
} from "./layout";
import { parameter, seedOf } from "./programs";
import { fillColumn } from "./score-columns";

/** Rank of a slot that was never picked cold, or so long ago that the order has forgotten it. */
const NO_RANK: u32 = 0xffff;

/** True when no candidate holds any of the prompt. */
export function isCold(shard: usize, pick: usize, count: u32): bool {
  if (load<u32>(pick + PICK_BLOCK_COUNT) == 0) return true;
  for (let position: u32 = 0; position < count; position++) {
    if (load<u16>(shard + DEPTHS + ((<usize>slotAt(shard, position)) << 1)) > 0) return false;
  }
  return true;
}

/** Makes the slot the most recent one. */
export function noteColdPick(slot: u32): void {
  const number = atomic.add<u64>(COLD_PICKS, 1) + 1;
  atomic.store<u64>(((<usize>slot) << 3) + COLD_PICK_NUMBERS, number);
}

/**
 * 0.5 for all when a candidate holds some of the prompt. Otherwise 1 − i / (N − 1): first the endpoints that were never
 * picked cold, in random order, then the others by how long ago; not below 0. Parameter 0: how many the order
 * remembers, 0 for all.
 */
export function scoreNoHitLru(shard: usize, pick: usize, scorer: usize, count: u32, scores: usize): void {
  if (!isCold(shard, pick, count)) {
    fillColumn(scores, count, 0.5);
    return;
  }
  if (count == 1) {
    store<f64>(scores, 1);
    return;
  }
  rankSlots(shard, <u32>parameter(scorer, 0));
  const fresh = listUnranked(shard, count);
  shuffle(shard, fresh, seedOf(pick));
  const last = <f64>(count - 1);
  for (let position: u32 = 0; position < count; position++) {
    const rank = <u32>load<u16>(shard + COLD_RANKS + ((<usize>slotAt(shard, position)) << 1));
    if (rank == NO_RANK) continue;
    store<f64>(scores + ((<usize>position) << 3), max<f64>(0, 1 - <f64>(fresh + rank) / last));
  }
  for (let i: u32 = 0; i < fresh; i++) {
    const position: usize = load<u16>(unranked(shard, i));
    store<f64>(scores + (position << 3), 1 - <f64>i / last);
  }
}

/** Ranks the endpoints that were picked cold, 0 for the least recent, or the `remembered` most recent of them. */
function rankSlots(shard: usize, remembered: u32): void {
  const slotCount = load<u32>(shard + SNAPSHOT_SLOT_COUNT);
  memory.copy(shard + COLD_NUMBERS, COLD_PICK_NUMBERS, (<usize>slotCount) << 3);
  sortOrder(shard, slotCount);
  let used: u32 = 0;
  for (let i: u32 = 0; i < slotCount; i++) used += <u32>isRanked(shard, orderAt(shard, i));
  const forgotten: u32 = remembered > 0 && used > remembered ? used - remembered : 0;
  let rank: u32 = 0;
  for (let i: u32 = 0; i < slotCount; i++) {
    const slot = orderAt(shard, i);
    let own = NO_RANK;
    if (isRanked(shard, slot)) {
      if (rank >= forgotten) own = rank - forgotten;
      rank++;
    }
    store<u16>(shard + COLD_RANKS + ((<usize>slot) << 1), <u16>own);
  }
}

function isRanked(shard: usize, slot: u32): bool {
  return numberOf(shard, slot) != 0 && hasBit(shard + SNAPSHOT_PRESENT, slot);
}

/** Insertion sort, which is linear while the order is nearly right. Slots that are new to it come behind. */
function sortOrder(shard: usize, slotCount: u32): void {
  let sorted = load<u32>(shard + COLD_ORDER_COUNT);
  for (; sorted < slotCount; sorted++) putOrder(shard, sorted, sorted);
  store<u32>(shard + COLD_ORDER_COUNT, sorted);
  for (let i: u32 = 1; i < slotCount; i++) {
    const slot = orderAt(shard, i);
    const number = numberOf(shard, slot);
    let at = i;
    while (at > 0 && numberOf(shard, orderAt(shard, at - 1)) > number) {
      putOrder(shard, at, orderAt(shard, at - 1));
      at--;
    }
    if (at < i) putOrder(shard, at, slot);
  }
}

/** Lists the positions of candidates without a rank. */
function listUnranked(shard: usize, count: u32): u32 {
  let listed: u32 = 0;
  for (let position: u32 = 0; position < count; position++) {
    if (load<u16>(shard + COLD_RANKS + ((<usize>slotAt(shard, position)) << 1)) != <u16>NO_RANK) continue;
    store<u16>(unranked(shard, listed++), <u16>position);
  }
  return listed;
}

/** Fisher and Yates's shuffle. */
function shuffle(shard: usize, count: u32, seed: u64): void {
  for (let i = count; i > 1; i--) {
    const other = unranked(shard, drawBelow(seed, STREAM_SHUFFLE + <u64>i, i));
    const last = unranked(shard, i - 1);
    const position = load<u16>(other);
    store<u16>(other, load<u16>(last));
    store<u16>(last, position);
  }
}

function unranked(shard: usize, index: u32): usize {
  return shard + WORK + ((<usize>index) << 1);
}

function numberOf(shard: usize, slot: u32): u64 {
  return load<u64>(shard + COLD_NUMBERS + ((<usize>slot) << 3));
}

function orderAt(shard: usize, index: u32): u32 {
  assert(index < ENDPOINTS_MAX);
  return load<u16>(shard + COLD_ORDER + ((<usize>index) << 1));
}

function putOrder(shard: usize, index: u32, slot: u32): void {
  store<u16>(shard + COLD_ORDER + ((<usize>index) << 1), <u16>slot);
}
