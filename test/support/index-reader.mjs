/**
 * A reader of the prefix index on a thread of its own, for `prefix-index-concurrency.test.ts`: looks up keys while the
 * writer changes the index, and reports what it saw that cannot be. Plain JavaScript, because a worker gets no
 * compiler.
 *
 * Chains are `chainLength` keys each, one after the other at `chains`. `allowed[chain × slots + slot]` is the most keys
 * of the chain that the slot ever holds; `pinned` pairs of chain and slot hold all keys of theirs all the time.
 */
import { readFileSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";

const { memory, wasm, shard, scratch, chains, chainCount, chainLength, slots, allowed, pinned, lookups, seed, done } =
  workerData;
const { exports: kernel } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(wasm)), { env: { memory } });
const candidates = new BigUint64Array(memory.buffer, scratch, 16).fill((1n << 64n) - 1n);
const depths = new Uint16Array(memory.buffer, scratch + 4_096, 1_024);

// Xorshift32 (Marsaglia).
let state = seed;
function nextBelow(count) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % count;
}

/** Looks up keys first … first + count − 1 of a chain; leaves the depths. */
function lookUp(chain, first, count) {
  const match = nextBelow(2) === 0 ? kernel.matchKeys : kernel.matchKeysLinear;
  kernel.readBegin(shard);
  match(chains + (chain * chainLength + first) * 8, count, candidates.byteOffset, depths.byteOffset, scratch + 8_192);
  kernel.readEnd(shard);
}

const report = { invented: 0, lost: 0, seen: 0, example: "" };

for (let lookup = 0; lookup < lookups; lookup++) {
  // Whole chains find wrong depths, single keys find wrong holders of just that key.
  const chain = nextBelow(chainCount);
  const first = nextBelow(2) === 0 ? 0 : nextBelow(chainLength);
  const count = first === 0 ? chainLength : 1;
  lookUp(chain, first, count);
  for (let slot = 0; slot < slots; slot++) {
    const depth = depths[slot];
    if (depth > 0) report.seen++;
    if (depth > 0 && first + depth > allowed[chain * slots + slot]) {
      report.invented++;
      report.example ||= `lookup ${lookup}: slot ${slot} with key ${first + depth - 1} of chain ${chain}`;
    }
  }
  const [pinnedChain, pinnedSlot] = pinned[lookup % pinned.length];
  lookUp(pinnedChain, 0, chainLength);
  if (depths[pinnedSlot] !== chainLength) {
    report.lost++;
    const found = `${depths[pinnedSlot]} keys of pinned chain ${pinnedChain}`;
    report.example ||= `lookup ${lookup}: slot ${pinnedSlot} with ${found}`;
  }
}

Atomics.add(done, 0, 1);
parentPort.postMessage(report);
