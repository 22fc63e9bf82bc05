/**
 * The pool of holder sets: immutable bitmaps of three or more endpoints, interned, so that all blocks with the same
 * holders share one. For the index writer alone; readers look at the bitmaps only.
 *
 *            keys name it                 last key gone, in epoch e
 *   free ──────────────────► live ─────────────────────────────────► retired ───► free, once no reader is left
 *                              ▲                                        │         that began in epoch ≤ e (M8)
 *                              └────────────────────────────────────────┘
 *                                 the same holders are wanted again
 *
 * Free and retired sets stand in one queue, oldest first (M15). A set's hash is the XOR of its holders' hashes, so the
 * hash of a neighbour (one holder more or fewer) costs nothing: finding it is one probe and one comparison of bitmaps.
 * That is why there is no cache of transitions beside it.
 */
import {
  CHECKED_REFS,
  INDEX_PRIVATE_END,
  SET_BUCKETS,
  SET_BUCKETS_COUNT,
  SET_DRAFT,
  SET_FLAGS,
  SET_HASH,
  SET_HOLDER_COUNT,
  SET_INTERNED,
  SET_LIMIT,
  SET_QUEUE,
  SET_QUEUE_END,
  SET_QUEUE_FIRST,
  SET_QUEUED,
  SET_RECORD_STRIDE,
  SET_RECORDS,
  SET_REFS,
  SET_RETIRED_EPOCH,
} from "./index-private";
import {
  INDEX,
  INDEX_COUNTER_SETS_LIVE,
  INDEX_COUNTER_SETS_REFUSED,
  INDEX_COUNTERS,
  INDEX_END,
  INDEX_EPOCH,
  MASK_SIZE,
  SETS_MAX,
  SHARD_READER_EPOCH,
} from "./layout";
import { shardBase, shardCount } from "./memory";
import { setMask } from "./prefix-index";

/** Candidates that `takeSet` looks at. They are queued by age, so that the first is free unless readers lag. */
const TAKE_ATTEMPTS_MAX: u32 = 8;

/**
 * Forgets all sets. Every id is retired in the present epoch, also those never used: readers may still hold refs from
 * before, so ids are given out again only when those readers have ended.
 */
export function resetSets(setLimit: u32): void {
  assert(setLimit >= 2 && setLimit <= SETS_MAX);
  assert(INDEX_PRIVATE_END <= INDEX_END);
  memory.fill(SET_RECORDS, 0, CHECKED_REFS - SET_RECORDS);
  store<u32>(SET_LIMIT, setLimit);
  store<u32>(SET_QUEUE_FIRST, 0);
  store<u32>(SET_QUEUE_END, 0);
  store<u64>(INDEX + INDEX_COUNTERS + INDEX_COUNTER_SETS_LIVE * 8, 0);
  for (let set: u32 = 1; set < setLimit; set++) retireSet(set);
}

/**
 * The set whose bitmap equals the one at SET_DRAFT, which has this hash and this many holders; a new one if there is
 * none. 0 when none can be had, which is counted. One eighth of the pool is for removals only, which must not fail.
 */
export function internDraft(hash: u32, holderCount: u32, isRemoval: bool): u32 {
  const known = findSet(hash);
  if (known != 0) return known;
  const live = <u32>load<u64>(INDEX + INDEX_COUNTERS + INDEX_COUNTER_SETS_LIVE * 8);
  const limit = load<u32>(SET_LIMIT);
  const isAllowed = isRemoval || live < limit - (limit >> 3) - 1;
  const set = isAllowed ? takeSet() : 0;
  if (set == 0) {
    addToIndexCounter(INDEX_COUNTER_SETS_REFUSED, 1);
    return 0;
  }
  memory.copy(setMask(set), SET_DRAFT, MASK_SIZE);
  const record = setRecord(set);
  store<u32>(record + SET_HASH, hash);
  store<u16>(record + SET_HOLDER_COUNT, <u16>holderCount);
  putIntoBucket(set, hash);
  return set;
}

/** Counts one more key that names the set (M14). */
export function retainSet(set: u32): void {
  const refs: usize = setRecord(set) + SET_REFS;
  const count = load<u32>(refs);
  store<u32>(refs, count + 1);
  if (count == 0) addToIndexCounter(INDEX_COUNTER_SETS_LIVE, 1);
}

/** Counts one key fewer; the last one retires the set. Call it after the key's ref has been replaced in the table. */
export function releaseSet(set: u32): void {
  const refs: usize = setRecord(set) + SET_REFS;
  const count = load<u32>(refs);
  assert(count > 0);
  store<u32>(refs, count - 1);
  if (count > 1) return;
  addToIndexCounter(INDEX_COUNTER_SETS_LIVE, -1);
  retireSet(set);
}

/** Adds to a counter of the index head. */
export function addToIndexCounter(counter: u32, amount: i64): void {
  const at: usize = INDEX + INDEX_COUNTERS + (counter << 3);
  store<u64>(at, load<u64>(at) + <u64>amount);
}

export function setRecord(set: u32): usize {
  return <usize>SET_RECORDS + <usize>set * SET_RECORD_STRIDE;
}

export function setHash(set: u32): u32 {
  return load<u32>(setRecord(set) + SET_HASH);
}

export function setHolderCount(set: u32): u32 {
  return load<u16>(setRecord(set) + SET_HOLDER_COUNT);
}

/** Mixes a slot number so that XORs of a few of them spread over 32 bits (the finalizer of MurmurHash3). */
export function slotHash(slot: u32): u32 {
  let hash = slot + 1;
  hash = (hash ^ (hash >> 16)) * 0x85ebca6b;
  hash = (hash ^ (hash >> 13)) * 0xc2b2ae35;
  return hash ^ (hash >> 16);
}

/** An interned set, live or retired, that equals the draft. */
export function findSet(hash: u32): u32 {
  let bucket = hash & (SET_BUCKETS_COUNT - 1);
  while (true) {
    const set = load<u32>(bucketAddress(bucket));
    if (set == 0) return 0;
    if (setHash(set) == hash && memory.compare(setMask(set), SET_DRAFT, MASK_SIZE) == 0) return set;
    bucket = (bucket + 1) & (SET_BUCKETS_COUNT - 1);
  }
}

/** Takes the id that has been free for longest; 0 when readers may still see all of those looked at. */
function takeSet(): u32 {
  const oldest = oldestReaderEpoch();
  let attempts: u32 = 0;
  while (attempts < TAKE_ATTEMPTS_MAX) {
    const set = unqueue();
    if (set == 0) return 0;
    const record = setRecord(set);
    // In use again since it was queued: it comes back when it is retired again.
    if (load<u32>(record + SET_REFS) > 0) continue;
    if (oldest != 0 && oldest <= load<u64>(record + SET_RETIRED_EPOCH)) {
      attempts++;
      enqueue(set);
      continue;
    }
    if (load<u16>(record + SET_FLAGS) & SET_INTERNED) takeFromBucket(set);
    return set;
  }
  return 0;
}

/** The earliest epoch in which a reader that has not ended began; 0 when nobody reads. */
function oldestReaderEpoch(): u64 {
  let oldest: u64 = 0;
  const shards = shardCount();
  for (let shard: u32 = 0; shard < shards; shard++) {
    const epoch = atomic.load<u64>(shardBase(shard) + SHARD_READER_EPOCH);
    if (epoch != 0 && (oldest == 0 || epoch < oldest)) oldest = epoch;
  }
  return oldest;
}

/** Notes from when on the set may be reused. A set that is still queued from before keeps its place. */
function retireSet(set: u32): void {
  const record = setRecord(set);
  store<u64>(record + SET_RETIRED_EPOCH, load<u64>(INDEX + INDEX_EPOCH));
  if ((load<u16>(record + SET_FLAGS) & SET_QUEUED) == 0) enqueue(set);
}

function enqueue(set: u32): void {
  const end = load<u32>(SET_QUEUE_END);
  store<u32>(queueAddress(end), set);
  store<u32>(SET_QUEUE_END, end + 1);
  const flags = setRecord(set) + SET_FLAGS;
  store<u16>(flags, load<u16>(flags) | SET_QUEUED);
}

function unqueue(): u32 {
  const first = load<u32>(SET_QUEUE_FIRST);
  if (first == load<u32>(SET_QUEUE_END)) return 0;
  store<u32>(SET_QUEUE_FIRST, first + 1);
  const set = load<u32>(queueAddress(first));
  const flags = setRecord(set) + SET_FLAGS;
  store<u16>(flags, load<u16>(flags) & ~SET_QUEUED);
  return set;
}

function putIntoBucket(set: u32, hash: u32): void {
  let bucket = hash & (SET_BUCKETS_COUNT - 1);
  while (load<u32>(bucketAddress(bucket)) != 0) bucket = (bucket + 1) & (SET_BUCKETS_COUNT - 1);
  store<u32>(bucketAddress(bucket), set);
  const flags = setRecord(set) + SET_FLAGS;
  store<u16>(flags, load<u16>(flags) | SET_INTERNED);
}

/** Deletes by backward shift, so that no probe ever has to step over a tombstone. */
function takeFromBucket(set: u32): void {
  const mask = SET_BUCKETS_COUNT - 1;
  let hole = setHash(set) & mask;
  while (load<u32>(bucketAddress(hole)) != set) hole = (hole + 1) & mask;
  let bucket = hole;
  while (true) {
    bucket = (bucket + 1) & mask;
    const next = load<u32>(bucketAddress(bucket));
    if (next == 0) break;
    if (((bucket - setHash(next)) & mask) < ((bucket - hole) & mask)) continue;
    store<u32>(bucketAddress(hole), next);
    hole = bucket;
  }
  store<u32>(bucketAddress(hole), 0);
  const flags = setRecord(set) + SET_FLAGS;
  store<u16>(flags, load<u16>(flags) & ~SET_INTERNED);
}

function bucketAddress(bucket: u32): usize {
  return <usize>SET_BUCKETS + ((<usize>bucket) << 2);
}

function queueAddress(position: u32): usize {
  return <usize>SET_QUEUE + ((<usize>(position & (SETS_MAX - 1))) << 2);
}
