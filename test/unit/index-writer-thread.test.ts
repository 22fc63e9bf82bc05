/**
 * The index writer's task: it sleeps while there is nothing to do, is woken by each pick, and returns when it is told
 * to.
 */
import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import runIndexWriter from "../../src/index-writer.ts";
import { EndpointColumns } from "../../src/wasm/endpoint-columns.ts";
import { layout } from "../../src/wasm/layout.ts";
import { chainNamed, TestIndex } from "../support/index-model.ts";
import { testKernel } from "../support/kernel.ts";

const PICKS = 300;

describe("index writer's thread", () => {
  test("it applies every pick of another thread, and sleeps in between without missing a wake-up", async () => {
    const kernel = testKernel("release", { streamWindowCount: 1, indexSlotsLog2: 12 });
    const columns = new EndpointColumns(kernel.memory);
    for (let slot = 0; slot < 10; slot++) columns.add(slot, `10.0.0.${slot}:8000`);
    const index = new TestIndex(kernel);
    const chain = chainNamed(1, 40);
    const shard = new Worker(new URL("../support/index-pusher.mjs", import.meta.url), {
      workerData: {
        memory: kernel.memory,
        wasm: createRequire(import.meta.url).resolve("#kernel"),
        shard: index.shard,
        keys: index.putKeys(chain),
        keyCount: chain.length,
        picks: PICKS,
        head: (index.shard + layout.SHARD_RING_HEAD) / 4,
        tail: (layout.INDEX + layout.INDEX_RING_TAIL) / 4,
        doorbell: (layout.INDEX + layout.INDEX_SLEEPING) / 4,
        shutdown: (layout.HEADER + layout.HEADER_SHUTDOWN) / 4,
      },
    });
    const ended = new Promise((resolve, reject) => {
      shard.once("exit", resolve);
      shard.once("error", reject);
    });
    // Blocks this thread. Each wake-up that is missed costs a second: the test would run into its time limit.
    const queries = new MessageChannel().port1;
    await runIndexWriter({ memory: kernel.memory, lanes: { blocksPerEndpoint: 100, blocksTotal: 1_000 }, queries });
    expect(await ended).toBe(0);
    expect(index.counter(layout.INDEX_COUNTER_RECORDS)).toBe(PICKS);
    expect(index.depths(chain, [0, 5, 9, 10])).toEqual([40, 40, 40, 0]);
    expect(index.brokenInvariant()).toBe("");
  });
});
