#!/usr/bin/env node
/** The picker's program: reads flags, starts the control thread, ends on signals. */
import { availableParallelism } from "node:os";
import { systemClock } from "./base/clock.ts";
import { ConfigError } from "./base/errors.ts";
import { Prng, randomSeed } from "./base/prng.ts";
import { INDEX_SLOTS_LOG2, STREAM_WINDOW_COUNT } from "./config/defaults.ts";
import { startEpp } from "./epp.ts";
import { FLAGS, SHARDS_AUTOMATIC } from "./flags.ts";
import { formatHelp, parseFlags } from "./platform/flags.ts";
import { endOnSignal } from "./platform/signals.ts";
import { createLogger } from "./telemetry/logger.ts";
import { layout } from "./wasm/layout.ts";

/** Exit code for flags and files that cannot be used. */
const EXIT_CODE_USAGE = 2;

async function main(args: readonly string[]): Promise<void> {
  const flags = parseFlags(FLAGS, args);
  if (flags === undefined) {
    const about = "Endpoint picker for LLM inference: tells a proxy over ext_proc which model server takes a request.";
    process.stdout.write(formatHelp({ usage: "epp --endpoints-file <path> [flags]", about, table: FLAGS }));
    return;
  }
  if (flags.endpointsFile === "") throw new ConfigError("--endpoints-file is required; --help shows all flags");
  const logger = createLogger({ level: flags.logLevel });
  const seed = randomSeed();
  logger.info({ seed, node: process.version }, "starting");
  const { drainTimeoutMs, logDecisions, disableSubsetFilter, ...options } = flags;
  const epp = await startEpp({
    ...options,
    shardCount: resolveShardCount(flags.shardCount),
    honoursSubsetHint: !disableSubsetFilter,
    streamWindowCount: STREAM_WINDOW_COUNT,
    indexSlotsLog2: INDEX_SLOTS_LOG2,
    ...(logDecisions && { onDecisionLine: (line) => process.stdout.write(`${line}\n`) }),
    logger,
    clock: systemClock,
    prng: new Prng(seed),
  });
  endOnSignal(() => epp.close(drainTimeoutMs));
}

/** How many shards are wanted: as the flag says, or one for each core but one. */
function resolveShardCount(asked: number): number {
  return asked === SHARDS_AUTOMATIC ? Math.min(Math.max(1, availableParallelism() - 1), layout.SHARDS_MAX) : asked;
}

main(process.argv.slice(2)).catch((error: unknown) => {
  if (!(error instanceof ConfigError)) throw error;
  process.stderr.write(`epp: ${error.message}\n`);
  process.exitCode = EXIT_CODE_USAGE;
});
