/**
 * Which endpoint a session is bound to, over all shards: a table of fixed size in which any shard finds, binds and
 * touches without locks. A session has its bucket of eight entries; when all are taken, the binding that was not used
 * for longest gives way, and that is counted.
 *
 *   bucket:  │ key, binding │ key, binding │ … │      binding: slot, generation, last use in seconds, tag
 *
 * An entry changes hands in two steps: first its key, then its binding, both by compare-and-swap (M19). Between them
 * the binding's tag is not the new key's, and whoever looks finds no binding; the same after a thread has died in
 * between. Two shards may bind one new session at the same time in two entries: all find the first, and the second
 * grows old (M20).
 */
import { hasBit } from "./candidates";
import {
  COLUMN_GENERATION,
  PICK_FLAGS,
  PICK_GENERATION,
  PICK_HAS_SESSIONS,
  PICK_SESSION_BINDS,
  PICK_SESSION_SECONDS_MAX,
  PICK_SESSION_STRIDE,
  PICK_SESSIONS,
  PICK_SLOT,
  REQUEST_SESSIONS_MAX,
  SESSION_BUCKET,
  SESSION_SIZE,
  SESSIONS,
  SESSIONS_MAX,
  SHARD_COUNTER_SESSIONS_BOUND,
  SHARD_COUNTER_SESSIONS_REPLACED,
  SNAPSHOT_PRESENT,
} from "./layout";
import { addCounter } from "./memory";

/** A session that is bound to no endpoint. */
export const NO_SLOT: u32 = 0xffffffff;

const SECONDS_MASK: u64 = 0xffffff;
const GENERATION_MASK: u64 = 0x3fff;
const SLOT_MASK: u64 = 0x3ff;
/** How often an entry that others take at the same moment is tried again; then the session stays unbound. */
const CLAIMS_MAX: u32 = 8;

/** Slot of the endpoint that the request's session `number` is bound to; NO_SLOT for none, or one that is gone. */
export function boundSlot(shard: usize, pick: usize, number: u32, nowMs: f64): u32 {
  const session = sessionOf(pick, number);
  if (session == 0) return NO_SLOT;
  const entry = findSession(load<u64>(session));
  if (entry == 0) return NO_SLOT;
  return liveSlot(shard, session, atomic.load<u64>(entry, 8), secondsOf(nowMs));
}

/**
 * After a pick: renews the request's bindings, and binds those of its sessions that have none to the picked endpoint.
 */
export function bindSessions(shard: usize, pick: usize, nowMs: f64): void {
  if ((load<u32>(pick + PICK_FLAGS) & PICK_HAS_SESSIONS) == 0) return;
  for (let number: u32 = 0; number < REQUEST_SESSIONS_MAX; number++) {
    const session = sessionOf(pick, number);
    if (session == 0 || load<u32>(session + PICK_SESSION_BINDS) == 0) continue;
    bindSession(shard, pick, session, secondsOf(nowMs));
  }
}

function bindSession(shard: usize, pick: usize, session: usize, nowSeconds: u64): void {
  const key = load<u64>(session);
  for (let attempt: u32 = 0; attempt < CLAIMS_MAX; attempt++) {
    let entry = findSession(key);
    if (entry == 0) entry = claimEntry(shard, session, key, nowSeconds);
    if (entry == 0) continue;
    const before = atomic.load<u64>(entry, 8);
    const isNew = liveSlot(shard, session, before, nowSeconds) == NO_SLOT;
    const after = isNew ? newBinding(pick, key, nowSeconds) : renewed(before, nowSeconds);
    // Fails when another shard has changed the entry meanwhile: its key may be another one by now.
    if (after != before && atomic.cmpxchg<u64>(entry + 8, before, after) != before) continue;
    if (isNew) addCounter(shard, SHARD_COUNTER_SESSIONS_BOUND, 1);
    return;
  }
}

/** The first entry with this key whose binding is its own, or the first with this key; 0 when there is none. */
function findSession(key: u64): usize {
  const bucket = bucketOf(key);
  for (let at = bucket; at < bucket + SESSION_BUCKET * SESSION_SIZE; at += SESSION_SIZE) {
    if (atomic.load<u64>(at) == key) return at;
  }
  return 0;
}

/**
 * Puts the key into a free entry of its bucket, or else into the one whose binding was not used for longest. 0 when
 * another shard took that at the same moment.
 */
function claimEntry(shard: usize, session: usize, key: u64, nowSeconds: u64): usize {
  const bucket = bucketOf(key);
  let oldest = bucket;
  let oldestKey: u64 = 0;
  let oldestAge: u64 = 0;
  for (let at = bucket; at < bucket + SESSION_BUCKET * SESSION_SIZE; at += SESSION_SIZE) {
    const entryKey = atomic.load<u64>(at);
    const binding = atomic.load<u64>(at, 8);
    // A free entry, and one whose binding is not its key's, serve nobody: they go before any that does.
    let age: u64 = SECONDS_MASK + 1;
    if (entryKey != 0 && tagOf(binding) == tagOf(entryKey)) age = ageOf(binding, nowSeconds);
    if (at > bucket && age <= oldestAge) continue;
    oldest = at;
    oldestKey = entryKey;
    oldestAge = age;
  }
  if (atomic.cmpxchg<u64>(oldest, oldestKey, key) != oldestKey) return 0;
  const wasAlive = oldestAge <= <u64>load<u32>(session + PICK_SESSION_SECONDS_MAX);
  if (wasAlive) addCounter(shard, SHARD_COUNTER_SESSIONS_REPLACED, 1);
  return oldest;
}

/** Slot of a binding that is its session's, was used lately, and whose endpoint is still there. */
function liveSlot(shard: usize, session: usize, binding: u64, nowSeconds: u64): u32 {
  if (tagOf(binding) != tagOf(load<u64>(session))) return NO_SLOT;
  if (ageOf(binding, nowSeconds) > <u64>load<u32>(session + PICK_SESSION_SECONDS_MAX)) return NO_SLOT;
  const slot = <u32>(binding & SLOT_MASK);
  const generation = <u64>load<u32>(((<usize>slot) << 2) + COLUMN_GENERATION) & GENERATION_MASK;
  if (((binding >> 10) & GENERATION_MASK) != generation || !hasBit(shard + SNAPSHOT_PRESENT, slot)) return NO_SLOT;
  return slot;
}

function newBinding(pick: usize, key: u64, nowSeconds: u64): u64 {
  const generation = <u64>load<u32>(pick + PICK_GENERATION) & GENERATION_MASK;
  return renewed((tagOf(key) << 48) | (generation << 10) | <u64>load<u32>(pick + PICK_SLOT), nowSeconds);
}

function renewed(binding: u64, nowSeconds: u64): u64 {
  return (binding & ~(SECONDS_MASK << 24)) | ((nowSeconds & SECONDS_MASK) << 24);
}

/** The record of session `number` of a request, 0 when it has none. */
function sessionOf(pick: usize, number: u32): usize {
  assert(number < REQUEST_SESSIONS_MAX);
  if ((load<u32>(pick + PICK_FLAGS) & PICK_HAS_SESSIONS) == 0) return 0;
  const session = pick + PICK_SESSIONS + <usize>number * PICK_SESSION_STRIDE;
  return load<u64>(session) == 0 ? 0 : session;
}

/** First entry of a key's bucket (M20). */
export function bucketOf(key: u64): usize {
  const number = <usize>(key & <u64>(SESSIONS_MAX / SESSION_BUCKET - 1));
  return <usize>SESSIONS + number * (SESSION_BUCKET * SESSION_SIZE);
}

function tagOf(word: u64): u64 {
  return word >> 48;
}

/**
 * Seconds since a binding was used, counted modulo 2^24, half a year. What seems to be older than half of that was used
 * by a shard whose clock is a moment ahead.
 */
function ageOf(binding: u64, nowSeconds: u64): u64 {
  const age = (nowSeconds - (binding >> 24)) & SECONDS_MASK;
  return age > SECONDS_MASK >> 1 ? 0 : age;
}

function secondsOf(nowMs: f64): u64 {
  return <u64>(nowMs / 1000);
}
