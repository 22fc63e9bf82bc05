/**
 * Changes to the prefix index, by the one index writer. The key table is open addressing with linear probing, changed
 * under readers that take no lock. The order of stores is what keeps them right:
 *
 *   a new key        tag and ref, then key                       a key that is visible has its ref (M5)
 *   other holders    one store of tag and ref                    old or new, never half (M5); bitmaps never change (M8)
 *   a deletion       each key that has to move back is written to its new slot, the version of its home window is
 *                    raised, and only then is its old slot overwritten; the last hole becomes free (M7)
 *
 *   slot      i     i+1   i+2               a reader of B probes on from i to i+1 …
 *   before    A     B     C     ·           … and if it passed i before B came, and i+1 after B went, it misses B;
 *   after     B     C     ·     ·           then it sees another version than before its first probe, and probes again.
 */
import { refWith, refWithout, releaseRef, retainRef } from "./holder-refs";
import { addToIndexCounter, resetSets } from "./holder-sets";
import { TOUCHED } from "./index-private";
import {
  COLUMN_CLEAR_REQUEST,
  ENDPOINTS_MAX,
  INDEX,
  INDEX_CLEARED,
  INDEX_COUNTER_BLOCKS_EVICTED,
  INDEX_COUNTER_BLOCKS_STORED,
  INDEX_EPOCH,
  INDEX_KEY_COUNT,
  INDEX_KEY_LIMIT,
  INDEX_LOAD_PERCENT,
  INDEX_RING_TAIL,
  INDEX_SLEEPING,
  INDEX_SLOT_SIZE,
  INDEX_WINDOW_SLOTS,
  SHARD_RING_HEAD,
} from "./layout";
import { keyTable, keyTableMask, keyTableVersions, shardBase, shardCount } from "./memory";
import { storedKey } from "./prefix-index";

/**
 * Keys whose home slots are loaded together before the first of them is worked on: a table of many MiB is in no cache,
 * and a processor waits for some ten loads no longer than for one, but does not begin a load before an atomic store.
 */
const TOUCHED_KEYS: u32 = 16;
const CACHE_LINE_SIZE: usize = 64;

/**
 * Empties the index, whatever state a dead writer has left, and skips what the rings hold. Safe under readers: keys go
 * one by one, and set ids come back only after the readers of before have ended. Holder sets: ids 1 … setLimit − 1.
 */
export function writerReset(setLimit: u32): void {
  const table = keyTable();
  const slots = keyTableMask() + 1;
  for (let position: u64 = 0; position < slots; position++) {
    const slot = table + <usize>position * INDEX_SLOT_SIZE;
    if (load<u64>(slot) != 0) atomic.store<u64>(slot, 0);
    if (load<u64>(slot, 8) != 0) atomic.store<u64>(slot, 0, 8);
  }
  store<u32>(INDEX + INDEX_KEY_COUNT, 0);
  store<u32>(INDEX + INDEX_KEY_LIMIT, <u32>((slots * INDEX_LOAD_PERCENT) / 100));
  // Retired in the epoch before the raise: a reader of the new epoch has seen only the empty table.
  resetSets(setLimit);
  raiseEpoch();
  const shards = shardCount();
  for (let shard: u32 = 0; shard < shards; shard++) {
    const tail = INDEX + INDEX_RING_TAIL + (shard << 2);
    atomic.store<u32>(tail, atomic.load<u32>(shardBase(shard) + SHARD_RING_HEAD));
  }
  atomic.store<u32>(INDEX + INDEX_SLEEPING, 0);
}

/**
 * Notes that the endpoint holds these keys, head first, and returns how many were stored: fewer than `count` when the
 * table has reached its load limit (INDEX_KEY_COUNT tells) or the pool has no set for the holders of the next one.
 */
export function storeBlocks(slot: u32, keys: usize, count: u32): u32 {
  const table = keyTable();
  const mask = keyTableMask();
  const keyLimit = load<u32>(INDEX + INDEX_KEY_LIMIT);
  let keyCount = load<u32>(INDEX + INDEX_KEY_COUNT);
  let lastRef: u32 = 0;
  let lastResult: u32 = 0;
  let stored: u32 = 0;
  for (; stored < count; stored++) {
    if (stored % TOUCHED_KEYS == 0) touchHomes(keys, stored, min(stored + TOUCHED_KEYS, count));
    const key = storedKey(load<u64>(keys + ((<usize>stored) << 3)));
    const at = findSlot(table, mask, key);
    if (load<u64>(at) == key) {
      // Neighbours in a chain mostly have the same holders, so the last answer is the next one.
      const ref = load<u32>(at, 8);
      if (ref != lastRef) {
        lastResult = refWith(ref, slot);
        if (lastResult == 0) break;
        lastRef = ref;
      }
      replaceRef(at, key, ref, lastResult);
    } else {
      if (keyCount >= keyLimit) break;
      publishRef(at, key, refWith(0, slot));
      atomic.store<u64>(at, key);
      keyCount++;
    }
  }
  store<u32>(INDEX + INDEX_KEY_COUNT, keyCount);
  addToIndexCounter(INDEX_COUNTER_BLOCKS_STORED, stored);
  return stored;
}

/** Notes that the endpoint no longer holds these keys, given tail first; returns how many it held. */
export function removeBlocks(slot: u32, keys: usize, count: u32): u32 {
  const table = keyTable();
  const mask = keyTableMask();
  let lastRef: u32 = 0;
  let lastResult: u32 = 0;
  let removed: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    if (i % TOUCHED_KEYS == 0) touchHomes(keys, i, min(i + TOUCHED_KEYS, count));
    const key = storedKey(load<u64>(keys + ((<usize>i) << 3)));
    const at = findSlot(table, mask, key);
    if (load<u64>(at) != key) continue;
    const ref = load<u32>(at, 8);
    if (ref != lastRef) {
      lastResult = refWithout(ref, slot);
      lastRef = ref;
    }
    if (lastResult == ref) continue;
    if (lastResult == 0) deleteKey(table, mask, at);
    else replaceRef(at, key, ref, lastResult);
    removed++;
  }
  addToIndexCounter(INDEX_COUNTER_BLOCKS_EVICTED, removed);
  return removed;
}

/**
 * Ends a batch of changes: readers that begin from now on see all of them, so sets that the batch retired become free
 * once the readers of before have ended (M8).
 */
export function raiseEpoch(): void {
  atomic.store<u64>(INDEX + INDEX_EPOCH, load<u64>(INDEX + INDEX_EPOCH) + 1);
}

/**
 * The first slot from `from` on whose blocks the control thread asks to be forgotten; ENDPOINTS_MAX when there is none.
 */
export function nextClearRequest(from: u32): u32 {
  for (let slot = from; slot < ENDPOINTS_MAX; slot++) {
    const column: usize = (<usize>slot) << 2;
    if (atomic.load<u32>(column + COLUMN_CLEAR_REQUEST) != load<u32>(column + INDEX + INDEX_CLEARED)) return slot;
  }
  return ENDPOINTS_MAX;
}

/** Has the home slots of keys from … to − 1 in the cache, with those behind them, where probes and deletions go on. */
function touchHomes(keys: usize, from: u32, to: u32): void {
  const table = keyTable();
  const mask = keyTableMask();
  let sum: u64 = 0;
  for (let i = from; i < to; i++) {
    const home = load<u64>(keys + ((<usize>i) << 3)) & mask;
    const slot = table + <usize>home * INDEX_SLOT_SIZE;
    sum ^= load<u64>(slot) ^ load<u64>(slot, CACHE_LINE_SIZE);
  }
  // What is loaded must be of use, or the compiler leaves it out.
  store<u64>(TOUCHED, sum);
}

/**
 * Address of the slot that has the key, or of the free slot where it belongs. The load limit leaves a free one always.
 */
function findSlot(table: usize, mask: u64, key: u64): usize {
  let position = key & mask;
  while (true) {
    const at = table + <usize>position * INDEX_SLOT_SIZE;
    const found = load<u64>(at);
    if (found == key || found == 0) return at;
    position = (position + 1) & mask;
  }
}

function replaceRef(at: usize, key: u64, ref: u32, next: u32): void {
  if (ref == next) return;
  retainRef(next);
  publishRef(at, key, next);
  releaseRef(ref);
}

/** Stores ref and tag in one access (M5). */
function publishRef(at: usize, key: u64, ref: u32): void {
  atomic.store<u64>(at, ((key >> 32) << 32) | <u64>ref, 8);
}

/** Takes a key out and moves back the keys behind it that a probe would no longer reach (M7). */
function deleteKey(table: usize, mask: u64, at: usize): void {
  const versions = keyTableVersions();
  const ref = load<u32>(at, 8);
  let hole: u64 = <u64>(at - table) / INDEX_SLOT_SIZE;
  let position = hole;
  while (true) {
    position = (position + 1) & mask;
    const source = table + <usize>position * INDEX_SLOT_SIZE;
    const key = load<u64>(source);
    if (key == 0) break;
    const home = key & mask;
    // A key whose home lies behind the hole is reached without it.
    if (((position - home) & mask) < ((position - hole) & mask)) continue;
    const target = table + <usize>hole * INDEX_SLOT_SIZE;
    atomic.store<u64>(target, load<u64>(source, 8), 8);
    atomic.store<u64>(target, key);
    const version = versions + ((<usize>(home / INDEX_WINDOW_SLOTS)) << 2);
    atomic.store<u32>(version, load<u32>(version) + 1);
    hole = position;
  }
  const free = table + <usize>hole * INDEX_SLOT_SIZE;
  atomic.store<u64>(free, 0);
  store<u64>(free, 0, 8);
  store<u32>(INDEX + INDEX_KEY_COUNT, load<u32>(INDEX + INDEX_KEY_COUNT) - 1);
  releaseRef(ref);
}
