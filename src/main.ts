#!/usr/bin/env node
/** The picker's program: reads flags, starts the control thread, ends on signals. */
import { availableParallelism } from "node:os";
import { systemClock } from "./base/clock.ts";
import { ConfigError } from "./base/errors.ts";
import { Prng, randomSeed } from "./base/prng.ts";
import {
  DRAIN_TIMEOUT_MS,
  INDEX_SLOTS_LOG2,
  REQUEST_BODY_SIZE_MAX,
  SCRAPE_INTERVAL_MS,
  STREAM_WINDOW_COUNT,
} from "./config/defaults.ts";
import { startEpp } from "./epp.ts";
import {
  choiceFlag,
  durationFlag,
  formatHelp,
  integerFlag,
  parseFlags,
  portFlag,
  switchFlag,
  textFlag,
} from "./platform/flags.ts";
import { endOnSignal } from "./platform/signals.ts";
import { supportsReusePort } from "./shards/pool.ts";
import { createLogger } from "./telemetry/logger.ts";
import { layout } from "./wasm/layout.ts";

/** Exit code for flags and files that cannot be used. */
const EXIT_CODE_USAGE = 2;

const SHARDS_AUTOMATIC = 0;

const FLAGS = {
  endpointsFile: textFlag("endpoints-file", "path", "YAML or JSON file that lists the model servers. Required.", ""),
  host: textFlag("host", "address", "Address to listen on.", "0.0.0.0"),
  grpcPort: portFlag("grpc-port", "Port of ext_proc.", 9002),
  healthPort: portFlag("grpc-health-port", "Port of gRPC health.", 9003),
  metricsPort: portFlag("metrics-port", "Port of Prometheus metrics.", 9090),
  scrapeIntervalMs: durationFlag({
    name: "refresh-metrics-interval",
    help: "Time between two scrapes of a model server; less than 50ms is raised to 50ms.",
    byDefaultMs: SCRAPE_INTERVAL_MS,
    minMs: SCRAPE_INTERVAL_MS,
  }),
  shardCount: integerFlag({
    name: "shards",
    valueName: "count",
    help: "Threads that serve requests; 0 takes all cores but one. More than 1 needs Node 22.12.",
    byDefault: SHARDS_AUTOMATIC,
    min: 0,
    max: layout.SHARDS_MAX,
  }),
  requestBodySizeMax: integerFlag({
    name: "request-body-size-max",
    valueName: "bytes",
    help: "A larger request body is refused with 413.",
    byDefault: REQUEST_BODY_SIZE_MAX,
    min: 1024,
    max: 2 ** 31,
  }),
  drainTimeoutMs: durationFlag({
    name: "drain-timeout",
    help: "Time that open streams get when the picker is told to end.",
    byDefaultMs: DRAIN_TIMEOUT_MS,
    minMs: 0,
  }),
  logDecisions: switchFlag("log-decisions", "Print one line per decision to standard output."),
  logLevel: choiceFlag("log-level", "Least severe log lines that are written.", [
    "info",
    "debug",
    "warn",
    "error",
    "silent",
  ]),
};

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
  const { drainTimeoutMs, logDecisions, ...options } = flags;
  const epp = await startEpp({
    ...options,
    shardCount: resolveShardCount(flags.shardCount, (message) => logger.warn(message)),
    streamWindowCount: STREAM_WINDOW_COUNT,
    indexSlotsLog2: INDEX_SLOTS_LOG2,
    ...(logDecisions && { onDecisionLine: (line) => process.stdout.write(`${line}\n`) }),
    logger,
    clock: systemClock,
    prng: new Prng(seed),
  });
  endOnSignal(() => epp.close(drainTimeoutMs));
}

/** How many shards run. Says so when it is fewer than the machine or the flag would have. */
function resolveShardCount(asked: number, warn: (message: string) => void): number {
  const wanted =
    asked === SHARDS_AUTOMATIC ? Math.min(Math.max(1, availableParallelism() - 1), layout.SHARDS_MAX) : asked;
  if (wanted === 1 || supportsReusePort()) return wanted;
  warn(
    `Node ${process.version} cannot listen on one port from several threads: 1 shard instead of ${wanted}; Node 22.12 can`,
  );
  return 1;
}

main(process.argv.slice(2)).catch((error: unknown) => {
  if (!(error instanceof ConfigError)) throw error;
  process.stderr.write(`epp: ${error.message}\n`);
  process.exitCode = EXIT_CODE_USAGE;
});
