/**
 * A writer of endpoint columns on a thread of its own, for `endpoint-columns.test.ts`. Each change sets all slots'
 * columns to numbers that follow from one counter, between an odd and an even version, so that a reader can tell a mix
 * of two changes without knowing which they were. Plain JavaScript, because a worker gets no compiler.
 */
import { parentPort, workerData } from "node:worker_threads";

const { buffer, version, stop, columns, slots } = workerData;
const versions = new Int32Array(buffer, version, 1);
const stopFlag = new Int32Array(stop);
const queueDepth = new Float32Array(buffer, columns.queueDepth, slots);
const kvCacheUsage = new Float32Array(buffer, columns.kvCacheUsage, slots);
const inFlightAtScrape = new Uint32Array(buffer, columns.inFlightAtScrape, slots);
const changesMax = 2_000_000;

let changes = 0;
while (changes < changesMax && Atomics.load(stopFlag, 0) === 0) {
  const value = ++changes % 4_096;
  Atomics.add(versions, 0, 1);
  for (let slot = 0; slot < slots; slot++) {
    queueDepth[slot] = value;
    inFlightAtScrape[slot] = value;
    kvCacheUsage[slot] = value / 4_096;
  }
  Atomics.add(versions, 0, 1);
  // Readers get a chance between two changes.
  for (let wait = 0; wait < 300; wait++) Atomics.load(stopFlag, 0);
}
parentPort.postMessage(changes);
