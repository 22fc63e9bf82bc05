/**
 * Readers on threads of their own while the writer changes the index. Strategy: a small, nearly full table (one version
 * window, long runs, so that most deletions move other keys) and a small set pool (so that ids are reused all the
 * time). Each endpoint may only ever hold a fixed part of a chain, so a reader can tell an invented holder without
 * knowing what the writer has just done; and some endpoints hold a chain all the time, so a reader can tell a lost one.
 */
import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { chainNamed, TestIndex } from "../../support/index-model.ts";
import { KERNEL_BUILDS, testKernel } from "../../support/kernel.ts";

const CHAIN_COUNT = 46;
const CHAIN_LENGTH = 60;
const SLOTS = 96;
const READERS = 2;
/** Chains 0 and 1 are pinned: 0 to one endpoint, 1 to two endpoints among others that come and go. */
const PINNED = [
  [0, 0],
  [1, 0],
  [1, 1],
] as const;

interface Report {
  readonly invented: number;
  readonly lost: number;
  readonly seen: number;
  readonly example: string;
}

/** The most keys of a chain that a slot ever holds. */
function allowedDepth(chain: number, slot: number): number {
  if (PINNED.some(([pinnedChain, pinnedSlot]) => chain === pinnedChain && slot === pinnedSlot)) return CHAIN_LENGTH;
  if (chain === 0 || slot < 2) return 0;
  return (chain + slot) % 3 === 0 ? 1 + ((chain * 7 + slot * 13) % CHAIN_LENGTH) : 0;
}

describe.each([
  [KERNEL_BUILDS[0], "#kernel-debug", 40_000],
  [KERNEL_BUILDS[1], "#kernel", 120_000],
] as const)("prefix index under concurrent readers, %s build", (build, wasm, lookups) => {
  test("a reader never sees a holder that was none, and never misses one that always was", async () => {
    const seed = 20_261_124;
    const prng = new Prng(seed);
    const kernel = testKernel(build, { shardCount: READERS + 1, indexSlotsLog2: 12, streamWindowCount: 1 });
    kernel.kernel.writerReset(256);
    const index = new TestIndex(kernel, READERS);
    const chains = Array.from({ length: CHAIN_COUNT }, (_, name) => chainNamed(name, CHAIN_LENGTH));
    // All chains head first for storing, and tail first for removing: a step of the writer is one call.
    const keys = kernel.shardBase(READERS) + layout.SHARD_RING;
    const tailFirst = keys + CHAIN_COUNT * CHAIN_LENGTH * 8;
    new BigUint64Array(kernel.memory.buffer, keys).set(chains.flat());
    new BigUint64Array(kernel.memory.buffer, tailFirst).set(chains.flatMap((chain) => chain.toReversed()));
    for (const [chain, slot] of PINNED) index.store(slot, chains[chain] as bigint[]);

    const allowed = Uint8Array.from({ length: CHAIN_COUNT * SLOTS }, (_, cell) => {
      return allowedDepth(Math.floor(cell / SLOTS), cell % SLOTS);
    });
    const done = new Int32Array(new SharedArrayBuffer(4));
    const reports = Array.from({ length: READERS }, (_, shard) => {
      const worker = new Worker(new URL("../../support/index-reader.mjs", import.meta.url), {
        workerData: {
          memory: kernel.memory,
          wasm: createRequire(import.meta.url).resolve(wasm),
          shard: kernel.shardBase(shard),
          scratch: kernel.shardBase(shard) + layout.SHARD_SCRATCH,
          chains: keys,
          chainCount: CHAIN_COUNT,
          chainLength: CHAIN_LENGTH,
          slots: SLOTS,
          allowed,
          pinned: PINNED,
          lookups,
          seed: seed + shard,
          done,
        },
      });
      return new Promise<Report>((resolve, reject) => {
        worker.once("message", resolve);
        worker.once("error", (error) => {
          // The writer below waits for as many readers as there are.
          Atomics.add(done, 0, 1);
          reject(error);
        });
      });
    });

    const held = new Uint8Array(CHAIN_COUNT * SLOTS);
    const isChurned = (cell: number): boolean => {
      const isPinned = PINNED.some(([chain, slot]) => cell === chain * SLOTS + slot);
      return !isPinned && (allowed[cell] as number) > 0;
    };
    const cells = Array.from(allowed, (_, cell) => cell).filter(isChurned);
    let steps = 0;
    while (Atomics.load(done, 0) < READERS) {
      for (let batch = 0; batch < 200; batch++, steps++) {
        const cell = cells[prng.nextBelow(cells.length)] as number;
        const slot = cell % SLOTS;
        const chain = Math.floor(cell / SLOTS) * CHAIN_LENGTH * 8;
        const depth = held[cell] as number;
        if (depth === 0) {
          held[cell] = index.kernel.storeBlocks(slot, keys + chain, 1 + prng.nextBelow(allowed[cell] as number));
        } else {
          const kept = prng.nextBelow(depth);
          const tail = tailFirst + chain + (CHAIN_LENGTH - depth) * 8;
          index.kernel.removeBlocks(slot, tail, depth - kept);
          held[cell] = kept;
        }
        if (batch % 10 === 0) index.kernel.raiseEpoch();
      }
      // Worker messages and errors arrive between the writer's batches.
      await new Promise(setImmediate);
    }

    for (const report of await Promise.all(reports)) {
      expect(report, `seed ${seed}, ${steps} steps`).toMatchObject({ invented: 0, lost: 0, example: "" });
      expect(report.seen).toBeGreaterThan(lookups);
    }
    expect(index.brokenInvariant()).toBe("");
    // The test has tested something: keys were moved while readers read, and sets were given new meanings.
    const moves = kernel.view.getUint32(
      kernel.view.getUint32(layout.HEADER + layout.HEADER_INDEX_VERSIONS, true),
      true,
    );
    expect(moves).toBeGreaterThan(1_000);
    expect(steps).toBeGreaterThan(1_000);
  });
});
