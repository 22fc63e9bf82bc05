#!/usr/bin/env node
/**
 * The picker's program: reads flags, starts the control thread, ends on signals. `epp config …` looks at a
 * configuration instead and serves nothing.
 */
import { availableParallelism } from "node:os";
import { systemClock } from "./base/clock.ts";
import { ConfigError } from "./base/errors.ts";
import { Prng, randomSeed } from "./base/prng.ts";
import { INDEX_SLOTS_LOG2, STREAM_WINDOW_COUNT } from "./config/defaults.ts";
import { startEpp } from "./epp.ts";
import { parsePickerFlags, SHARDS_AUTOMATIC } from "./flags.ts";
import { EXIT_CODES } from "./platform/exit-codes.ts";
import type { LogLevel } from "./platform/log-flags.ts";
import { endOnSignal } from "./platform/signals.ts";
import { createLogger, type LoggerOptions } from "./telemetry/logger.ts";
import { layout } from "./wasm/layout.ts";

async function main(args: readonly string[]): Promise<void> {
  if (args[0] === "config") {
    const { runConfigCommand } = await import("./config-command.ts");
    process.exitCode = await runConfigCommand(args.slice(1));
    return;
  }
  const commandLine = parsePickerFlags(args, process.env);
  if (commandLine.kind === "help") {
    process.stdout.write(commandLine.text);
    return;
  }
  const { flags, warnings } = commandLine;
  if (flags.endpointsFile === "") throw new ConfigError("--endpoints-file is required; --help shows all flags");
  const logger = createLogger({ level: loggerLevel(flags.log.level) });
  const seed = randomSeed();
  logger.info({ seed, node: process.version }, "starting");
  for (const warning of warnings) logger.warn(warning);
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

/** The nearest level that the logger has. */
function loggerLevel(level: LogLevel): LoggerOptions["level"] {
  if (level === "fatal") return "error";
  return level === "trace" || level === "verbose" ? "debug" : level;
}

main(process.argv.slice(2)).catch((error: unknown) => {
  if (!(error instanceof ConfigError)) throw error;
  process.stderr.write(`epp: ${error.message}\n`);
  process.exitCode = EXIT_CODES.usage.code;
});
