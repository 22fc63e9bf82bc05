/**
 * A shard on a thread of its own, for `index-writer-thread.test.ts`: pushes one pick after the other to its ring, each
 * once the writer has applied the one before, and then asks the writer to stop. The writer sleeps when every other pick
 * comes, and naps or is about to sleep when the others do. Plain JavaScript, because a worker gets no compiler.
 */
import { readFileSync } from "node:fs";
import { workerData } from "node:worker_threads";

const { memory, wasm, shard, keys, keyCount, picks, head, tail, doorbell, shutdown } = workerData;
const { exports: kernel } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(wasm)), { env: { memory } });
const words = new Int32Array(memory.buffer);

const never = new Int32Array(new SharedArrayBuffer(4));

function wait(timeMs) {
  Atomics.wait(never, 0, 0, timeMs);
}

/** Waits until the writer has applied everything and, where that is wanted, sleeps: then a push has to wake it. */
function waitUntilApplied(isAsleep) {
  const isReached = () =>
    Atomics.load(words, tail) === Atomics.load(words, head) && (!isAsleep || Atomics.load(words, doorbell) === 1);
  while (!isReached()) wait(0.05);
}

waitUntilApplied(true);
for (let pick = 0; pick < picks; pick++) {
  kernel.ringPush(shard, pick % 10, 1, keys, keyCount);
  kernel.ringDoorbell();
  waitUntilApplied(pick % 2 === 0);
  // Up to twice the nap: some picks come just when the writer goes from its nap to sleep.
  if (pick % 2 === 1) wait((pick % 40) / 20);
}
Atomics.store(words, shutdown, 1);
Atomics.store(words, doorbell, 0);
Atomics.notify(words, doorbell);
