/**
 * Loads the kernel and types its exports. Every thread has its own instance over the one shared memory; the module holds
 * no state, so instances need nothing from each other. The index writer has a second instance over a private memory.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { assertSameLayout } from "./layout.ts";

/** The kernel's functions. Numbers in, a result code or count out; pointers are byte offsets into the memory. */
export interface Kernel {
  // block-hash
  /** Writes the id (XXH64) of each whole block of `size` bytes at `source` to `target`, 8 bytes each; returns their count. */
  hashBlocks(source: number, size: number, blockSize: number, target: number): number;
  /** Writes XXH64 of the bytes, seed 0, to the 8 bytes at `target`. */
  hashBytes(source: number, size: number, target: number): void;
  // prefix-index. `shard` is a region's base here, not a number.
  /** Writes to `depths` (u16 per slot) how many leading keys each candidate holds. `scratch`: 2 KiB. Between readBegin and readEnd. */
  matchKeys(keys: number, keyCount: number, candidates: number, depths: number, scratch: number): void;
  /** The same, probing every key: the oracle of tests. */
  matchKeysLinear(keys: number, keyCount: number, candidates: number, depths: number, scratch: number): void;
  /** Raises the depths by the shard's own picks that the index writer has not applied yet. */
  overlayMatch(shard: number, keys: number, keyCount: number, depths: number): void;
  readBegin(shard: number): void;
  readEnd(shard: number): void;
  /** Tells the index writer what a picked endpoint holds from now on; 0 when the ring is full. */
  ringPush(shard: number, slot: number, generation: number, keys: number, keyCount: number): number;
  // json-scan
  /** Readies a stream window for a new body of the given API (`layout.API_…`). */
  scanBegin(shard: number, window: number, api: number, blockSize: number): void;
  /** Takes the next `size` ≤ CHUNK_SIZE_MAX bytes, which lie at SHARD_CHUNK; returns a `layout.SCAN_…` code. */
  scanBody(shard: number, window: number, size: number, isLast: number): number;
  // schedule
  /** Decides picks 0 … pickCount − 1 of the shard in order, each seeing the charges of those before it. */
  decideBatch(shard: number, pickCount: number, nowMs: number): void;
  /** Returns what one pick charged. */
  releasePick(shard: number, slot: number, tokens: number): void;
  /** Requests in flight to a slot, over all shards. */
  inFlightRequests(slot: number): number;
  /** Returns all that a dead shard charged, and its reader epoch. For the control thread, after the shard's thread has ended. */
  resetShard(shard: number): void;
}

/** Instantiates the kernel over a memory. Throws when it was built from another layout than this program. */
export function instantiateKernel(memory: WebAssembly.Memory, build: "release" | "debug" = "release"): Kernel {
  const path = createRequire(import.meta.url).resolve(build === "release" ? "#kernel" : "#kernel-debug");
  const instance = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(path)), { env: { memory } });
  assertSameLayout(instance.exports);
  return instance.exports as unknown as Kernel;
}
