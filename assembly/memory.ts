/**
 * Where the regions that are sized at start lie. The control thread writes the bases into the header once
 * (`src/wasm/regions.ts`); these accessors read them, so no other file knows how a base is found.
 */
import {
  HEADER,
  HEADER_INDEX_SLOTS_LOG2,
  HEADER_INDEX_TABLE,
  HEADER_INDEX_VERSIONS,
  HEADER_SHARD_COUNT,
  HEADER_SHARD_STRIDE,
  HEADER_SHARDS_BASE,
  POLICIES,
  POLICY_STRIDE,
  SHARD_COUNTERS,
  SHARD_FENCE,
  SHARD_WINDOWS,
  WINDOW_STRIDE,
} from "./layout";

/** Base of a shard's region. */
export function shardBase(shard: u32): usize {
  return <usize>load<u32>(HEADER + HEADER_SHARDS_BASE) + <usize>shard * <usize>load<u32>(HEADER + HEADER_SHARD_STRIDE);
}

/** Number of the shard whose base is `shard`. */
export function shardNumber(shard: usize): u32 {
  return (<u32>shard - load<u32>(HEADER + HEADER_SHARDS_BASE)) / load<u32>(HEADER + HEADER_SHARD_STRIDE);
}

export function shardCount(): u32 {
  return load<u32>(HEADER + HEADER_SHARD_COUNT);
}

/** Base of stream window `window` of the shard at `shard` (a base, not a number). */
export function windowBase(shard: usize, window: u32): usize {
  return shard + SHARD_WINDOWS + <usize>window * WINDOW_STRIDE;
}

export function policyBase(policy: u32): usize {
  return <usize>POLICIES + <usize>policy * POLICY_STRIDE;
}

/** Base of the index key table. */
export function keyTable(): usize {
  return load<u32>(HEADER + HEADER_INDEX_TABLE);
}

/** Slots of the key table, less one: a key's home is `key & keyTableMask()`. */
export function keyTableMask(): u64 {
  return ((<u64>1) << load<u32>(HEADER + HEADER_INDEX_SLOTS_LOG2)) - 1;
}

/** Base of the key table's window versions. */
export function keyTableVersions(): usize {
  return load<u32>(HEADER + HEADER_INDEX_VERSIONS);
}

/**
 * Keeps plain loads before this call before atomic loads after it (M2). An atomic store is not moved before earlier
 * loads, nor an atomic load before an earlier atomic store.
 */
export function orderLoads(shard: usize): void {
  atomic.store<u32>(shard + SHARD_FENCE, 1);
}

/** Adds to a u64 counter of the shard at `shard`. */
export function addCounter(shard: usize, counter: u32, amount: u64): void {
  const at = shard + SHARD_COUNTERS + ((<usize>counter) << 3);
  store<u64>(at, load<u64>(at) + amount);
}
