/**
 * Pickers as kernels: they order candidates and write the positions of the first ones to CHOSEN. All chance comes from
 * the pick's seed.
 */
import { slotAt } from "./candidates";
import { draw, drawBelow, drawFraction, STREAM_SLOTS, STREAM_TIE } from "./draws";
import {
  CHOSEN,
  PICK_ORDER,
  PICK_TIE_COUNT,
  PICKER_MAX_SCORE,
  PICKER_RANDOM,
  PICKER_WEIGHTED_RANDOM,
  TARGETS_MAX,
  TOTALS,
  WORK,
} from "./layout";
import { naturalLog } from "./logarithm";
import { seedOf } from "./programs";

/** Orders below every place that a candidate can have, so that one that was taken is not taken again. */
const TAKEN: f64 = -Infinity;
/** Lowest place of a candidate with a positive total in weighted sampling, near the end of the numbers. */
const LAST_WEIGHTED: f64 = -1.7e308;
/** Place of those without: behind all others, in random order. */
const LAST: f64 = -1.75e308;

/** Chooses up to `targetsMax` of `count` ≥ 1 candidates, best first, and returns how many. */
export function choose(shard: usize, pick: usize, picker: u32, targetsMax: u32, count: u32): u32 {
  const seed = seedOf(pick);
  let order = shard + TOTALS;
  if (picker != PICKER_MAX_SCORE) {
    order = shard + PICK_ORDER;
    if (picker == PICKER_RANDOM) orderAtRandom(shard, seed, count);
    else if (picker == PICKER_WEIGHTED_RANDOM) orderByWeight(shard, seed, count);
    else unreachable();
  }
  const chosen = takeFirst(shard, order, seed, min<u32>(targetsMax, count), count, pick + PICK_TIE_COUNT);
  if (picker == PICKER_RANDOM) store<u32>(pick + PICK_TIE_COUNT, count);
  return chosen;
}

/** Every order is as likely. */
function orderAtRandom(shard: usize, seed: u64, count: u32): void {
  for (let position: u32 = 0; position < count; position++) {
    const place = <f64>(draw(seed, STREAM_SLOTS + <u64>slotAt(shard, position)) >> 11);
    store<f64>(shard + PICK_ORDER + ((<usize>position) << 3), place);
  }
}

/**
 * Weighted sampling without replacement by Efraimidis and Spirakis (A-Res, 2006): the keys U^(1 / total) order the
 * candidates. Their logarithms, ln U / total, are in the same order and do not run out of range. Without any positive
 * total all are equal, and the tie is drawn.
 */
function orderByWeight(shard: usize, seed: u64, count: u32): void {
  for (let position: u32 = 0; position < count; position++) {
    const total = load<f64>(shard + TOTALS + ((<usize>position) << 3));
    let place = LAST;
    if (total > 0) {
      const uniform = drawFraction(seed, STREAM_SLOTS + <u64>slotAt(shard, position));
      place = max<f64>(naturalLog(uniform) / total, LAST_WEIGHTED);
    }
    store<f64>(shard + PICK_ORDER + ((<usize>position) << 3), place);
  }
}

/**
 * Writes the positions of the `wanted` largest entries to CHOSEN, largest first; the column is as before afterwards.
 * Among equal ones each is as likely. How many share the first place goes to the u32 at `tieCount`.
 */
function takeFirst(shard: usize, order: usize, seed: u64, wanted: u32, count: u32, tieCount: usize): u32 {
  assert(wanted <= TARGETS_MAX);
  for (let i: u32 = 0; i < wanted; i++) {
    const ties: usize = i == 0 ? tieCount : shard + WORK + TARGETS_MAX * 8;
    const position = largest(order, count, seed + <u64>i, ties);
    const place = order + ((<usize>position) << 3);
    store<u16>(shard + CHOSEN + ((<usize>i) << 1), <u16>position);
    store<f64>(shard + WORK + ((<usize>i) << 3), load<f64>(place));
    store<f64>(place, TAKEN);
  }
  for (let i: u32 = 0; i < wanted; i++) {
    const position = <usize>load<u16>(shard + CHOSEN + ((<usize>i) << 1));
    store<f64>(order + (position << 3), load<f64>(shard + WORK + ((<usize>i) << 3)));
  }
  return wanted;
}

/** Position of the largest entry; among equal ones each is as likely, decided by the seed alone. */
function largest(order: usize, count: u32, seed: u64, tieCount: usize): u32 {
  let best: f64 = TAKEN;
  let ties: u32 = 0;
  let first: u32 = 0;
  for (let position: u32 = 0; position < count; position++) {
    const place = load<f64>(order + ((<usize>position) << 3));
    if (place > best) {
      best = place;
      ties = 1;
      first = position;
    } else if (place == best) {
      ties++;
    }
  }
  store<u32>(tieCount, ties);
  if (ties <= 1) return first;
  let skip = drawBelow(seed, STREAM_TIE, ties);
  for (let position = first; position < count; position++) {
    if (load<f64>(order + ((<usize>position) << 3)) != best) continue;
    if (skip == 0) return position;
    skip--;
  }
  return first;
}
