/**
 * Makes the engine compile the kernel before the first request needs it. WebAssembly functions are compiled when they
 * are first called, once for all threads of the process; without this the first pick takes milliseconds.
 */
import { EndpointColumns } from "./endpoint-columns.ts";
import { instantiateKernel } from "./kernel.ts";
import { layout } from "./layout.ts";
import { DETECTOR_OPS, FILTER_OPS, type KernelProgram, PICKER_OPS, PolicyTable, SCORER_OPS } from "./policies.ts";
import { PolicyMasks } from "./policy-masks.ts";
import { createSharedMemory } from "./regions.ts";
import { type PickRequest, ShardMemory } from "./shard-memory.ts";

/** Enough text for whole blocks, an escape and a rest. */
const SAMPLE = "The quick brown fox \\ jumps over the lazy dog.\n".repeat(20);
const ROUNDS = 3;
const SLOTS = [0, 1];
const NOW_MS = 1000;
/** Above anything that the sample is: no filter leaves nothing. */
const AMPLE = 1e9;

/** Numbers with which each filter lets the endpoints pass, and each scorer takes its way. */
const PARAMETERS: Readonly<Record<string, readonly number[]>> = {
  prefixAffinity: [0.5, 0, AMPLE, AMPLE],
  utilization: [AMPLE, AMPLE, AMPLE, AMPLE],
  attribute: [0, AMPLE, 1, 1],
  belowUtilization: [AMPLE, AMPLE, AMPLE, 0],
  belowConcurrency: [AMPLE, AMPLE, 0, 0],
  prefixCache: [0.5, AMPLE],
  loadAware: [AMPLE],
  activeRequest: [0, 1],
  tokenLoad: [AMPLE],
};

/** Scans a few requests and decides them by every operation, in a small memory of its own. */
export function warmUpKernel(): void {
  const memory = createSharedMemory({ shardCount: 1, streamWindowCount: 1, indexSlotsLog2: 12 });
  const shard = new ShardMemory(memory, instantiateKernel(memory), 0);
  const columns = new EndpointColumns(memory);
  for (const slot of SLOTS) columns.add(slot, `127.0.0.1:${slot + 1}`);
  const table = new PolicyTable(memory);
  const masks = new PolicyMasks(memory);
  const policies = Object.values(DETECTOR_OPS).map((op) =>
    publish(table, masks, { op, parameters: [AMPLE, AMPLE, 0, 0] }),
  );
  const body = Buffer.from(
    JSON.stringify({ model: "m", messages: [{ role: "user", content: SAMPLE }], max_tokens: 1 }),
  );
  for (let round = 0; round < ROUNDS; round++) {
    for (const policy of policies) decideByAll(shard, policy, body, round);
  }
}

/** A policy with all filters and scorers, and a profile per picker. */
function publish(table: PolicyTable, masks: PolicyMasks, detector: KernelProgram): number {
  const filters = programsOf(FILTER_OPS);
  const scorers = programsOf(SCORER_OPS).map((program) => ({ program, weight: 1 }));
  const pickers = Object.entries(PICKER_OPS).flatMap(([name, op]) => (name === "custom" ? [] : [op]));
  const profiles = pickers.map((picker) => ({ filters, scorers, picker, targetsMax: 2 }));
  const program = { blockSize: 256, blocksMax: layout.BLOCKS_MAX, tokenSize: 4, staleMs: NOW_MS, profiles, detector };
  const assets = { imageTokenPixels: 1024, imageTokens: 1, videoTokens: 1 };
  const number = table.publish({ ...program, ...assets, outputRatio: 1, outputTokensMax: 1 }, (policy) => {
    for (const slot of SLOTS) masks.set(policy, 0, slot, true);
  });
  // Nobody holds a policy of this memory.
  return number ?? 0;
}

function programsOf(ops: Readonly<Record<string, number>>): KernelProgram[] {
  return Object.entries(ops).flatMap(([name, op]) =>
    name === "custom" ? [] : [{ op, parameters: PARAMETERS[name] ?? [], column: 0, operand: 1 }],
  );
}

function decideByAll(shard: ShardMemory, policy: number, body: Buffer, round: number): void {
  const window = shard.acquireWindow(layout.API_OPENAI_CHAT, policy);
  if (window === undefined) return;
  shard.feed(window, body, true);
  for (const profile of [0, 1, 2]) {
    const session = { key: `${round}`, secondsMax: 1, binds: true };
    const request: PickRequest = {
      ...{ window, policy, profile, seedLow: round, seedHigh: 0 },
      masks: [SLOTS],
      sessions: [undefined, session],
    };
    const [batched] = shard.decide([request], NOW_MS, { withScores: true });
    const staged = shard.decideStaged(request, NOW_MS, {}, { withScores: true });
    for (const pick of [batched, staged]) if (pick?.kind === "picked") shard.release(pick);
  }
  shard.releaseWindow(window);
  shard.poolSaturation({ policy }, NOW_MS);
  shard.meanUtilization({ policy }, NOW_MS, { queueDepthRequests: 1, kvCacheUsageFraction: 1 });
}
