/**
 * A shard on a thread of its own that binds sessions of one bucket, for `sessions.test.ts`: session n to slot n, again
 * and again. Reports how many of its picks were sent to another session's slot. Plain JavaScript, because a worker gets
 * no compiler.
 */
import { readFileSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";

const { memory, module, shardBase, hashes, nowMs, rounds, layout } = workerData;
const kernel = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(module)), { env: { memory } }).exports;
const view = new DataView(memory.buffer);
const pick = shardBase + layout.SHARD_PICKS;

/** Decides one request of session `number` on shard 1; limited to the session's own slot, or to none. */
function decide(number, isLimited) {
  view.setUint32(pick + layout.PICK_WINDOW, layout.NO_WINDOW, true);
  view.setUint32(pick + layout.PICK_FLAGS, layout.PICK_HAS_SESSIONS | (isLimited ? layout.PICK_HAS_MASK : 0), true);
  for (let at = 0; at < layout.MASK_SIZE; at += 8) view.setBigUint64(pick + layout.PICK_MASK + at, 0n, true);
  view.setBigUint64(pick + layout.PICK_MASK, 1n << BigInt(number), true);
  const session = pick + layout.PICK_SESSIONS + layout.PICK_SESSION_STRIDE;
  view.setBigUint64(session, hashes[number], true);
  view.setUint32(session + layout.PICK_SESSION_SECONDS_MAX, 300, true);
  view.setUint32(session + layout.PICK_SESSION_BINDS, isLimited ? 1 : 0, true);
  kernel.decideBatch(1, 1, nowMs);
  const slot = view.getUint32(pick + layout.PICK_SLOT, true);
  kernel.releasePick(1, slot, 0);
  return { slot, score: view.getFloat64(pick + layout.PICK_SCORES, true) };
}

parentPort.postMessage("begins");
let foreign = 0;
for (let round = 0; round < rounds; round++) {
  decide((round * 11) % hashes.length, true);
  const number = (round * 13 + 1) % hashes.length;
  const seen = decide(number, false);
  if (seen.score === 1 && seen.slot !== number) foreign++;
}
parentPort.postMessage(foreign);
