/**
 * A writer of endpoints' adapters on a thread of its own, for `endpoint-names.test.ts`. Each change gives all endpoints
 * the other one of two adapters, between an odd and an even version. Plain JavaScript, because a worker gets no
 * compiler.
 */
import { parentPort, workerData } from "node:worker_threads";

const { buffer, stop, slots, version, first, stride, hashes } = workerData;
const versions = new Int32Array(buffer, version, 1);
const stopFlag = new Int32Array(stop);
const view = new DataView(buffer);
const changesMax = 2_000_000;

let changes = 0;
while (changes < changesMax && Atomics.load(stopFlag, 0) === 0) {
  const hash = hashes[++changes % 2];
  Atomics.add(versions, 0, 1);
  for (let slot = 0; slot < slots; slot++) view.setBigUint64(first + slot * stride, hash, true);
  Atomics.add(versions, 0, 1);
  // Readers get a chance between two changes.
  for (let wait = 0; wait < 20_000; wait++) Atomics.load(stopFlag, 0);
}
parentPort.postMessage(changes);
