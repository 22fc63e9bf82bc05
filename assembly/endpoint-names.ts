/**
 * What an endpoint says it has: adapters that run or wait, and the models it serves. Names are hashes. The control
 * thread replaces a table between an odd and an even version (M2); a reader that has met a change reads again.
 */
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
  NAME_RUNNING,
  NAME_WAITING,
  SERVED_MODELS,
} from "./layout";
import { orderLoads } from "./memory";

/** A table is changed once per scrape at most; what is still changing after so many looks counts as unknown. */
const LOOKS_MAX: u32 = 100;
const STATE_BITS: u64 = 3;

/** Results of `findName`, above the NAME_… bits. */
const NOT_FOUND: u32 = 0;
const NOT_KNOWN: u32 = 4;
const ROOM: u32 = 8;

/** 1 where the adapter runs, 0.8 where there is room for one more, 0.6 where it waits, else 0; NaN where unknown. */
export function adapterScore(shard: usize, slot: u32, hash: u64): f64 {
  const found = findName(shard, ADAPTERS, slot, hash);
  if ((found & NOT_KNOWN) != 0) return NaN;
  if ((found & NAME_RUNNING) != 0) return 1;
  if ((found & ROOM) != 0) return 0.8;
  return (found & NAME_WAITING) != 0 ? 0.6 : 0;
}

/** True where the model is served, as base model or adapter, and where it is not known which are. */
export function servesModel(shard: usize, slot: u32, hash: u64): bool {
  const found = findName(shard, SERVED_MODELS, slot, hash);
  if (found != NOT_FOUND) return true;
  return (findName(shard, ADAPTERS, slot, hash) & (NAME_RUNNING | NAME_WAITING)) != 0;
}

/** NAME_… bits of a name in a slot's table, with ROOM; NOT_KNOWN where the table does not say. */
function findName(shard: usize, tables: u32, slot: u32, hash: u64): u32 {
  const table: usize = <usize>tables + <usize>slot * ENDPOINT_NAMES_STRIDE;
  for (let look: u32 = 0; look < LOOKS_MAX; look++) {
    const version = atomic.load<u32>(table + ENDPOINT_NAMES_VERSION);
    if ((version & 1) != 0) continue;
    const found = searchTable(table, hash & ~STATE_BITS);
    orderLoads(shard);
    if (atomic.load<u32>(table + ENDPOINT_NAMES_VERSION) == version) return found;
  }
  return NOT_KNOWN;
}

function searchTable(table: usize, wanted: u64): u32 {
  const flags = load<u32>(table + ENDPOINT_NAMES_FLAGS);
  if ((flags & ENDPOINT_NAMES_KNOWN) == 0) return NOT_KNOWN;
  const room: u32 = (flags & ENDPOINT_NAMES_ROOM) != 0 ? ROOM : 0;
  // While the table changes, the count may be anything.
  const count = min<u32>(load<u32>(table + ENDPOINT_NAMES_COUNT), ENDPOINT_NAMES_MAX);
  const end = table + ENDPOINT_NAMES_HASHES + ((<usize>count) << 3);
  for (let at = table + ENDPOINT_NAMES_HASHES; at < end; at += 8) {
    const hash = load<u64>(at);
    if ((hash & ~STATE_BITS) == wanted) return <u32>(hash & STATE_BITS) | room;
  }
  if ((flags & ENDPOINT_NAMES_CUT) != 0 && room == 0) return NOT_KNOWN;
  return room;
}
