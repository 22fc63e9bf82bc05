/**
 * Composition root of the control thread: creates the shared memory and everything that writes it, starts the shards
 * and the index writer, and serves metrics and health. It never touches a request.
 */
import { createRequire } from "node:module";
import { Piscina } from "piscina";
import { formatDecision } from "./admin/decision-log.ts";
import { startHealthServer } from "./admin/health-server.ts";
import { type AdminServer, startMetricsServer } from "./admin/metrics-server.ts";
import type { Clock } from "./base/clock.ts";
import type { Prng } from "./base/prng.ts";
import { BUILTIN_PLUGINS } from "./builtins.ts";
import { DEFAULT_CONFIG, INDEX_HOLDINGS_MAX } from "./config/defaults.ts";
import { readEndpointsFile } from "./discovery/file/endpoints-file.ts";
import { FleetWatch } from "./endpoints/fleet-watch.ts";
import { EndpointRegistry } from "./endpoints/registry.ts";
import { PluginRegistry } from "./framework/registry.ts";
import type { IndexWriterTask } from "./index-writer.ts";
import type { ParserType } from "./parsing/parser.ts";
import { type CompiledPolicy, compilePolicy } from "./scheduling/policy.ts";
import { vllm } from "./scrape/engines/vllm.ts";
import { Scraper } from "./scrape/scraper.ts";
import type { FromShard } from "./shards/messages.ts";
import { ShardPool } from "./shards/pool.ts";
import { supervise } from "./shards/supervise.ts";
import type { Logger } from "./telemetry/logger.ts";
import { createMetricsRegistry, type FleetView, newControlCounters } from "./telemetry/metrics.ts";
import { SharedCounters } from "./wasm/counters.ts";
import { EndpointColumns } from "./wasm/endpoint-columns.ts";
import { IndexControl } from "./wasm/index-control.ts";
import { instantiateKernel } from "./wasm/kernel.ts";
import { NameTable } from "./wasm/name-table.ts";
import { PolicyTable } from "./wasm/policies.ts";
import { createSharedMemory } from "./wasm/regions.ts";
import { warmUpKernel } from "./wasm/warm-up.ts";

export interface EppOptions {
  readonly host: string;
  readonly grpcPort: number;
  readonly healthPort: number;
  readonly metricsPort: number;
  readonly endpointsFile: string;
  readonly scrapeIntervalMs: number;
  readonly shardCount: number;
  readonly streamWindowCount: number;
  readonly indexSlotsLog2: number;
  readonly requestBodySizeMax: number;
  readonly parserTypes: readonly ParserType[];
  readonly honoursSubsetHint: boolean;
  readonly emitEndpointScores: boolean;
  /** Endpoints that a pick names, best first; as the configuration says when absent. */
  readonly targetsMax?: number;
  /** Time in which requests are still taken when health already says that the picker ends; none when absent. */
  readonly drainNoticeMs?: number;
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
  const specs = readEndpointsFile(options.endpointsFile);
  const policy = compilePolicy(DEFAULT_CONFIG, new PluginRegistry(BUILTIN_PLUGINS));
  const memory = createSharedMemory(options);
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
  const watch = new FleetWatch({ endpoints, logger, control });
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

  const indexWriter = startIndexWriter(options, memory, policy, indexControl, () => control.indexWriterRestarts++);
  closers.push(indexWriter.close);

  let isServing = false;
  const metrics = await startMetricsServer({
    host: options.host,
    port: options.metricsPort,
    registry: createMetricsRegistry({ counters, control, fleet: () => fleetView(names, endpoints) }),
  });
  closers.push(() => metrics.close());
  const health: AdminServer = await startHealthServer({
    host: options.host,
    port: options.healthPort,
    isServing: () => isServing,
  });
  closers.push(() => health.close());

  const shards = new ShardPool({
    memory,
    kernel,
    shardCount: options.shardCount,
    host: options.host,
    port: options.grpcPort,
    prng: options.prng,
    clock,
    requestBodySizeMax: options.requestBodySizeMax,
    parserTypes: options.parserTypes,
    honoursSubsetHint: options.honoursSubsetHint,
    emitEndpointScores: options.emitEndpointScores,
    reportDecisions: options.onDecisionLine !== undefined,
    onMessage: (_shard, message) => onShardMessage(message, { options, names, policy, endpoints }),
    onDeath: (shard, reason) => {
      control.shardRestarts++;
      logger.error({ shard, reason }, "a shard died; its charges were returned, it is started again");
    },
  });
  let graceMs = 0;
  closers.push(() => shards.end(graceMs));
  await indexWriter.begun;
  await shards.start();
  isServing = true;
  const ports = { grpcPort: shards.port, healthPort: health.port, metricsPort: metrics.port };
  logger.info({ ...ports, shards: options.shardCount, endpoints: specs.length }, "serving");
  return {
    ...ports,
    shards,
    endpoints,
    counters,
    killIndexWriter: indexWriter.kill,
    async close(grace) {
      isServing = false;
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
    endpoints: endpoints.endpoints.map(({ spec: { name, namespace }, slot, isReachable }) => {
      return { name, namespace, slot, isReachable };
    }),
  };
}

interface RunningIndexWriter {
  /** Resolves when it has taken over the index, or has died trying, of which a log line tells. */
  readonly begun: Promise<void>;
  readonly close: Closer;
  readonly kill: () => Promise<void>;
}

/** Starts the index writer as a background task. */
function startIndexWriter(
  { clock, logger }: EppOptions,
  memory: WebAssembly.Memory,
  policy: CompiledPolicy,
  indexControl: IndexControl,
  onRestart: () => void,
): RunningIndexWriter {
  const filename = createRequire(import.meta.url).resolve("#index-writer");
  const workers = new Piscina({ filename, minThreads: 1, maxThreads: 1, atomics: "disabled" });
  const blocksPerEndpoint = policy.prefixCache.blocksPerEndpointMax;
  const task: IndexWriterTask = { memory, lanes: { blocksPerEndpoint, blocksTotal: INDEX_HOLDINGS_MAX } };
  let begin: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  workers.once("message", () => begin());
  const writer = supervise({
    clock,
    run: () => workers.run(task),
    onDeath: (reason) => {
      begin();
      onRestart();
      logger.error({ reason }, "the index writer died; it starts again with an empty prefix index");
    },
  });
  return {
    begun,
    async close() {
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
  context: { options: EppOptions; names: NameTable; policy: CompiledPolicy; endpoints: EndpointRegistry },
): void {
  const { options, names, policy, endpoints } = context;
  switch (message.kind) {
    case "listening":
    case "listenFailed":
      break;
    case "unknownName":
      names.add(message.name);
      if (!names.hasRoom) options.logger.warn("the name table is full; further models count as other");
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
