/**
 * Makes the engine compile the kernel before the first request needs it. WebAssembly functions are compiled when they
 * are first called, once for all threads of the process; without this the first pick takes milliseconds.
 */
import { EndpointColumns } from "./endpoint-columns.ts";
import { instantiateKernel } from "./kernel.ts";
import { layout } from "./layout.ts";
import { PICKER_OPS, PolicyTable, SCORER_OPS } from "./policies.ts";
import { createSharedMemory } from "./regions.ts";
import { ShardMemory } from "./shard-memory.ts";

/** Enough text for whole blocks, an escape and a rest. */
const SAMPLE = "The quick brown fox \\ jumps over the lazy dog.\n".repeat(20);
const ROUNDS = 3;

/** Scans and decides a few requests in a small memory of its own. */
export function warmUpKernel(): void {
  const memory = createSharedMemory({ shardCount: 1, streamWindowCount: 1, indexSlotsLog2: 12 });
  const shard = new ShardMemory(memory, instantiateKernel(memory), 0);
  const columns = new EndpointColumns(memory);
  for (let slot = 0; slot < 2; slot++) columns.add(slot, `127.0.0.1:${slot + 1}`);
  const policy = new PolicyTable(memory).publish({
    blockSize: 256,
    blocksMax: layout.BLOCKS_MAX,
    tokenSize: 4,
    staleMs: 1,
    outputRatio: 0,
    outputTokensMax: 0,
    detector: undefined,
    profiles: [
      {
        filters: [],
        scorers: [SCORER_OPS.queueDepth, SCORER_OPS.kvCacheUtilization, SCORER_OPS.prefixCache].map((op) => ({
          program: { op },
          weight: 1,
        })),
        picker: PICKER_OPS.maxScore,
        targetsMax: 1,
      },
    ],
  });
  if (policy === undefined) return;
  const body = Buffer.from(
    JSON.stringify({ model: "m", messages: [{ role: "user", content: SAMPLE }], max_tokens: 1 }),
  );
  for (let round = 0; round < ROUNDS; round++) {
    const window = shard.acquireWindow(layout.API_OPENAI_CHAT, policy);
    if (window === undefined) return;
    shard.feed(window, body, true);
    const [pick] = shard.decide([{ window, policy, seedLow: round, seedHigh: 0 }], 0, { withScores: false });
    shard.releaseWindow(window);
    if (pick?.kind === "picked") shard.release(pick);
  }
}
