/**
 * A shard on a thread of its own that reads the ring of another one, for `overlay-concurrency.test.ts`: looks up chains
 * in the overlay alone, and reports depths that cannot be. Plain JavaScript, because a worker gets no compiler.
 *
 * Chain c lies at `chains + c × chainLength × 8`. The other shard pushes it for slot c only; the chains share `shared`
 * keys, so any slot may be seen with so many of any chain.
 */
import { readFileSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";

const { memory, wasm, shard, scratch, chains, chainCount, chainLength, shared, lookups, done } = workerData;
const { exports: kernel } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(wasm)), { env: { memory } });
const depths = new Uint16Array(memory.buffer, scratch, 1_024);

const report = { invented: 0, seen: 0, example: "" };

for (let lookup = 0; lookup < lookups; lookup++) {
  const chain = lookup % chainCount;
  depths.fill(0);
  kernel.readBegin(shard);
  // The other shard goes on meanwhile, by up to a lap.
  for (let pause = (lookup * 7) % 2_000; pause > 0; pause--) Atomics.load(done, 0);
  kernel.overlayMatch(shard, chains + chain * chainLength * 8, chainLength, depths.byteOffset);
  kernel.readEnd(shard);
  for (const [slot, depth] of depths.entries()) {
    if (depth > 0) report.seen++;
    if (depth === 0 || depth <= shared || slot === chain) continue;
    report.invented++;
    report.example ||= `lookup ${lookup}: slot ${slot} with ${depth} keys of chain ${chain}`;
  }
}

Atomics.add(done, 0, 1);
parentPort.postMessage(report);
