/**
 * A shard that reads another one's ring while that one goes round it. Strategy: records as long as can be, so that a
 * lap takes few of them, and a writer that is done with each at once, so that they are soon overwritten. Each slot may
 * only ever be seen with its own chain, but for what all chains share, so a reader can tell a record that was mixed
 * from two.
 */
import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { EndpointColumns } from "../../../src/wasm/endpoint-columns.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { chainNamed, chainOf } from "../../support/index-model.ts";
import { KERNEL_BUILDS, testKernel } from "../../support/kernel.ts";

const CHAIN_COUNT = 12;
const SHARED = 3;
const LOOKUPS = 20_000;

interface Report {
  readonly invented: number;
  readonly seen: number;
  readonly example: string;
}

describe.each([
  [KERNEL_BUILDS[0], "#kernel-debug"],
  [KERNEL_BUILDS[1], "#kernel"],
] as const)("overlays under concurrent picks, %s build", (build, wasm) => {
  test("a shard never takes a record of another one for what it is not", async () => {
    const kernel = testKernel(build, { shardCount: 3, indexSlotsLog2: 12, streamWindowCount: 1 });
    const columns = new EndpointColumns(kernel.memory);
    for (let slot = 0; slot < CHAIN_COUNT; slot++) columns.add(slot, `10.0.0.${slot}:8000`);
    const common = chainNamed(0, SHARED);
    const chains = Array.from({ length: CHAIN_COUNT }, (_, chain) => {
      const own = Array.from({ length: layout.BLOCKS_MAX - SHARED }, (_unused, block) => chain * 10_000 + block);
      return [...common, ...chainOf(own, common.at(-1))];
    });
    // Nobody picks on the third shard: its ring has room for them.
    const keys = kernel.shardBase(2) + layout.SHARD_RING;
    new BigUint64Array(kernel.memory.buffer, keys).set(chains.flat());
    const done = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(new URL("../../support/overlay-reader.mjs", import.meta.url), {
      workerData: {
        memory: kernel.memory,
        wasm: createRequire(import.meta.url).resolve(wasm),
        shard: kernel.shardBase(1),
        scratch: kernel.shardBase(1) + layout.SHARD_SCRATCH,
        chains: keys,
        chainCount: CHAIN_COUNT,
        chainLength: layout.BLOCKS_MAX,
        shared: SHARED,
        lookups: LOOKUPS,
        done,
      },
    });
    const report = new Promise<Report>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", (error) => {
        Atomics.add(done, 0, 1);
        reject(error);
      });
    });
    const shard = kernel.shardBase(0);
    const words = new Uint32Array(kernel.memory.buffer);
    let pushed = 0;
    while (Atomics.load(done, 0) === 0) {
      for (let batch = 0; batch < 500; batch++, pushed++) {
        const chain = pushed % CHAIN_COUNT;
        kernel.kernel.ringPush(shard, chain, 1, keys + chain * layout.BLOCKS_MAX * 8, layout.BLOCKS_MAX);
        const head = Atomics.load(words, (shard + layout.SHARD_RING_HEAD) / 4);
        Atomics.store(words, (layout.INDEX + layout.INDEX_RING_TAIL) / 4, head);
      }
      await new Promise(setImmediate);
    }
    const { seen, ...wrong } = await report;
    expect(wrong, `${pushed} pushes`).toEqual({ invented: 0, example: "" });
    expect(seen).toBeGreaterThan(LOOKUPS / 10);
    expect(pushed).toBeGreaterThan(1_000);
  });
});
