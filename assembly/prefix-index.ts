/**
 * Look-up in the prefix index: for each candidate endpoint, how many leading keys of a prompt it holds. Readers run on
 * every shard without locks while the one writer (`prefix-index-writer.ts`) changes the table under them; what a race
 * can do is under-report for an instant, never invent a holder (M5 … M8).
 *
 * What an endpoint holds is prefix-closed (M11), so a look-up may jump: it probes every STRIDE-th key and bisects only
 * where an endpoint is lost between two probes. No key is probed twice, so at its worst (every endpoint lost elsewhere)
 * it costs what the linear walk costs, and there is no need to fall back to that.
 *
 *   keys    0 · · · · · · · 128 · · · · · · 256 · · · · · · 384
 *   probes  A B C           A B              A               A      C is lost in (0, 128], B in (128, 256]: bisect both
 */
import { INDEX_SETS, INDEX_SLOT_SIZE, INDEX_WINDOW_SLOTS, MASK_SIZE, REF_SET } from "./layout";
import { keyTable, keyTableMask, keyTableVersions } from "./memory";

export { overlayMatch, readBegin, readEnd, ringDoorbell, ringPush } from "./ring";

/**
 * Keys between two probes of the jump search. 128: knee of `bench/micro/prefix-index`, which is flat from 64 to 256.
 */
const STRIDE: u32 = 128;
/** How often a probe starts again because the writer moved keys meanwhile; then the key counts as absent. */
const PROBE_ATTEMPTS_MAX: u32 = 8;

// Scratch of a match, at most 2 KiB:
//  0      4        8          128        256
//  ├──────┼────────┼──────────┼──────────┼──────┬──────┬─────┐   masks: the endpoints in play; then those just
//  │ keys │ depths │ maskSize │ present  │ lost │ kept │ …   │   lost, and one mask per level of their bisection, of
//  └──────┴────────┴──────────┴──────────┴──────┴──────┴─────┘   which there are at most log2(STRIDE) + 1
const MATCH_KEYS: usize = 0;
const MATCH_DEPTHS: usize = 4;
const MATCH_MASK_SIZE: usize = 8;
const MATCH_PRESENT: usize = 128;
const MATCH_LOST: usize = 256;

/** Results of `splitMask`, as bits. */
const KEPT: u32 = 1;
const LOST: u32 = 2;

/**
 * Writes to `depths` (u16 per slot) how many of keys[0 … keyCount) each candidate leads with: d when it holds the first
 * d and not the next. Keys are u64; `candidates` is an endpoint mask, whose zero words at the end cost nothing: only
 * depths of the slots before them are written, and are 0 for slots that are no candidates. Call between `readBegin` and
 * `readEnd`.
 */
export function matchKeys(keys: usize, keyCount: u32, candidates: usize, depths: usize, scratch: usize): void {
  if (!beginMatch(keys, keyCount, candidates, depths, scratch)) return;
  const present = scratch + MATCH_PRESENT;
  const lost = scratch + MATCH_LOST;
  const size: usize = load<u32>(scratch + MATCH_MASK_SIZE);
  let held: u32 = 0;
  let heldRef: u32 = 0;
  let next: u32 = 0;
  while (true) {
    const ref = findRef(load<u64>(keys + ((<usize>next) << 3)));
    if (ref != heldRef || ref == 0) {
      const outcome = splitMask(ref, present, present, lost, size);
      if (outcome & LOST) bisect(scratch, lost, held, next, heldRef, ref);
      if ((outcome & KEPT) == 0) return;
      heldRef = ref;
    }
    held = next + 1;
    if (held == keyCount) break;
    next = min(next + STRIDE, keyCount - 1);
  }
  writeDepths(depths, present, size, keyCount);
}

/** The same by probing every key in turn: right for holders that are not prefix-closed too, and the oracle of tests. */
export function matchKeysLinear(keys: usize, keyCount: u32, candidates: usize, depths: usize, scratch: usize): void {
  if (!beginMatch(keys, keyCount, candidates, depths, scratch)) return;
  const present = scratch + MATCH_PRESENT;
  const lost = scratch + MATCH_LOST;
  const size: usize = load<u32>(scratch + MATCH_MASK_SIZE);
  let heldRef: u32 = 0;
  for (let next: u32 = 0; next < keyCount; next++) {
    const ref = findRef(load<u64>(keys + ((<usize>next) << 3)));
    if (ref == heldRef && ref != 0) continue;
    const outcome = splitMask(ref, present, present, lost, size);
    if (outcome & LOST) writeDepths(depths, lost, size, next);
    if ((outcome & KEPT) == 0) return;
    heldRef = ref;
  }
  writeDepths(depths, present, size, keyCount);
}

/** Key 0 marks a free slot of the table, so a block whose key is 0 is known as 1. Both sides of the index use this. */
export function storedKey(key: u64): u64 {
  return key == 0 ? 1 : key;
}

/** Readies scratch and depths. False when nothing is to be matched, and then all depths are 0 already. */
function beginMatch(keys: usize, keyCount: u32, candidates: usize, depths: usize, scratch: usize): bool {
  let size: usize = MASK_SIZE;
  while (size > 0 && load<u64>(candidates + size - 8) == 0) size -= 8;
  for (let at: usize = 0; at < size; at += 8) {
    store<u64>(scratch + MATCH_PRESENT + at, load<u64>(candidates + at));
  }
  for (let at: usize = 0; at < size << 4; at += 16) v128.store(depths + at, i64x2.splat(0));
  store<u32>(scratch + MATCH_KEYS, <u32>keys);
  store<u32>(scratch + MATCH_DEPTHS, <u32>depths);
  store<u32>(scratch + MATCH_MASK_SIZE, <u32>size);
  return size > 0 && keyCount > 0;
}

/**
 * Finds where the endpoints of `group` are lost: all hold the first `low` keys (with `lowRef`, the ref of the last of
 * them), none holds key `high` (whose ref is `highRef`). Uses the masks after `group`; the group's own mask is spent.
 */
function bisect(match: usize, group: usize, low: u32, high: u32, lowRef: u32, highRef: u32): void {
  const keys: usize = load<u32>(match + MATCH_KEYS);
  const size: usize = load<u32>(match + MATCH_MASK_SIZE);
  while (low < high) {
    const middle = (low + high) >> 1;
    const ref = findRef(load<u64>(keys + ((<usize>middle) << 3)));
    // Equal refs are equal holders, which the masks need not be asked about.
    if (ref == highRef) {
      high = middle;
      continue;
    }
    if (ref == lowRef) {
      low = middle + 1;
      continue;
    }
    const kept = group + MASK_SIZE;
    const outcome = splitMask(ref, group, kept, group, size);
    if (outcome & LOST) {
      if (outcome & KEPT) bisect(match, kept, middle + 1, high, ref, highRef);
      high = middle;
      highRef = ref;
    } else {
      group = kept;
      low = middle + 1;
      lowRef = ref;
    }
  }
  writeDepths(load<u32>(match + MATCH_DEPTHS), group, size, low);
}

/**
 * The ref of a key, 0 when nobody holds it. The tag, in the same word as the ref, proves that both belong to the key; a
 * miss is proven by the version of the key's home window, which the writer raises between putting a key into its new
 * slot and taking it from its old one (M7). So neither needs the writer to stand still, and a writer that is
 * descheduled halfway holds nobody up.
 */
export function findRef(plainKey: u64): u32 {
  const key = storedKey(plainKey);
  const table = keyTable();
  const mask = keyTableMask();
  const home = key & mask;
  const window: usize = keyTableVersions() + ((<usize>(home / INDEX_WINDOW_SLOTS)) << 2);
  let version = atomic.load<u32>(window);
  let position = home;
  let attempts: u32 = 0;
  while (true) {
    const slot = table + <usize>position * INDEX_SLOT_SIZE;
    const found = atomic.load<u64>(slot);
    if (found == key) {
      const tagAndRef = atomic.load<u64>(slot, 8);
      if (tagAndRef >> 32 == key >> 32) return <u32>tagAndRef;
    } else if (found != 0) {
      position = (position + 1) & mask;
      continue;
    } else if (atomic.load<u32>(window) == version) {
      return 0;
    }
    if (++attempts == PROBE_ATTEMPTS_MAX) return 0;
    version = atomic.load<u32>(window);
    position = home;
  }
}

/**
 * Parts the endpoints of `group` into those that a ref names (`kept`) and the others (`lost`); either may be the same
 * mask as `group`. Returns which of the two have members.
 */
function splitMask(ref: u32, group: usize, kept: usize, lost: usize, size: usize): u32 {
  let anyKept: u64 = 0;
  let anyLost: u64 = 0;
  if ((ref & 3) == REF_SET) {
    const holders = setMask(ref >> 2);
    for (let at: usize = 0; at < size; at += 8) {
      const members = load<u64>(group + at);
      const inSet = members & load<u64>(holders + at);
      store<u64>(kept + at, inSet);
      store<u64>(lost + at, members ^ inSet);
      anyKept |= inSet;
      anyLost |= members ^ inSet;
    }
  } else {
    for (let at: usize = 0; at < size; at += 8) {
      const members = load<u64>(group + at);
      const inRef = members & refWord(ref, at);
      store<u64>(kept + at, inRef);
      store<u64>(lost + at, members ^ inRef);
      anyKept |= inRef;
      anyLost |= members ^ inRef;
    }
  }
  return (anyKept != 0 ? KEPT : 0) | (anyLost != 0 ? LOST : 0);
}

/** The bitmap of an interned holder set. */
export function setMask(set: u32): usize {
  return <usize>INDEX_SETS + <usize>set * MASK_SIZE;
}

/** The 64 mask bits at byte `at` that a ref without a set stands for. A lone holder fills both places of the pair. */
function refWord(ref: u32, at: usize): u64 {
  if (ref == 0) return 0;
  const first = (ref >> 2) & 1023;
  const second = (ref & 3) == 1 ? first : (ref >> 12) & 1023;
  let word: u64 = 0;
  if ((<usize>(first >> 6)) << 3 == at) word = (<u64>1) << (first & 63);
  if ((<usize>(second >> 6)) << 3 == at) word |= (<u64>1) << (second & 63);
  return word;
}

function writeDepths(depths: usize, group: usize, size: usize, depth: u32): void {
  if (depth == 0) return;
  for (let at: usize = 0; at < size; at += 8) {
    const column = depths + (at << 4);
    let members = load<u64>(group + at);
    while (members != 0) {
      store<u16>(column + ((<usize>ctz(members)) << 1), <u16>depth);
      members &= members - 1;
    }
  }
}
