/**
 * Loads the kernel and types its exports. Every thread has its own instance over the one shared memory; the module
 * holds no state, so instances need nothing from each other. The index writer has a second instance over a private
 * memory.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { assertSameLayout } from "./layout.ts";

/** The kernel's functions. Numbers in, a result code or count out; pointers are byte offsets into the memory. */
export interface Kernel {
  // block-hash
  /**
   * Writes the id (XXH64) of each whole block of `size` bytes at `source` to `target`, 8 bytes each; returns their
   * count.
   */
  hashBlocks(source: number, size: number, blockSize: number, target: number): number;
  /** Writes XXH64 of the bytes, seed 0, to the 8 bytes at `target`. */
  hashBytes(source: number, size: number, target: number): void;
  // prefix-index. `shard` is a region's base here, not a number.
  /**
   * Writes to `depths` (u16 per slot) how many leading keys each candidate holds. `scratch`: 2 KiB. Between readBegin
   * and readEnd.
   */
  matchKeys(keys: number, keyCount: number, candidates: number, depths: number, scratch: number): void;
  /** The same, probing every key: the oracle of tests. */
  matchKeysLinear(keys: number, keyCount: number, candidates: number, depths: number, scratch: number): void;
  /** Raises the depths by the picks of all shards that the index writer has not applied yet. */
  overlayMatch(shard: number, keys: number, keyCount: number, depths: number): void;
  readBegin(shard: number): void;
  readEnd(shard: number): void;
  /** Tells the index writer what a picked endpoint holds from now on; 0 when the ring is full. */
  ringPush(shard: number, slot: number, generation: number, keys: number, keyCount: number): number;
  /** Wakes the index writer if it sleeps; after the last `ringPush` of a batch. */
  ringDoorbell(): void;
  // prefix-index, for the index writer
  /** Empties the index under its readers, and skips what the rings hold. Holder sets 1 … setLimit − 1 are used. */
  writerReset(setLimit: number): void;
  /** Notes that the endpoint holds these keys, head first; returns how many the table and the set pool took. */
  storeBlocks(slot: number, keys: number, count: number): number;
  /** Notes that the endpoint no longer holds these keys, tail first; returns how many it held. */
  removeBlocks(slot: number, keys: number, count: number): number;
  /** Ends a batch of changes. */
  raiseEpoch(): void;
  /** First slot from `from` on whose clearing is asked for and not done; ENDPOINTS_MAX when there is none. */
  nextClearRequest(from: number): number;
  /**
   * Number N of the first broken invariant MN of the index, 0 when all hold; where it broke goes to `report`. For
   * tests.
   */
  checkIndex(report: number): number;
  // lanes: over the index writer's private memory only
  lanesInit(limit: number, bucketsLog2: number): void;
  /** How many leading keys of the chain at LANES_KEYS the lane holds; they become its newest. */
  laneMatch(slot: number, keyCount: number): number;
  /** Adds keys held … held + count − 1 of that chain. */
  laneInsert(slot: number, held: number, count: number): void;
  /** Takes up to `count` of the oldest blocks out, leaving `keep`; their keys stand at LANES_EVICTED, tails first. */
  laneEvict(slot: number, count: number, keep: number): number;
  laneFullest(): number;
  /** Writes the lane's keys, newest first, to `target`; returns their count. For tests. */
  laneKeys(slot: number, target: number, max: number): number;
  checkLanes(report: number): number;
  /** The same for the sessions. */
  checkSessions(report: number): number;
  // prometheus-scan: over the control thread's private memory only
  /** Readies a window for a new exposition of the engine whose wanted series stand in `table`. */
  expositionBegin(window: number, table: number): void;
  /** Takes the next `size` bytes, which lie at `from` of EXPOSITION_CHUNK. */
  expositionFeed(window: number, from: number, size: number): void;
  /** Takes a last line without an end; the window's results are complete. */
  expositionEnd(window: number): void;
  // json-scan
  /** Readies a stream window for a new body of the given API (`layout.API_…`). */
  scanBegin(shard: number, window: number, api: number, policy: number, videoTokens: number): void;
  /** Takes the next `size` ≤ CHUNK_SIZE_MAX bytes, which lie at SHARD_CHUNK; returns a `layout.SCAN_…` code. */
  scanBody(shard: number, window: number, size: number, isLast: number): number;
  // schedule
  /** Decides picks 0 … pickCount − 1 of the shard in order, each seeing the charges of those before it. */
  decideBatch(shard: number, pickCount: number, nowMs: number): void;
  // stages: one pick, record 0, step by step
  /** Takes the snapshot, lists the candidates, matches the prompt; returns the candidates' count, 0 ends the pick. */
  stageBegin(shard: number, nowMs: number): number;
  /** Returns how many candidates the filter leaves; 0 ends the pick. */
  stageFilter(shard: number, filter: number, nowMs: number): number;
  stageScore(shard: number, scorer: number, nowMs: number): void;
  stageTotal(shard: number): void;
  /** Returns how many targets the profile's picker has put at CHOSEN. */
  stagePick(shard: number): number;
  /** Answers with the `chosen` targets at CHOSEN, charges and records. */
  stageAnswer(shard: number, chosen: number, nowMs: number): void;
  // charges
  /** Returns what is left of a pick's charge: one request and these tokens. */
  releasePick(shard: number, slot: number, tokens: number): void;
  /** Returns tokens of a pick's charge before the rest. */
  releaseTokens(shard: number, slot: number, tokens: number): void;
  // saturation, of the endpoints that pick record 0 allows
  /** By the policy's detector: 0 idle, 1 saturated, more is possible; 0 without a detector. */
  poolSaturation(shard: number, policy: number, nowMs: number): number;
  /** Mean of max(queue / threshold, KV usage / threshold); unknown counts as 1. */
  meanUtilization(shard: number, policy: number, nowMs: number, queueThreshold: number, kvThreshold: number): number;
  // programs
  /** Writes one number of an attribute column, from any thread. */
  setAttribute(column: number, slot: number, value: number): void;
  /** Requests in flight to a slot, over all shards. */
  inFlightRequests(slot: number): number;
  /**
   * Returns all that a dead shard charged, and its reader epoch. For the control thread, after the shard's thread has
   * ended.
   */
  resetShard(shard: number): void;
}

/** The debug build keeps its assertions. */
export type KernelBuild = "release" | "debug";

/** Instantiates the kernel over a memory. Throws when it was built from another layout than this program. */
export function instantiateKernel(memory: WebAssembly.Memory, build: KernelBuild = "release"): Kernel {
  const path = createRequire(import.meta.url).resolve(build === "release" ? "#kernel" : "#kernel-debug");
  const instance = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(path)), { env: { memory } });
  assertSameLayout(instance.exports);
  return instance.exports as unknown as Kernel;
}
