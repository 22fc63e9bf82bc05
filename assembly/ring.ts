/**
 * A shard's side of the index: its ring to the index writer, and the overlay through which all shards see its picks
 * until the writer has applied them. The ring has one producer and one consumer, and each of its words one writer (M4,
 * M6); head and tail count bytes modulo 2^32.
 *
 *        tail (INDEX_RING_TAIL, the writer's)        head (SHARD_RING_HEAD, the shard's)
 *          ▼                                           ▼
 *   ───────┬────────┬──────────┬─────────┬─────────────┬──────────
 *    free  │ record │ record   │ padding │ record      │ free
 *   ───────┴────────┴──────────┴─────────┴─────────────┴──────────
 *          ▲ overlay: records of [tail seen, head), found through the directory of their positions
 */
import {
  BLOCKS_MAX,
  COLUMN_GENERATION,
  ENDPOINTS_MAX,
  INDEX,
  INDEX_EPOCH,
  INDEX_RING_TAIL,
  INDEX_SLEEPING,
  OVERLAY_MAX,
  RING_PADDING,
  RING_RECORD_GENERATION,
  RING_RECORD_KEY_COUNT,
  RING_RECORD_KEYS,
  RING_RECORD_SIZE,
  RING_RECORD_SLOT,
  RING_SIZE,
  SHARD_COUNTER_RING_FULL,
  SHARD_OVERLAY,
  SHARD_OVERLAY_HEAD,
  SHARD_READER_EPOCH,
  SHARD_RING,
  SHARD_RING_HEAD,
  SHARD_RING_TAILS_SEEN,
} from "./layout";
import { addCounter, orderLoads, shardBase, shardCount, shardNumber } from "./memory";

/** A record with the most keys; padding is shorter. */
const RECORD_SIZE_MAX: u32 = RING_RECORD_KEYS + BLOCKS_MAX * 8;
/** In an entry of the overlay's directory. */
const OVERLAY_FIRST_KEY: usize = 4;

/**
 * Opens a read of the index by the shard at `shard`: until `readEnd`, no holder set that a ref can name is given a new
 * meaning (M8), and records that the writer applies stay in the overlay, so that none falls between the two.
 */
export function readBegin(shard: usize): void {
  // 0 means "does not read", so an index whose writer has not started yet is read in epoch 1.
  atomic.store<u64>(shard + SHARD_READER_EPOCH, max<u64>(atomic.load<u64>(INDEX + INDEX_EPOCH), 1));
  const shards = shardCount();
  for (let number: u32 = 0; number < shards; number++) {
    store<u32>(tailSeen(shard, number), atomic.load<u32>(ringTail(number)));
  }
}

export function readEnd(shard: usize): void {
  atomic.store<u64>(shard + SHARD_READER_EPOCH, 0);
}

/**
 * Tells the index writer that the endpoint now holds these keys, and puts them into the overlay at once. False when the
 * ring is full; that is counted, and the pick is then unknown to the index. After the last of a batch ring the
 * doorbell.
 */
export function ringPush(shard: usize, slot: u32, generation: u32, keys: usize, keyCount: u32): bool {
  assert(keyCount <= BLOCKS_MAX);
  if (keyCount == 0) return true;
  let head = load<u32>(shard + SHARD_RING_HEAD);
  const size = RING_RECORD_KEYS + (keyCount << 3);
  const lapRest = RING_SIZE - (head & (RING_SIZE - 1));
  let padding: u32 = 0;
  if (size > lapRest) padding = lapRest;
  if (head + padding + size - atomic.load<u32>(ringTail(shardNumber(shard))) > RING_SIZE) {
    addCounter(shard, SHARD_COUNTER_RING_FULL, 1);
    return false;
  }
  if (padding > 0) {
    // Sizes are multiples of 8, so the rest of a lap has room at least for these two fields.
    store<u32>(ringRecord(shard, head) + RING_RECORD_SIZE, padding);
    store<u32>(ringRecord(shard, head) + RING_RECORD_SLOT, RING_PADDING);
    head += padding;
  }
  const record = ringRecord(shard, head);
  store<u32>(record + RING_RECORD_SIZE, size);
  store<u32>(record + RING_RECORD_SLOT, slot);
  store<u32>(record + RING_RECORD_GENERATION, generation);
  store<u32>(record + RING_RECORD_KEY_COUNT, keyCount);
  memory.copy(record + RING_RECORD_KEYS, keys, (<usize>keyCount) << 3);
  noteInOverlay(shard, head);
  atomic.store<u32>(shard + SHARD_RING_HEAD, head + size);
  return true;
}

/**
 * Raises depths[slot] (u16) to the leading keys that the prompt shares with each record, of any shard, that the index
 * does not show yet. Call it after `matchKeys` of the same read. Records of an endpoint that has left its slot are
 * passed over.
 */
export function overlayMatch(shard: usize, keys: usize, keyCount: u32, depths: usize): void {
  if (keyCount == 0) return;
  const own = shardNumber(shard);
  const shards = shardCount();
  for (let number: u32 = 0; number < shards; number++) {
    const base = shardBase(number);
    const head = atomic.load<u32>(base + SHARD_RING_HEAD);
    const unseen = head - load<u32>(tailSeen(shard, number));
    if (unseen == 0) continue;
    // A record older than a whole lap has been overwritten: the writer has applied it, within this very read. What
    // another shard may be overwriting now is nearer by what it writes before it says so.
    let reach: u32 = RING_SIZE;
    if (number != own) reach -= 2 * RECORD_SIZE_MAX;
    matchRing(shard, base, head, min(unseen, reach), keys, keyCount, depths);
  }
}

/** With the records of the shard at `base` that lie up to `reach` bytes before `head`. */
function matchRing(shard: usize, base: usize, head: u32, reach: u32, keys: usize, keyCount: u32, depths: usize): void {
  const firstKey = load<u32>(keys);
  const noted = load<u32>(base + SHARD_OVERLAY_HEAD);
  const records = min(noted, OVERLAY_MAX);
  for (let age: u32 = 1; age <= records; age++) {
    const entry = overlayEntry(base, noted - age);
    const distance = head - load<u32>(entry);
    // Another shard notes a record before it publishes it.
    if (<i32>distance <= 0) continue;
    if (distance > reach) return;
    if (load<u32>(entry + OVERLAY_FIRST_KEY) != firstKey) continue;
    raiseDepth(shard, base, head - distance, keys, keyCount, depths);
  }
}

function raiseDepth(shard: usize, base: usize, position: u32, keys: usize, keyCount: u32, depths: usize): void {
  const record = ringRecord(base, position);
  const own: usize = record + RING_RECORD_KEYS;
  if (load<u64>(own) != load<u64>(keys)) return;
  const slot: usize = load<u32>(record + RING_RECORD_SLOT);
  if (slot >= ENDPOINTS_MAX) return;
  if (load<u32>(record + RING_RECORD_GENERATION) != load<u32>((slot << 2) + COLUMN_GENERATION)) return;
  const recordKeyCount = load<u32>(record + RING_RECORD_KEY_COUNT);
  if (recordKeyCount == 0) return;
  const depth = commonKeys(own, keys, min(recordKeyCount, keyCount));
  if (base != shard && mayBeOverwritten(shard, base, position)) return;
  const at = depths + (slot << 1);
  if (depth > <u32>load<u16>(at)) store<u16>(at, <u16>depth);
}

/** Whether another shard has come so near, a lap later, that it may have written here while the record was read. */
function mayBeOverwritten(shard: usize, base: usize, position: u32): bool {
  orderLoads(shard);
  return atomic.load<u32>(base + SHARD_RING_HEAD) - position > RING_SIZE - 2 * RECORD_SIZE_MAX;
}

/** Leading keys that two chains of at least `count` ≥ 1 keys share; the first is known to be shared. */
function commonKeys(left: usize, right: usize, count: u32): u32 {
  let low: u32 = 1;
  let high = count;
  while (low < high) {
    // Keys are chained: an equal key means that everything before it is equal too.
    const middle = (low + high + 1) >> 1;
    const at = (<usize>(middle - 1)) << 3;
    if (load<u64>(left + at) == load<u64>(right + at)) low = middle;
    else high = middle - 1;
  }
  return low;
}

function noteInOverlay(shard: usize, position: u32): void {
  const noted = load<u32>(shard + SHARD_OVERLAY_HEAD);
  const entry = overlayEntry(shard, noted);
  store<u32>(entry, position);
  store<u32>(entry + OVERLAY_FIRST_KEY, load<u32>(ringRecord(shard, position) + RING_RECORD_KEYS));
  store<u32>(shard + SHARD_OVERLAY_HEAD, noted + 1);
}

/**
 * Wakes the index writer if it sleeps. Whoever finds 1 stores 0, so that one wake-up is sent for one sleep (M9). A
 * wake-up costs more than a pick, so a batch rings once.
 */
export function ringDoorbell(): void {
  if (atomic.load<u32>(INDEX + INDEX_SLEEPING) == 0) return;
  atomic.store<u32>(INDEX + INDEX_SLEEPING, 0);
  atomic.notify(INDEX + INDEX_SLEEPING, 1);
}

/** Of the shard of that number. */
function ringTail(number: u32): usize {
  return ((<usize>number) << 2) + INDEX + INDEX_RING_TAIL;
}

/** Where the shard at `shard` notes the tail of another's ring, or its own. */
function tailSeen(shard: usize, number: u32): usize {
  return shard + SHARD_RING_TAILS_SEEN + ((<usize>number) << 2);
}

function ringRecord(shard: usize, position: u32): usize {
  return shard + SHARD_RING + <usize>(position & (RING_SIZE - 1));
}

function overlayEntry(shard: usize, number: u32): usize {
  return shard + SHARD_OVERLAY + ((<usize>(number & (OVERLAY_MAX - 1))) << 3);
}
