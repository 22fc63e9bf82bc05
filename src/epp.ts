/**
 * Composition root of the control thread: creates the shared memory and everything that writes it, starts the shards
 * and the index writer, and serves metrics and health. It never touches a request.
 */
import { createRequire } from "node:module";
import { MessageChannel } from "node:worker_threads";
import { Piscina } from "piscina";
import { startAdmin } from "./admin/admin.ts";
import type { AdminServer } from "./admin/admin-server.ts";
import { readAdminTls } from "./admin/admin-tls.ts";
import { formatDecision } from "./admin/decision-log.ts";
import { startHealthServer } from "./admin/health-server.ts";
import type { Phase } from "./admin/pages/health.ts";
import type { Clock, Timer } from "./base/clock.ts";
import type { Prng } from "./base/prng.ts";
import { BUILTIN_PLUGINS } from "./builtins.ts";
import {
  DEFAULT_CONFIG,
  INDEX_HOLDINGS_MAX,
  INDEX_LEARNING_MS,
  METRICS_STALE_MS,
  POOL_GAUGES_REFRESH_MS,
} from "./config/defaults.ts";
import { readEndpointsFile } from "./discovery/file/endpoints-file.ts";
import { reportFleet } from "./endpoints/fleet-health.ts";
import { FleetWatch } from "./endpoints/fleet-watch.ts";
import { EndpointRegistry } from "./endpoints/registry.ts";
import { formatPluginStates } from "./framework/plugin-states.ts";
import { PluginRegistry } from "./framework/registry.ts";
import type { IndexWriterTask } from "./index-writer.ts";
import type { ParserType } from "./parsing/parser.ts";
import { type QueriedThread, RemoteThread } from "./platform/thread-queries.ts";
import { type CompiledPolicy, compilePolicy } from "./scheduling/policy.ts";
import { vllm } from "./scrape/engines/vllm.ts";
import { Scraper } from "./scrape/scraper.ts";
import type { FromShard } from "./shards/messages.ts";
import { listeningShards, ShardPool } from "./shards/pool.ts";
import { supervise } from "./shards/supervise.ts";
import { HealthDetails } from "./telemetry/health-details.ts";
import type { Logger } from "./telemetry/logger.ts";
import { ControlMetrics } from "./telemetry/metrics/control-metrics.ts";
import { type ControlCounters, type FleetView, newControlCounters } from "./telemetry/metrics.ts";
import { SharedCounters } from "./wasm/counters.ts";
import { EndpointColumns } from "./wasm/endpoint-columns.ts";
import { IndexControl } from "./wasm/index-control.ts";
import { instantiateKernel } from "./wasm/kernel.ts";
import { NameTable } from "./wasm/name-table.ts";
import { PolicyTable } from "./wasm/policies.ts";
import { createSharedMemory } from "./wasm/regions.ts";
import { warmUpKernel } from "./wasm/warm-up.ts";

/** The plugin that the prefix index stands for, in labels. */
const PREFIX_PLUGIN = { name: "approx-prefix-cache-producer", type: "approx-prefix-cache-producer" };

export interface EppOptions {
  readonly host: string;
  readonly grpcPort: number;
  readonly healthPort: number;
  readonly metricsPort: number;
  readonly endpointsFile: string;
  readonly scrapeIntervalMs: number;
  /** As asked for; a Node that cannot share a port runs one, and the health details say so. */
  readonly shardCount: number;
  readonly streamWindowCount: number;
  readonly indexSlotsLog2: number;
  readonly requestBodySizeMax: number;
  readonly parserTypes: readonly ParserType[];
  readonly honoursSubsetHint: boolean;
  readonly emitEndpointScores: boolean;
  /** Value of the label `name` of the pool's metrics; empty when absent. */
  readonly poolName?: string;
  /** Expose each metric under the name that older dashboards know, too; it is when absent. */
  readonly deprecatedMetrics?: boolean;
  /** Expose metrics of ext_proc streams; they are not when absent. */
  readonly streamMetrics?: boolean;
  /** Time between two computations of the pool's gauges; as in `POOL_GAUGES_REFRESH_MS` when absent. */
  readonly poolGaugesRefreshMs?: number;
  /** Endpoints that a pick names, best first; as the configuration says when absent. */
  readonly targetsMax?: number;
  /** Time in which requests are still taken when health already says that the picker ends; none when absent. */
  readonly drainNoticeMs?: number;
  /** Whether profiles of threads can be taken on the metrics port; they can when absent. */
  readonly enablePprof?: boolean;
  /** Directory with `tls.crt` and `tls.key` for the metrics port; plain HTTP when absent. */
  readonly metricsCertDir?: string | undefined;
  /** CA of the clients that the metrics port serves; all when absent. */
  readonly metricsClientCaFile?: string | undefined;
  /** Gets one line per decision and refusal; decisions are not reported when absent. */
  readonly onDecisionLine?: (line: string) => void;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly prng: Prng;
}

export interface Epp {
  readonly grpcPort: number;
  readonly healthPort: number;
  readonly metricsPort: number;
  readonly shards: ShardPool;
  readonly endpoints: EndpointRegistry;
  readonly counters: SharedCounters;
  /** The degraded states that hold. */
  readonly degraded: HealthDetails;
  /** Ends the index writer's thread as a crash would; resolves when it is gone. For fault tests. */
  killIndexWriter(): Promise<void>;
  /**
   * Says NOT_SERVING; after `drainNoticeMs` takes no new streams, serves the open ones for up to `graceMs`, then ends
   * everything. With a grace of 0 it ends everything at once.
   */
  close(graceMs: number): Promise<void>;
}

/** Starts a picker. Resolves when it serves; throws a ConfigError, with nothing left running, when it cannot. */
export async function startEpp(options: EppOptions): Promise<Epp> {
  const closers: Closer[] = [];
  try {
    return await start(options, closers);
  } catch (error) {
    await closeAll(closers);
    throw error;
  }
}

/** Ends one thing that was started. */
type Closer = () => Promise<void>;

/** The last started ends first: shards stop taking requests while metrics and health still answer. */
async function closeAll(closers: Closer[]): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close();
}

async function start(options: EppOptions, closers: Closer[]): Promise<Epp> {
  const { clock, logger } = options;
  const degraded = new HealthDetails({ clock, logger });
  const shardCount = listeningShards(options.shardCount, degraded);
  const specs = readEndpointsFile(options.endpointsFile);
  const policy = compilePolicy(DEFAULT_CONFIG, new PluginRegistry(BUILTIN_PLUGINS));
  const memory = createSharedMemory({ ...options, shardCount });
  const kernel = instantiateKernel(memory);
  warmUpKernel();
  const counters = new SharedCounters(memory, kernel);
  const names = new NameTable(memory, kernel);
  const control = newControlCounters();
  const indexControl = new IndexControl(memory);
  const { targetsMax = policy.program.targetsMax } = options;
  new PolicyTable(memory).publish({ ...policy.program, targetsMax });

  const endpoints = new EndpointRegistry(new EndpointColumns(memory), {
    requestClear: (slot, generation) => indexControl.requestClear(slot, generation),
    isCleared: (slot, generation) => indexControl.isCleared(slot, generation),
    inFlightRequests: (slot) => kernel.inFlightRequests(slot),
  });
  const watch = new FleetWatch({ endpoints, logger, control, degraded });
  const scraper = new Scraper({
    clock,
    intervalMs: options.scrapeIntervalMs,
    engine: vllm,
    beforeScrape: ({ slot }) => ({ inFlightAtScrape: kernel.inFlightRequests(slot) }),
    onScraped: (endpoint, metrics, sent) => watch.onScraped(endpoint, { ...metrics, ...sent }),
    onFailed: (endpoint, reason) => watch.onScrapeFailed(endpoint, reason),
  });
  closers.push(() => scraper.close());
  for (const endpoint of endpoints.replaceAll(specs).added) scraper.add(endpoint);
  reportFleet(endpoints.endpoints, degraded);

  const indexWriter = startIndexWriter({ options, memory, policy, indexControl, control, degraded });
  closers.push(indexWriter.close);

  let phase: Phase = "starting";
  // The admin server answers before there are shards.
  const started: { shards?: ShardPool } = {};
  const metering = new ControlMetrics({
    counters,
    control,
    fleet: () => fleetView(names, endpoints),
    degraded: () => degraded.counts(),
    health: degraded,
    clock,
    shardCount,
    poolName: options.poolName ?? "",
    prefixPlugin: PREFIX_PLUGIN,
    refreshMs: options.poolGaugesRefreshMs ?? POOL_GAUGES_REFRESH_MS,
    staleMs: METRICS_STALE_MS,
    withTwins: options.deprecatedMetrics ?? true,
    withStreams: options.streamMetrics ?? false,
  });
  closers.push(async () => metering.close());
  const metrics = await startAdmin({
    host: options.host,
    port: options.metricsPort,
    tls: readAdminTls({ certDir: options.metricsCertDir, clientCaFile: options.metricsClientCaFile }),
    clock,
    logger,
    metrics: metering.page,
    phase: () => phase,
    degraded,
    endpoints: () => endpoints.endpoints,
    counters,
    isListening: (shard) => started.shards?.isListening(shard) === true,
    pluginStates: () => formatPluginStates([]),
    effectiveConfig: () => DEFAULT_CONFIG,
    shards: () => started.shards?.queried ?? [],
    indexWriter: indexWriter.queried,
    hasCaptures: options.enablePprof ?? true,
  });
  closers.push(() => metrics.close());
  const health: AdminServer = await startHealthServer({
    host: options.host,
    port: options.healthPort,
    isServing: () => phase === "serving",
  });
  closers.push(() => health.close());

  const shards = new ShardPool({
    memory,
    seriesOf: (shard) => metering.tableOf(shard),
    countsStreams: options.streamMetrics ?? false,
    kernel,
    shardCount,
    host: options.host,
    port: options.grpcPort,
    prng: options.prng,
    clock,
    requestBodySizeMax: options.requestBodySizeMax,
    parserTypes: options.parserTypes,
    honoursSubsetHint: options.honoursSubsetHint,
    emitEndpointScores: options.emitEndpointScores,
    reportDecisions: options.onDecisionLine !== undefined,
    onMessage(shard, message) {
      if (message.kind === "listening") degraded.clear("shard-down", `shard ${shard}`);
      onShardMessage(message, { options, names, policy, endpoints, degraded });
    },
    onDeath: (shard, reason) => {
      metering.onShardDeath(shard);
      control.shardRestarts++;
      degraded.raise("shard-down", `shard ${shard} died: ${reason}`, `shard ${shard}`);
    },
  });
  started.shards = shards;
  let graceMs = 0;
  closers.push(() => shards.end(graceMs));
  await indexWriter.begun;
  await shards.start();
  phase = "serving";
  const ports = { grpcPort: shards.port, healthPort: health.port, metricsPort: metrics.port };
  logger.info({ ...ports, shards: shardCount, endpoints: specs.length }, "serving");
  return {
    ...ports,
    shards,
    endpoints,
    counters,
    degraded,
    killIndexWriter: indexWriter.kill,
    async close(grace) {
      phase = "draining";
      graceMs = grace;
      const { drainNoticeMs = 0 } = options;
      if (grace > 0 && drainNoticeMs > 0) await new Promise<void>((done) => clock.setTimeout(done, drainNoticeMs));
      await closeAll(closers);
    },
  };
}

function fleetView(names: NameTable, endpoints: EndpointRegistry): FleetView {
  return {
    names: names.names,
    endpoints: endpoints.endpoints.map(
      ({ spec: { name, namespace, port }, slot, generation, isReachable, scraped }) => {
        return { name, namespace, port, slot, generation, isReachable, load: scraped };
      },
    ),
  };
}

interface RunningIndexWriter {
  /** Resolves when it has taken over the index, or has died trying, of which a log line tells. */
  readonly begun: Promise<void>;
  /** The writer that runs now, to be asked by operators. */
  readonly queried: () => QueriedThread | undefined;
  readonly close: Closer;
  readonly kill: () => Promise<void>;
}

/** Starts the index writer as a background task. */
function startIndexWriter(context: {
  readonly options: EppOptions;
  readonly memory: WebAssembly.Memory;
  readonly policy: CompiledPolicy;
  readonly indexControl: IndexControl;
  readonly control: ControlCounters;
  readonly degraded: HealthDetails;
}): RunningIndexWriter {
  const { options, memory, policy, indexControl, control, degraded } = context;
  const { clock } = options;
  const filename = createRequire(import.meta.url).resolve("#index-writer");
  const workers = new Piscina({ filename, minThreads: 1, maxThreads: 1, atomics: "disabled" });
  const blocksPerEndpoint = policy.prefixCache.blocksPerEndpointMax;
  const lanes = { blocksPerEndpoint, blocksTotal: INDEX_HOLDINGS_MAX };
  let queried: RemoteThread | undefined;
  const run = async (): Promise<void> => {
    const { port1, port2 } = new MessageChannel();
    queried = new RemoteThread("index-writer", port1, () => indexControl.wake());
    const task: IndexWriterTask = { memory, lanes, queries: port2 };
    try {
      await workers.run(task, { transferList: [port2] });
    } finally {
      queried.close();
      queried = undefined;
    }
  };
  let begin: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  let learning: Timer | undefined;
  workers.on("message", () => {
    degraded.clear("index-writer-down");
    begin();
  });
  const writer = supervise({
    clock,
    run,
    onDeath: (reason) => {
      begin();
      control.indexWriterRestarts++;
      degraded.raise("index-writer-down", `the index writer died: ${reason}`);
      degraded.raise("prefix-index-emptied", "the index writer died, the next one begins with an empty prefix index");
      learning?.cancel();
      learning = clock.setTimeout(() => degraded.clear("prefix-index-emptied"), INDEX_LEARNING_MS);
    },
  });
  return {
    begun,
    queried: () => queried,
    async close() {
      learning?.cancel();
      const ended = writer.end();
      indexControl.requestEnd();
      await ended;
      await workers.destroy();
    },
    async kill() {
      await Promise.all(workers.threads.map((thread) => thread.terminate()));
    },
  };
}

function onShardMessage(
  message: FromShard,
  context: {
    options: EppOptions;
    names: NameTable;
    policy: CompiledPolicy;
    endpoints: EndpointRegistry;
    degraded: HealthDetails;
  },
): void {
  const { options, names, policy, endpoints, degraded } = context;
  switch (message.kind) {
    case "listening":
    case "listenFailed":
      break;
    case "unknownName":
      names.add(message.name);
      if (!names.hasRoom) degraded.raise("name-table-full", `${names.names.length} names are told apart, no more`);
      break;
    case "decision": {
      const endpointName = (slot: number): string => endpoints.at(slot)?.spec.name ?? `slot ${slot}`;
      options.onDecisionLine?.(formatDecision(message.record, { endpointName, scorers: policy.scorers }));
      break;
    }
    case "refusal":
      options.onDecisionLine?.(`refused with ${message.code}: ${message.message}`);
      break;
    case "protocolError":
      options.onDecisionLine?.(`stream ended: ${message.message}`);
      break;
  }
}
