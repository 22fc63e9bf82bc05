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
import type { ConfigSource } from "./config/load.ts";
import { loadConfiguration } from "./configuration.ts";
import { type Epp, startEpp } from "./epp.ts";
import { type PickerFlags, parsePickerFlags, SHARDS_AUTOMATIC } from "./flags.ts";
import { certificateNames } from "./platform/certificate-names.ts";
import { EXIT_CODES, type ExitReason } from "./platform/exit-codes.ts";
import { endOnSignal } from "./platform/signals.ts";
import { tuneV8 } from "./platform/v8-settings.ts";
import type { SecureServing } from "./shards/serving-certificate.ts";
import { LogLosses } from "./telemetry/log-losses.ts";
import { createLogger, type Logger } from "./telemetry/logger.ts";
import { readTracingSettings } from "./telemetry/tracing/settings.ts";
import { layout } from "./wasm/layout.ts";

async function main(args: readonly string[]): Promise<void> {
  tuneV8();
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
  const logLosses = new LogLosses();
  const logger = createLogger({ ...flags.log, losses: logLosses });
  // From now on, also while it starts: nobody else ends a process that is the first of its container.
  const running: { epp?: Epp } = {};
  endOnSignal(async () => (running.epp === undefined ? "done" : await drain(running.epp, flags, logger)));
  const seed = randomSeed();
  logger.info({ seed, node: process.version }, "starting");
  for (const warning of warnings) logger.warn(warning);
  const config = await loadConfiguration(configSourceOf(flags), {
    pluginPaths: flags.pluginPaths,
    allowExperimental: flags.allowExperimentalPlugins,
  });
  const { logDecisions, disableSubsetFilter, ...options } = flags;
  running.epp = await startEpp({
    ...options,
    config,
    ...(flags.secureServing && { tls: secureServing(flags) }),
    tracing: flags.tracing ? readTracingSettings(process.env) : undefined,
    shardCount: resolveShardCount(flags.shardCount),
    honoursSubsetHint: !disableSubsetFilter,
    streamWindowCount: STREAM_WINDOW_COUNT,
    indexSlotsLog2: INDEX_SLOTS_LOG2,
    ...(logDecisions && { onDecisionLine: (line) => process.stdout.write(`${line}\n`) }),
    logger,
    logLosses,
    logsRequests: flags.log.logsRequests,
    clock: systemClock,
    prng: new Prng(seed),
  });
}

async function drain(epp: Epp, { drainNoticeMs, drainTimeoutMs }: PickerFlags, logger: Logger): Promise<ExitReason> {
  logger.info({ drainNoticeMs, drainTimeoutMs }, "draining");
  const { streamsCut } = await epp.close(drainTimeoutMs);
  if (streamsCut === 0) return "done";
  logger.warn({ streamsCut }, "streams were still open when their time was over, and were cut");
  return "streamsCut";
}

function configSourceOf({ configFile, configText }: PickerFlags): ConfigSource {
  if (configText !== "") return { kind: "text", text: configText, name: "--config-text" };
  return configFile === "" ? { kind: "default" } : { kind: "file", path: configFile };
}

function secureServing(flags: PickerFlags): SecureServing {
  const { host, poolName, poolNamespace, certPath, enableCertReload, tlsOptions } = flags;
  const names = certificateNames({ host, poolName, namespace: poolNamespace, environment: process.env });
  return { ...tlsOptions, certPath, isReloaded: enableCertReload, names };
}

/** How many shards are wanted: as the flag says, or one for each core but one. */
function resolveShardCount(asked: number): number {
  return asked === SHARDS_AUTOMATIC ? Math.min(Math.max(1, availableParallelism() - 1), layout.SHARDS_MAX) : asked;
}

main(process.argv.slice(2)).catch((error: unknown) => {
  if (!(error instanceof ConfigError)) throw error;
  process.stderr.write(`epp: ${error.message}\n`);
  process.exitCode = EXIT_CODES.usage.code;
});
