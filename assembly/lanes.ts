/**
 * What each endpoint holds, in order of use: one lane per slot. Lanes live in the index writer's private memory, over
 * which it has a second instance of this module; the writer alone calls these functions, and copies keys to and fro.
 *
 *   lane of slot 5   newest ─► a ─► b ─► c ─► x ─► y ◄─ oldest         chain a b c was used last, x y before it
 *
 * A chain is touched tail first and head last, so a block is always newer than every block that follows it in any chain
 * (M12). Therefore the oldest entry of a lane has no successor in the lane, evicting from the oldest end takes tails
 * before heads, and what a lane holds is prefix-closed at every instant (M11). The blocks of one chain that a lane
 * holds already are for the same reason a leading part of the chain: the first look-up that fails ends the search.
 *
 * One record takes four steps: `laneMatch` finds and touches what is held, `laneEvict` makes room, the writer stores
 * the rest in the shared table, and `laneInsert` adds what the table took.
 */
import {
  BLOCKS_MAX,
  ENDPOINTS_MAX,
  LANE_COUNT,
  LANE_ENTRY_KEY,
  LANE_ENTRY_NEWER,
  LANE_ENTRY_NEXT,
  LANE_ENTRY_OLDER,
  LANE_ENTRY_SIZE,
  LANE_ENTRY_SLOT,
  LANE_NEWEST,
  LANE_OLDEST,
  LANE_STRIDE,
  LANES_BUCKET_MASK,
  LANES_BUCKETS,
  LANES_ENTRIES,
  LANES_EVICTED,
  LANES_FIRST_FREE,
  LANES_FOUND,
  LANES_ISSUED,
  LANES_KEYS,
  LANES_LIMIT,
  LANES_RECORDS,
  LANES_TOUCHED,
  LANES_USED,
} from "./layout";

/**
 * Keys whose buckets are loaded together before the first of them is worked on, as in `prefix-index-writer.ts`: lanes
 * of many MiB are in no cache.
 */
const TOUCHED_KEYS: u32 = 16;

/** Readies a private memory, which must be all zero, for `limit` entries and 2^bucketsLog2 buckets. */
export function lanesInit(limit: u32, bucketsLog2: u32): void {
  const buckets = (<u32>1) << bucketsLog2;
  store<u32>(LANES_LIMIT, limit);
  store<u32>(LANES_BUCKET_MASK, buckets - 1);
  store<u32>(LANES_ENTRIES, LANES_BUCKETS + (buckets << 2));
}

/**
 * How many leading keys of the chain at LANES_KEYS the lane holds. They become its newest, head first, and their
 * entries stand at LANES_FOUND for `laneInsert`.
 */
export function laneMatch(slot: u32, keyCount: u32): u32 {
  let held: u32 = 0;
  for (; held < keyCount; held++) {
    // The first key tells whether anything is held at all.
    if (held % TOUCHED_KEYS == 1) touchBuckets(slot, held, min(held + TOUCHED_KEYS, keyCount), true);
    const entry = findEntry(slot, chainKeyAt(held));
    if (entry == 0) break;
    store<u32>(foundAddress(held), entry);
  }
  moveFound(slot, held);
  return held;
}

/**
 * Takes up to `count` ≤ BLOCKS_MAX of the lane's oldest blocks out, leaving at least `keep`, and returns how many.
 * Their keys stand at LANES_EVICTED, tails first.
 */
export function laneEvict(slot: u32, count: u32, keep: u32): u32 {
  assert(count <= BLOCKS_MAX);
  const lane = laneRecord(slot);
  const held = load<u32>(lane + LANE_COUNT);
  const evicted = held > keep ? min(count, held - keep) : 0;
  let entry = load<u32>(lane + LANE_OLDEST);
  let free = load<u32>(LANES_FIRST_FREE);
  for (let i: u32 = 0; i < evicted; i++) {
    if (i % TOUCHED_KEYS == 0) touchOldest(slot, entry, min(TOUCHED_KEYS, evicted - i));
    const at = entryAddress(entry);
    const key = load<u64>(at + LANE_ENTRY_KEY);
    store<u64>(((<usize>i) << 3) + LANES_EVICTED, key);
    takeFromBucket(slot, key, entry);
    store<u32>(at + LANE_ENTRY_NEXT, free);
    free = entry;
    entry = load<u32>(at + LANE_ENTRY_NEWER);
  }
  store<u32>(LANES_FIRST_FREE, free);
  store<u32>(LANES_USED, load<u32>(LANES_USED) - evicted);
  store<u32>(lane + LANE_OLDEST, entry);
  store<u32>(entry == 0 ? lane + LANE_NEWEST : entryAddress(entry) + LANE_ENTRY_OLDER, 0);
  store<u32>(lane + LANE_COUNT, held - evicted);
  return evicted;
}

/**
 * Adds keys held … held + count − 1 of the chain of the last `laneMatch`, which found `held`, right behind those, so
 * that the chain stands in order at the newest end (M12). There must be that many entries free.
 */
export function laneInsert(slot: u32, held: u32, count: u32): void {
  const lane = laneRecord(slot);
  let newer: u32 = held == 0 ? 0 : load<u32>(foundAddress(held - 1));
  let olderLink = newer == 0 ? lane + LANE_NEWEST : entryAddress(newer) + LANE_ENTRY_OLDER;
  const older = load<u32>(olderLink);
  for (let i = held; i < held + count; i++) {
    if ((i - held) % TOUCHED_KEYS == 0) touchBuckets(slot, i, min(i + TOUCHED_KEYS, held + count), false);
    const entry = takeEntry();
    const key = chainKeyAt(i);
    const at = entryAddress(entry);
    store<u64>(at + LANE_ENTRY_KEY, key);
    store<u32>(at + LANE_ENTRY_SLOT, slot);
    const bucket = bucketAddress(slot, key);
    store<u32>(at + LANE_ENTRY_NEXT, load<u32>(bucket));
    store<u32>(bucket, entry);
    store<u32>(at + LANE_ENTRY_NEWER, newer);
    store<u32>(olderLink, entry);
    olderLink = at + LANE_ENTRY_OLDER;
    newer = entry;
  }
  // The last one takes the place before what stood behind the chain.
  store<u32>(olderLink, older);
  store<u32>(older == 0 ? lane + LANE_OLDEST : entryAddress(older) + LANE_ENTRY_NEWER, newer);
  store<u32>(LANES_USED, load<u32>(LANES_USED) + count);
  store<u32>(lane + LANE_COUNT, load<u32>(lane + LANE_COUNT) + count);
}

/** The slot whose lane holds most. */
export function laneFullest(): u32 {
  let fullest: u32 = 0;
  let most: u32 = 0;
  for (let slot: u32 = 0; slot < ENDPOINTS_MAX; slot++) {
    const count = load<u32>(laneRecord(slot) + LANE_COUNT);
    if (count <= most) continue;
    most = count;
    fullest = slot;
  }
  return fullest;
}

/** Has the buckets of keys from … to − 1 of the chain in the cache, and the first entry of each if that is asked. */
function touchBuckets(slot: u32, from: u32, to: u32, withEntries: bool): void {
  let sum: u64 = 0;
  for (let i = from; i < to; i++) {
    const entry = load<u32>(bucketAddress(slot, chainKeyAt(i)));
    sum ^= <u64>entry;
    if (withEntries) sum ^= load<u64>(entryAddress(entry) + LANE_ENTRY_KEY);
  }
  // What is loaded must be of use, or the compiler leaves it out.
  store<u64>(LANES_TOUCHED, sum);
}

/** The same of the lane's oldest blocks, from `entry` on. */
function touchOldest(slot: u32, entry: u32, count: u32): void {
  let sum: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const at = entryAddress(entry);
    sum ^= <u64>load<u32>(bucketAddress(slot, load<u64>(at + LANE_ENTRY_KEY)));
    entry = load<u32>(at + LANE_ENTRY_NEWER);
  }
  store<u64>(LANES_TOUCHED, sum);
}

/** Entry of a key in a slot's lane, 0 when it is not held (M17). */
export function findEntry(slot: u32, key: u64): u32 {
  let entry = load<u32>(bucketAddress(slot, key));
  while (entry != 0) {
    const at = entryAddress(entry);
    if (load<u64>(at + LANE_ENTRY_KEY) == key && load<u32>(at + LANE_ENTRY_SLOT) == slot) return entry;
    entry = load<u32>(at + LANE_ENTRY_NEXT);
  }
  return 0;
}

export function laneRecord(slot: u32): usize {
  return <usize>LANES_RECORDS + <usize>slot * LANE_STRIDE;
}

export function entryAddress(entry: u32): usize {
  return <usize>load<u32>(LANES_ENTRIES) + <usize>entry * LANE_ENTRY_SIZE;
}

/** Bucket of a key in a slot's lane. Keys are uniform hashes already; the slot only has to tell lanes apart. */
function bucketAddress(slot: u32, key: u64): usize {
  const hash = key + <u64>slot * 0x9e3779b97f4a7c15;
  return ((<usize>(<u32>hash & load<u32>(LANES_BUCKET_MASK))) << 2) + LANES_BUCKETS;
}

/**
 * Makes the first `held` found entries the lane's newest, head first. They mostly stand one behind the other already,
 * as they were inserted: such a run moves at once. Tail first: M12.
 */
function moveFound(slot: u32, held: u32): void {
  let end = held;
  while (end > 0) {
    let begin = end - 1;
    while (begin > 0 && olderOf(foundEntry(begin - 1)) == foundEntry(begin)) begin--;
    moveToNewest(slot, foundEntry(begin), foundEntry(end - 1));
    end = begin;
  }
}

/** Makes a run of entries, from its newest to its oldest, the newest of its lane. */
function moveToNewest(slot: u32, first: u32, last: u32): void {
  const lane = laneRecord(slot);
  const newer = load<u32>(entryAddress(first) + LANE_ENTRY_NEWER);
  if (newer == 0) return;
  const older = olderOf(last);
  store<u32>(entryAddress(newer) + LANE_ENTRY_OLDER, older);
  store<u32>(older == 0 ? lane + LANE_OLDEST : entryAddress(older) + LANE_ENTRY_NEWER, newer);
  const newest = load<u32>(lane + LANE_NEWEST);
  store<u32>(entryAddress(first) + LANE_ENTRY_NEWER, 0);
  store<u32>(entryAddress(last) + LANE_ENTRY_OLDER, newest);
  store<u32>(entryAddress(newest) + LANE_ENTRY_NEWER, last);
  store<u32>(lane + LANE_NEWEST, first);
}

function olderOf(entry: u32): u32 {
  return load<u32>(entryAddress(entry) + LANE_ENTRY_OLDER);
}

function takeFromBucket(slot: u32, key: u64, entry: u32): void {
  let link = bucketAddress(slot, key);
  while (load<u32>(link) != entry) link = entryAddress(load<u32>(link)) + LANE_ENTRY_NEXT;
  store<u32>(link, load<u32>(entryAddress(entry) + LANE_ENTRY_NEXT));
}

function takeEntry(): u32 {
  const free = load<u32>(LANES_FIRST_FREE);
  if (free != 0) {
    store<u32>(LANES_FIRST_FREE, load<u32>(entryAddress(free) + LANE_ENTRY_NEXT));
    return free;
  }
  const issued = load<u32>(LANES_ISSUED) + 1;
  assert(issued <= load<u32>(LANES_LIMIT));
  store<u32>(LANES_ISSUED, issued);
  return issued;
}

function chainKeyAt(index: u32): u64 {
  return load<u64>(((<usize>index) << 3) + LANES_KEYS);
}

function foundEntry(index: u32): u32 {
  return load<u32>(foundAddress(index));
}

function foundAddress(index: u32): usize {
  return ((<usize>index) << 2) + LANES_FOUND;
}
