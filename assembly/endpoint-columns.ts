/**
 * The snapshot of a batch: copies the endpoint columns that decisions read, with what all shards have in flight, under
 * the columns' odd/even version (M2). Every pick of the batch decides on this copy and on the charges of the picks
 * before it, so a batch is a function of its snapshot.
 */
import {
  BACKED_OFF_MS,
  COLUMN_IN_FLIGHT_AT_SCRAPE,
  COLUMN_KV_CACHE_USAGE,
  COLUMN_QUEUE_DEPTH,
  COLUMN_RUNNING,
  COLUMN_SCRAPED_AT_MS,
  COLUMN_STATE,
  ENDPOINT_BACKED_OFF,
  ENDPOINT_PRESENT,
  ENDPOINT_REACHABLE,
  ENDPOINTS,
  ENDPOINTS_SLOT_COUNT,
  ENDPOINTS_VERSION,
  MASK_SIZE,
  SHARD_COUNTER_SNAPSHOT_TORN,
  SHARD_IN_FLIGHT_REQUESTS,
  SHARD_IN_FLIGHT_TOKENS,
  SNAPSHOT_AGE_MS,
  SNAPSHOT_IN_FLIGHT_REQUESTS,
  SNAPSHOT_IN_FLIGHT_TOKENS,
  SNAPSHOT_KV_CACHE_USAGE,
  SNAPSHOT_PRESENT,
  SNAPSHOT_QUEUE_DEPTH,
  SNAPSHOT_REACHABLE,
  SNAPSHOT_RUNNING,
  SNAPSHOT_SLOT_COUNT,
  SNAPSHOT_SURPLUS,
} from "./layout";
import { addCounter, orderLoads, shardBase, shardCount } from "./memory";

/**
 * The writer holds the version odd for well under a microsecond; a torn copy after this many tries is used and counted.
 */
const SNAPSHOT_TRIES: u32 = 1000;

/** Copies the columns into the scratch of the shard at `shard`. A value older than `staleMs` is unknown (NaN). */
export function takeSnapshot(shard: usize, nowMs: f64, staleMs: f64): void {
  let isWhole = false;
  for (let attempt: u32 = 0; attempt < SNAPSHOT_TRIES && !isWhole; attempt++) {
    const version = atomic.load<u32>(ENDPOINTS + ENDPOINTS_VERSION);
    if ((version & 1) != 0) continue;
    copyColumns(shard);
    // The plain loads of the copy must not be made after the second look at the version.
    orderLoads(shard);
    isWhole = atomic.load<u32>(ENDPOINTS + ENDPOINTS_VERSION) == version;
  }
  if (!isWhole) {
    copyColumns(shard);
    addCounter(shard, SHARD_COUNTER_SNAPSHOT_TORN, 1);
  }
  judgeAges(shard, nowMs, staleMs);
}

/** Copies states into masks and all numbers as they stand; times of scrapes go where ages will be. */
function copyColumns(shard: usize): void {
  const slotCount = atomic.load<u32>(ENDPOINTS + ENDPOINTS_SLOT_COUNT);
  store<u32>(shard + SNAPSHOT_SLOT_COUNT, slotCount);
  const size: usize = (<usize>slotCount) << 2;
  memory.copy(shard + SNAPSHOT_QUEUE_DEPTH, COLUMN_QUEUE_DEPTH, size);
  memory.copy(shard + SNAPSHOT_RUNNING, COLUMN_RUNNING, size);
  memory.copy(shard + SNAPSHOT_KV_CACHE_USAGE, COLUMN_KV_CACHE_USAGE, size);
  memory.copy(shard + SNAPSHOT_AGE_MS, COLUMN_SCRAPED_AT_MS, size << 1);
  sumInFlight(shard, size);
  copyStates(shard, slotCount);
}

function copyStates(shard: usize, slotCount: u32): void {
  memory.fill(shard + SNAPSHOT_PRESENT, 0, MASK_SIZE);
  memory.fill(shard + SNAPSHOT_REACHABLE, 0, MASK_SIZE);
  for (let slot: u32 = 0; slot < slotCount; slot++) {
    const state = load<u32>(((<usize>slot) << 2) + COLUMN_STATE);
    if ((state & ENDPOINT_PRESENT) == 0) continue;
    setBit(shard + SNAPSHOT_PRESENT, slot);
    if ((state & ENDPOINT_REACHABLE) != 0) setBit(shard + SNAPSHOT_REACHABLE, slot);
    if ((state & ENDPOINT_BACKED_OFF) == 0) continue;
    const scrapedAt = shard + SNAPSHOT_AGE_MS + ((<usize>slot) << 3);
    if (load<f64>(scrapedAt) != 0) store<f64>(scrapedAt, load<f64>(scrapedAt) + <f64>BACKED_OFF_MS);
  }
}

/** Adds up what the shards have in flight, four slots at a time. Each number has one writer and is read whole. */
function sumInFlight(shard: usize, size: usize): void {
  const shards = shardCount();
  for (let at: usize = 0; at < size; at += 16) {
    let requests = i32x4.splat(0);
    let tokens = i32x4.splat(0);
    for (let number: u32 = 0; number < shards; number++) {
      const base = shardBase(number) + at;
      requests = i32x4.add(requests, v128.load(base + SHARD_IN_FLIGHT_REQUESTS));
      tokens = i32x4.add(tokens, v128.load(base + SHARD_IN_FLIGHT_TOKENS));
    }
    v128.store(shard + SNAPSHOT_IN_FLIGHT_REQUESTS + at, requests);
    v128.store(shard + SNAPSHOT_IN_FLIGHT_TOKENS + at, tokens);
    v128.store(shard + SNAPSHOT_SURPLUS + at, i32x4.sub(requests, v128.load(at + COLUMN_IN_FLIGHT_AT_SCRAPE)));
  }
}

/** Turns times of scrapes into ages, and makes unknown what is too old. */
function judgeAges(shard: usize, nowMs: f64, staleMs: f64): void {
  const slotCount = load<u32>(shard + SNAPSHOT_SLOT_COUNT);
  for (let slot: u32 = 0; slot < slotCount; slot++) {
    const column = shard + ((<usize>slot) << 2);
    const at = shard + SNAPSHOT_AGE_MS + ((<usize>slot) << 3);
    const scrapedAtMs = load<f64>(at);
    const ageMs: f64 = scrapedAtMs == 0 ? Infinity : nowMs - scrapedAtMs;
    store<f64>(at, ageMs);
    if (ageMs <= staleMs) continue;
    store<f32>(column + SNAPSHOT_QUEUE_DEPTH, NaN);
    store<f32>(column + SNAPSHOT_RUNNING, NaN);
    store<f32>(column + SNAPSHOT_KV_CACHE_USAGE, NaN);
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

function setBit(mask: usize, bit: u32): void {
  const word = mask + ((<usize>(bit >> 6)) << 3);
  store<u64>(word, load<u64>(word) | ((<u64>1) << (bit & 63)));
}
