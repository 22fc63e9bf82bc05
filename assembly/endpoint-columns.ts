/**
 * The snapshot of a batch: copies the endpoint columns that decisions read, with the requests in flight of all shards,
 * under the columns' odd/even version (M2). Every pick of the batch decides on this copy and on the charges of the
 * picks before it, so a batch is a function of its snapshot.
 */
import {
  COLUMN_IN_FLIGHT_AT_SCRAPE,
  COLUMN_KV_CACHE_USAGE,
  COLUMN_QUEUE_DEPTH,
  COLUMN_SCRAPED_AT_MS,
  COLUMN_STATE,
  ENDPOINT_PRESENT,
  ENDPOINT_REACHABLE,
  ENDPOINTS,
  ENDPOINTS_SLOT_COUNT,
  ENDPOINTS_VERSION,
  MASK_SIZE,
  SHARD_COUNTER_SNAPSHOT_TORN,
  SHARD_IN_FLIGHT_REQUESTS,
  SNAPSHOT_KV_CACHE_USAGE,
  SNAPSHOT_PRESENT,
  SNAPSHOT_QUEUE_DEPTH,
  SNAPSHOT_REACHABLE,
  SNAPSHOT_SLOT_COUNT,
  SNAPSHOT_SURPLUS,
} from "./layout";
import { addCounter, shardBase, shardCount } from "./memory";

/**
 * The writer holds the version odd for well under a microsecond; a torn copy after this many tries is used and counted.
 */
const SNAPSHOT_TRIES: u32 = 1000;

/** Copies the columns into the scratch of the shard at `shard`. A value older than `staleMs` is unknown (NaN). */
export function takeSnapshot(shard: usize, nowMs: f64, staleMs: f64): void {
  for (let attempt: u32 = 0; attempt < SNAPSHOT_TRIES; attempt++) {
    const version = atomic.load<u32>(ENDPOINTS + ENDPOINTS_VERSION);
    if ((version & 1) != 0) continue;
    copyColumns(shard, nowMs, staleMs);
    if (atomic.load<u32>(ENDPOINTS + ENDPOINTS_VERSION) == version) return;
  }
  copyColumns(shard, nowMs, staleMs);
  addCounter(shard, SHARD_COUNTER_SNAPSHOT_TORN, 1);
}

/** Loads columns atomically: a plain load may be made later than the second look at the version on some processors. */
function copyColumns(shard: usize, nowMs: f64, staleMs: f64): void {
  const slotCount = atomic.load<u32>(ENDPOINTS + ENDPOINTS_SLOT_COUNT);
  store<u32>(shard + SNAPSHOT_SLOT_COUNT, slotCount);
  memory.fill(shard + SNAPSHOT_PRESENT, 0, MASK_SIZE);
  memory.fill(shard + SNAPSHOT_REACHABLE, 0, MASK_SIZE);
  for (let slot: u32 = 0; slot < slotCount; slot++) {
    const column: usize = (<usize>slot) << 2;
    const state = atomic.load<u32>(column + COLUMN_STATE);
    if ((state & ENDPOINT_PRESENT) == 0) continue;
    setBit(shard + SNAPSHOT_PRESENT, slot);
    if ((state & ENDPOINT_REACHABLE) != 0) setBit(shard + SNAPSHOT_REACHABLE, slot);
    const isFresh = nowMs - reinterpret<f64>(atomic.load<u64>((column << 1) + COLUMN_SCRAPED_AT_MS)) <= staleMs;
    const queueDepth: f32 = isFresh ? atomicF32(column + COLUMN_QUEUE_DEPTH) : <f32>NaN;
    const kvCacheUsage: f32 = isFresh ? atomicF32(column + COLUMN_KV_CACHE_USAGE) : <f32>NaN;
    store<f32>(shard + column + SNAPSHOT_QUEUE_DEPTH, queueDepth);
    store<f32>(shard + column + SNAPSHOT_KV_CACHE_USAGE, kvCacheUsage);
    const surplus = inFlightRequests(slot) - atomic.load<u32>(column + COLUMN_IN_FLIGHT_AT_SCRAPE);
    store<u32>(shard + column + SNAPSHOT_SURPLUS, surplus);
  }
}

/** Requests in flight to a slot: the sum over all shards' columns. */
export function inFlightRequests(slot: u32): u32 {
  const shards = shardCount();
  let sum: u32 = 0;
  for (let shard: u32 = 0; shard < shards; shard++) {
    sum += atomic.load<u32>(shardBase(shard) + SHARD_IN_FLIGHT_REQUESTS + ((<usize>slot) << 2));
  }
  return sum;
}

function atomicF32(at: usize): f32 {
  return reinterpret<f32>(atomic.load<u32>(at));
}

function setBit(mask: usize, bit: u32): void {
  const word = mask + ((<usize>(bit >> 6)) << 3);
  store<u64>(word, load<u64>(word) | ((<u64>1) << (bit & 63)));
}
