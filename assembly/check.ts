/**
 * Walks whole structures and tells which invariant is broken first: the number N of its label MN in
 * `assembly/README.md`, 0 when all hold. For tests and for debugging; the index and the lanes must not be changed
 * meanwhile.
 */
import { findSet, setHash, setRecord, slotHash } from "./holder-sets";
import {
  CHECKED_REFS,
  SET_BUCKETS,
  SET_BUCKETS_COUNT,
  SET_DRAFT,
  SET_FLAGS,
  SET_HOLDER_COUNT,
  SET_HOLDERS_MIN,
  SET_INTERNED,
  SET_LIMIT,
  SET_QUEUE,
  SET_QUEUE_END,
  SET_QUEUE_FIRST,
  SET_QUEUED,
  SET_REFS,
} from "./index-private";
import { entryAddress, findEntry, laneRecord } from "./lanes";
import {
  ENDPOINTS_MAX,
  INDEX,
  INDEX_COUNTER_SETS_LIVE,
  INDEX_COUNTERS,
  INDEX_KEY_COUNT,
  INDEX_KEY_LIMIT,
  INDEX_SLOT_SIZE,
  LANE_COUNT,
  LANE_ENTRY_KEY,
  LANE_ENTRY_NEWER,
  LANE_ENTRY_NEXT,
  LANE_ENTRY_OLDER,
  LANE_ENTRY_SLOT,
  LANE_NEWEST,
  LANE_OLDEST,
  LANES_FIRST_FREE,
  LANES_ISSUED,
  LANES_LIMIT,
  LANES_USED,
  MASK_SIZE,
  REF_ONE,
  REF_SET,
  REF_TWO,
  SESSION_BUCKET,
  SESSION_SIZE,
  SESSIONS,
  SESSIONS_MAX,
  SETS_MAX,
} from "./layout";
import { keyTable, keyTableMask } from "./memory";
import { findRef, setMask } from "./prefix-index";
import { bucketOf } from "./sessions";

const M_KEY_TABLE: u32 = 10;
const M_REFS: u32 = 13;
const M_SET_REFS: u32 = 14;
const M_SET_CONSERVATION: u32 = 15;
const M_INTERNED: u32 = 16;
const M_LANES: u32 = 17;
const M_SESSIONS: u32 = 20;

/** Marks a set as seen in the queue, in the word that counts its refs. */
const SEEN: u32 = 0x80000000;

/**
 * The first broken invariant of the index in the shared memory. Writes where it broke to `report`: a position or set,
 * u32.
 */
export function checkIndex(report: usize): u32 {
  let broken = checkKeyTable(report);
  if (broken == 0) broken = checkSets(report);
  if (broken == 0) broken = checkBuckets(report);
  return broken != 0 ? broken : checkQueue(report);
}

/** The first broken invariant of the lanes in a private memory. Writes the slot or entry where it broke to `report`. */
export function checkLanes(report: usize): u32 {
  let used: u32 = 0;
  for (let slot: u32 = 0; slot < ENDPOINTS_MAX; slot++) {
    const count = checkLane(slot);
    if (count == 0xffffffff) return fail(report, slot, M_LANES);
    used += count;
  }
  const issued = load<u32>(LANES_ISSUED);
  let free: u32 = 0;
  let entry = load<u32>(LANES_FIRST_FREE);
  while (entry != 0 && free <= issued) {
    free++;
    entry = load<u32>(entryAddress(entry) + LANE_ENTRY_NEXT);
  }
  const isConserved = used == load<u32>(LANES_USED) && used + free == issued && issued <= load<u32>(LANES_LIMIT);
  return isConserved ? 0 : fail(report, free, M_LANES);
}

/** Writes the lane's keys, newest first, up to `max`, to `target`; returns their count. */
export function laneKeys(slot: u32, target: usize, max: u32): u32 {
  let count: u32 = 0;
  let entry = load<u32>(laneRecord(slot) + LANE_NEWEST);
  while (entry != 0 && count < max) {
    store<u64>(target + ((<usize>count) << 3), load<u64>(entryAddress(entry) + LANE_ENTRY_KEY));
    count++;
    entry = load<u32>(entryAddress(entry) + LANE_ENTRY_OLDER);
  }
  return count;
}

/** M20. 0 when it holds; where it broke, the entry's number, goes to `report`. */
export function checkSessions(report: usize): u32 {
  for (let entry: u32 = 0; entry < SESSIONS_MAX; entry++) {
    const at = <usize>SESSIONS + <usize>entry * SESSION_SIZE;
    const key = load<u64>(at);
    if (key != 0 && bucketOf(key) != at - <usize>(entry & (SESSION_BUCKET - 1)) * SESSION_SIZE) {
      return fail(report, entry, M_SESSIONS);
    }
  }
  return 0;
}

/** M10 and M13. Counts on the way how many keys name each set. */
function checkKeyTable(report: usize): u32 {
  memory.fill(CHECKED_REFS, 0, SETS_MAX * 4);
  const slots = keyTableMask() + 1;
  let keys: u32 = 0;
  for (let position: u64 = 0; position < slots; position++) {
    const at = keyTable() + <usize>position * INDEX_SLOT_SIZE;
    const key = load<u64>(at);
    const tagAndRef = load<u64>(at, 8);
    if (key == 0) {
      if (tagAndRef != 0) return fail(report, <u32>position, M_KEY_TABLE);
      continue;
    }
    keys++;
    if (!isReachedOnce(key, position)) return fail(report, <u32>position, M_KEY_TABLE);
    if (tagAndRef >> 32 != key >> 32 || !isRef(<u32>tagAndRef)) return fail(report, <u32>position, M_REFS);
    if (findRef(key) != <u32>tagAndRef) return fail(report, <u32>position, M_REFS);
    if ((<u32>tagAndRef & 3) == REF_SET) {
      const counted = checkedRefs(<u32>tagAndRef >> 2);
      store<u32>(counted, load<u32>(counted) + 1);
    }
  }
  const isCounted = keys == load<u32>(INDEX + INDEX_KEY_COUNT) && keys <= load<u32>(INDEX + INDEX_KEY_LIMIT);
  return isCounted ? 0 : fail(report, keys, M_KEY_TABLE);
}

/** Walks from the key's home to its slot: no free slot and no second copy of the key lies between. */
function isReachedOnce(key: u64, position: u64): bool {
  const mask = keyTableMask();
  let probe = key & mask;
  while (probe != position) {
    const found = load<u64>(keyTable() + <usize>probe * INDEX_SLOT_SIZE);
    if (found == 0 || found == key) return false;
    probe = (probe + 1) & mask;
  }
  return true;
}

function isRef(ref: u32): bool {
  const tag = ref & 3;
  if (tag == REF_ONE) return ref >> 12 == 0;
  if (tag == REF_TWO) return ref >> 22 == 0 && ((ref >> 2) & 1023) < ref >> 12;
  return tag == REF_SET && ref >> 2 > 0 && ref >> 2 < load<u32>(SET_LIMIT);
}

/** M14, and M15 but for the queue, and M16 but for the buckets. */
function checkSets(report: usize): u32 {
  const limit = load<u32>(SET_LIMIT);
  let live: u32 = 0;
  for (let set: u32 = 1; set < limit; set++) {
    const record = setRecord(set);
    const refs = load<u32>(record + SET_REFS);
    const flags = load<u16>(record + SET_FLAGS);
    if (refs != load<u32>(checkedRefs(set))) return fail(report, set, M_SET_REFS);
    if (refs > 0) live++;
    if (refs == 0 && (flags & SET_QUEUED) == 0) return fail(report, set, M_SET_CONSERVATION);
    if (refs > 0 && (flags & SET_INTERNED) == 0) return fail(report, set, M_INTERNED);
    if (flags & SET_INTERNED && !isInterned(set)) return fail(report, set, M_INTERNED);
  }
  const counted = <u32>load<u64>(INDEX + INDEX_COUNTERS + INDEX_COUNTER_SETS_LIVE * 8);
  return live == counted ? 0 : fail(report, live, M_SET_CONSERVATION);
}

/** The set's bitmap matches its record, and a search for the bitmap finds this set: there is no other one like it. */
function isInterned(set: u32): bool {
  let holders: u32 = 0;
  let hash: u32 = 0;
  for (let slot: u32 = 0; slot < ENDPOINTS_MAX; slot++) {
    const word = load<u64>(setMask(set) + ((<usize>(slot >> 6)) << 3));
    if (((word >> (slot & 63)) & 1) == 0) continue;
    holders++;
    hash ^= slotHash(slot);
  }
  memory.copy(SET_DRAFT, setMask(set), MASK_SIZE);
  const isRecorded = hash == setHash(set) && holders == <u32>load<u16>(setRecord(set) + SET_HOLDER_COUNT);
  return isRecorded && holders >= SET_HOLDERS_MIN && findSet(hash) == set;
}

/** The rest of M16: the buckets hold the interned sets and nothing else. */
function checkBuckets(report: usize): u32 {
  let inBuckets: u32 = 0;
  for (let bucket: u32 = 0; bucket < SET_BUCKETS_COUNT; bucket++) {
    const set = load<u32>(((<usize>bucket) << 2) + SET_BUCKETS);
    if (set == 0) continue;
    inBuckets++;
    if ((load<u16>(setRecord(set) + SET_FLAGS) & SET_INTERNED) == 0) return fail(report, set, M_INTERNED);
  }
  const limit = load<u32>(SET_LIMIT);
  for (let set: u32 = 1; set < limit; set++) {
    if (load<u16>(setRecord(set) + SET_FLAGS) & SET_INTERNED) inBuckets--;
  }
  return inBuckets == 0 ? 0 : fail(report, inBuckets, M_INTERNED);
}

/** The rest of M15: each set flagged as queued stands in the queue, once. */
function checkQueue(report: usize): u32 {
  const end = load<u32>(SET_QUEUE_END);
  for (let at = load<u32>(SET_QUEUE_FIRST); at != end; at++) {
    const set = load<u32>(((<usize>(at & (SETS_MAX - 1))) << 2) + SET_QUEUE);
    const counted = checkedRefs(set);
    const isQueued = (load<u16>(setRecord(set) + SET_FLAGS) & SET_QUEUED) != 0;
    if (!isQueued || load<u32>(counted) & SEEN) return fail(report, set, M_SET_CONSERVATION);
    store<u32>(counted, load<u32>(counted) | SEEN);
  }
  const limit = load<u32>(SET_LIMIT);
  for (let set: u32 = 1; set < limit; set++) {
    const isQueued = (load<u16>(setRecord(set) + SET_FLAGS) & SET_QUEUED) != 0;
    if (isQueued && (load<u32>(checkedRefs(set)) & SEEN) == 0) return fail(report, set, M_SET_CONSERVATION);
  }
  return 0;
}

/** Entries of a sound lane, 0xffffffff for a broken one. */
function checkLane(slot: u32): u32 {
  const lane = laneRecord(slot);
  const count = load<u32>(lane + LANE_COUNT);
  let walked: u32 = 0;
  let newer: u32 = 0;
  let entry = load<u32>(lane + LANE_NEWEST);
  while (entry != 0 && walked < count) {
    const at = entryAddress(entry);
    const isLinked = load<u32>(at + LANE_ENTRY_NEWER) == newer && load<u32>(at + LANE_ENTRY_SLOT) == slot;
    if (!isLinked || findEntry(slot, load<u64>(at + LANE_ENTRY_KEY)) != entry) return 0xffffffff;
    walked++;
    newer = entry;
    entry = load<u32>(at + LANE_ENTRY_OLDER);
  }
  return walked == count && entry == 0 && load<u32>(lane + LANE_OLDEST) == newer ? count : 0xffffffff;
}

function checkedRefs(set: u32): usize {
  return ((<usize>set) << 2) + CHECKED_REFS;
}

function fail(report: usize, where: u32, label: u32): u32 {
  store<u32>(report, where);
  return label;
}
