/**
 * A shard on a thread of its own, for `index-writer-thread.test.ts`: pushes one pick after the other to its ring, each
 * once the writer has applied the one before and has gone to sleep, and then asks the writer to stop. Plain JavaScript,
 * because a worker gets no compiler.
 */
import { readFileSync } from "node:fs";
import { workerData } from "node:worker_threads";

const { memory, wasm, shard, keys, keyCount, picks, head, tail, doorbell, shutdown } = workerData;
const { exports: kernel } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(wasm)), { env: { memory } });
const words = new Int32Array(memory.buffer);

/** Waits until the writer has applied everything and sleeps: only then can the next push fail to wake it. */
function waitUntilAsleep() {
  const never = new Int32Array(new SharedArrayBuffer(4));
  while (Atomics.load(words, tail) !== Atomics.load(words, head) || Atomics.load(words, doorbell) !== 1) {
    Atomics.wait(never, 0, 0, 0.05);
  }
}

waitUntilAsleep();
for (let pick = 0; pick < picks; pick++) {
  kernel.ringPush(shard, pick % 10, 1, keys, keyCount);
  waitUntilAsleep();
}
Atomics.store(words, shutdown, 1);
Atomics.store(words, doorbell, 0);
Atomics.notify(words, doorbell);
