/**
 * A fleet of ten endpoints, two shards and an index writer, all in one thread: what goes into a ring and what the index
 * shows.
 */
import { expect } from "vitest";
import { EndpointColumns } from "../../src/wasm/endpoint-columns.ts";
import { IndexControl } from "../../src/wasm/index-control.ts";
import { IndexWriter, type IndexWriterOptions } from "../../src/wasm/index-writer.ts";
import { layout } from "../../src/wasm/layout.ts";
import { TestIndex } from "./index-model.ts";
import { type KernelBuild, type TestKernel, testKernel } from "./kernel.ts";

export interface IndexFixture {
  readonly kernel: TestKernel;
  readonly writer: IndexWriter;
  readonly control: IndexControl;
  /** One handle per shard. */
  readonly shards: readonly [TestIndex, TestIndex];
  restartWriter(): IndexWriter;
}

/** Two shards, 2^12 key slots, and slots 0 … 9 given to endpoints of generation 1. */
export function indexFixture(build: KernelBuild, options: Partial<IndexWriterOptions> = {}): IndexFixture {
  const kernel = testKernel(build, { shardCount: 2, indexSlotsLog2: 12, streamWindowCount: 1 });
  const columns = new EndpointColumns(kernel.memory);
  for (let slot = 0; slot < 10; slot++) columns.add(slot, `10.0.0.${slot}:8000`);
  const lanes = { blocksPerEndpoint: 2_000, blocksTotal: 10_000 };
  const restartWriter = (): IndexWriter => new IndexWriter({ memory: kernel.memory, build, lanes, ...options });
  const shards = [new TestIndex(kernel, 0), new TestIndex(kernel, 1)] as const;
  return { kernel, writer: restartWriter(), control: new IndexControl(kernel.memory), shards, restartWriter };
}

/** Keys in a lane, newest first. */
export function laneKeys(writer: IndexWriter, slot: number): bigint[] {
  const { kernel, memory } = writer.lanes;
  const count = kernel.laneKeys(slot, layout.LANES_KEYS, layout.BLOCKS_MAX);
  return [...new BigUint64Array(memory.buffer, layout.LANES_KEYS, count)];
}

/** Lanes and table know the same holders, and all invariants of both hold. */
export function expectConsistent({ writer, shards }: IndexFixture, hint = ""): void {
  const [index] = shards;
  expect(index.brokenInvariant(), hint).toBe("");
  expect(writer.lanes.kernel.checkLanes(layout.LANES_EVICTED), hint).toBe(0);
  const distinct = new Set<bigint>();
  for (let slot = 0; slot < 10; slot++) {
    for (const key of laneKeys(writer, slot)) {
      distinct.add(key);
      expect(index.depths([key], [slot]), hint).toEqual([1]);
    }
  }
  expect(index.keyCount(), hint).toBe(distinct.size);
}
