/**
 * The index writer's thread: one long piscina task that drains the shards' rings into the prefix index until the
 * control thread asks it to return. When it dies, the control thread starts another one, which begins with an empty
 * index.
 */
import { parentPort } from "node:worker_threads";
import { IndexWriter } from "./wasm/index-writer.ts";
import type { LaneCapacity } from "./wasm/lanes.ts";

/** Longest sleep. Work rings the doorbell; this only bounds what a lost wake-up could cost. */
const IDLE_WAIT_MS = 1_000;

export interface IndexWriterTask {
  readonly memory: WebAssembly.Memory;
  readonly lanes: LaneCapacity;
}

/** What the thread says when the writer has taken over the index. */
export type FromIndexWriter = "begun";

/**
 * Returns when HEADER_SHUTDOWN is 1. Blocks its thread while there is nothing to do, so it needs a thread of its own.
 */
export default async function runIndexWriter(task: IndexWriterTask): Promise<void> {
  const writer = new IndexWriter(task);
  // What shards told the index before this moment has been skipped; what they tell it from now on is not.
  const begun: FromIndexWriter = "begun";
  parentPort?.postMessage(begun);
  while (!writer.isStopRequested()) {
    if (writer.drain() === 0) writer.waitForWork(IDLE_WAIT_MS);
  }
}
