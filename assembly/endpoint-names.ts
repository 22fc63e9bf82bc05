/**
 * What endpoints say they have: adapters that run or wait, and the models they serve. Names are hashes. The control
 * thread changes the tables between an odd and an even version (M2); who has met a change reads all of them again.
 */
import { slotAt } from "./candidates";
import {
  ADAPTERS,
  ENDPOINT_NAMES_COUNT,
  ENDPOINT_NAMES_CUT,
  ENDPOINT_NAMES_FLAGS,
  ENDPOINT_NAMES_HASHES,
  ENDPOINT_NAMES_KNOWN,
  ENDPOINT_NAMES_MAX,
  ENDPOINT_NAMES_ROOM,
  ENDPOINT_NAMES_STRIDE,
  ENDPOINT_NAMES_VERSION,
  KEPT,
  NAME_RUNNING,
  NAME_WAITING,
  SERVED_MODELS,
  SHARD_COUNTER_SNAPSHOT_TORN,
} from "./layout";
import { addCounter, orderLoads } from "./memory";

/** Tables change when an engine loads another adapter; what changes for that long is used as it is, and counted. */
const READS_MAX: u32 = 1000;
const STATE_BITS: u64 = 3;

/** Results of `findName`, besides the NAME_… bits. */
const NOT_FOUND: u32 = 0;
const NOT_KNOWN: u32 = 4;
const ROOM: u32 = 8;

/** Scores each candidate: 1 where the adapter runs, 0.8 with room for one more, 0.6 where it waits, else 0; or NaN. */
export function scoreAdapters(shard: usize, count: u32, hash: u64, scores: usize): void {
  for (let read: u32 = 0; read < READS_MAX; read++) {
    const version = atomic.load<u32>(ENDPOINT_NAMES_VERSION);
    if ((version & 1) != 0) continue;
    readScores(shard, count, hash, scores);
    orderLoads(shard);
    if (atomic.load<u32>(ENDPOINT_NAMES_VERSION) == version) return;
  }
  readScores(shard, count, hash, scores);
  addCounter(shard, SHARD_COUNTER_SNAPSHOT_TORN, 1);
}

/** Marks at KEPT the candidates that serve the model, as base model or adapter, or do not say which they serve. */
export function markServing(shard: usize, count: u32, hash: u64): void {
  for (let read: u32 = 0; read < READS_MAX; read++) {
    const version = atomic.load<u32>(ENDPOINT_NAMES_VERSION);
    if ((version & 1) != 0) continue;
    readServing(shard, count, hash);
    orderLoads(shard);
    if (atomic.load<u32>(ENDPOINT_NAMES_VERSION) == version) return;
  }
  readServing(shard, count, hash);
  addCounter(shard, SHARD_COUNTER_SNAPSHOT_TORN, 1);
}

function readScores(shard: usize, count: u32, hash: u64, scores: usize): void {
  for (let position: u32 = 0; position < count; position++) {
    const found = findName(ADAPTERS, slotAt(shard, position), hash);
    let score: f64 = 0;
    if ((found & NOT_KNOWN) != 0) score = NaN;
    else if ((found & NAME_RUNNING) != 0) score = 1;
    else if ((found & ROOM) != 0) score = 0.8;
    else if ((found & NAME_WAITING) != 0) score = 0.6;
    store<f64>(scores + ((<usize>position) << 3), score);
  }
}

function readServing(shard: usize, count: u32, hash: u64): void {
  for (let position: u32 = 0; position < count; position++) {
    const slot = slotAt(shard, position);
    const serves =
      findName(SERVED_MODELS, slot, hash) != NOT_FOUND ||
      (findName(ADAPTERS, slot, hash) & (NAME_RUNNING | NAME_WAITING)) != 0;
    store<u8>(shard + KEPT + <usize>position, <u8>serves);
  }
}

/** NAME_… bits of a name in a slot's table, with ROOM; NOT_KNOWN where the table does not say. */
function findName(tables: u32, slot: u32, hash: u64): u32 {
  const table: usize = <usize>tables + <usize>slot * ENDPOINT_NAMES_STRIDE;
  const flags = load<u32>(table + ENDPOINT_NAMES_FLAGS);
  if ((flags & ENDPOINT_NAMES_KNOWN) == 0) return NOT_KNOWN;
  const room: u32 = (flags & ENDPOINT_NAMES_ROOM) != 0 ? ROOM : 0;
  // While the table changes, the count may be anything.
  const count = min<u32>(load<u32>(table + ENDPOINT_NAMES_COUNT), ENDPOINT_NAMES_MAX);
  const end = table + ENDPOINT_NAMES_HASHES + ((<usize>count) << 3);
  for (let at = table + ENDPOINT_NAMES_HASHES; at < end; at += 8) {
    const entry = load<u64>(at);
    if (((entry ^ hash) & ~STATE_BITS) == 0) return <u32>(entry & STATE_BITS) | room;
  }
  if ((flags & ENDPOINT_NAMES_CUT) != 0 && room == 0) return NOT_KNOWN;
  return room;
}
