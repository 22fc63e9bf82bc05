/**
 * Composition root of the control thread: creates the shared memory and everything that writes it, starts the shards
 * and the index writer, and serves metrics and health. It never touches a request.
 */
import { startAdmin } from "./admin/admin.ts";
import type { AdminServer } from "./admin/admin-server.ts";
import { startHealthServer } from "./admin/health-server.ts";
import { HealthState } from "./admin/health-state.ts";
import type { Phase } from "./admin/pages/health.ts";
import { balanceShards } from "./balance-shards.ts";
import { BLOCKS_PER_ENDPOINT_MAX, METRICS_STALE_MS, POOL_GAUGES_REFRESH_MS, TRANSPORTS } from "./config/defaults.ts";
import { showConfig } from "./config/show.ts";
import { loadBuiltInConfiguration } from "./configuration.ts";
import { endpointsFileOf, located, scrapePlanOf } from "./configured-parts.ts";
import { ObjectivesFile } from "./discovery/file/objectives-file.ts";
import { fleetView } from "./endpoints/fleet-view.ts";
import { EndpointRegistry } from "./endpoints/registry.ts";
import type { EppOptions } from "./epp-options.ts";
import { startFleet } from "./fleet.ts";
import type { Objective } from "./framework/objective.ts";
import { formatPluginStates } from "./framework/plugin-states.ts";
import { startIndexWriter } from "./index-writer-thread.ts";
import { PolicyControl } from "./policy-control.ts";
import { ShardReportsTaker } from "./shard-reports.ts";
import type { Balancer } from "./shards/balancer.ts";
import type { ShardResult } from "./shards/messages.ts";
import { listeningShards, ShardPool } from "./shards/pool.ts";
import { loadServingCertificate } from "./shards/serving-certificate.ts";
import { newControlCounters } from "./telemetry/control-counters.ts";
import { HealthDetails } from "./telemetry/health-details.ts";
import { reportLogLosses } from "./telemetry/log-losses.ts";
import { ControlMetrics } from "./telemetry/metrics/control-metrics.ts";
import { SharedCounters } from "./wasm/counters.ts";
import { EndpointColumns } from "./wasm/endpoint-columns.ts";
import { EndpointNames } from "./wasm/endpoint-names.ts";
import { IndexControl } from "./wasm/index-control.ts";
import { instantiateKernel } from "./wasm/kernel.ts";
import { NameTable } from "./wasm/name-table.ts";
import { createSharedMemory } from "./wasm/regions.ts";
import { warmUpKernel } from "./wasm/warm-up.ts";
import { watchThreads } from "./watch-threads.ts";

/** The plugin that the prefix index stands for, in labels. */
const PREFIX_PLUGIN = { name: "approx-prefix-cache-producer", type: "approx-prefix-cache-producer" };

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
   * Says NOT_SERVING; after `drainNoticeMs` takes no new streams, serves the open ones until `graceMs` are over, the
   * notice included, then ends everything. With a grace of 0 it ends everything at once. Resolves with the number of
   * streams that were still open when their time was over.
   */
  close(graceMs: number): Promise<ShardResult>;
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
  const configuration = options.config ?? (await loadBuiltInConfiguration());
  const { config, registry } = configuration;
  const degraded = new HealthDetails({ clock, logger });
  if (options.logLosses !== undefined) closers.push(reportLogLosses(options.logLosses, degraded, clock));
  const shardCount = listeningShards(options.shardCount, degraded);
  const memory = createSharedMemory({ ...options, shardCount });
  const kernel = instantiateKernel(memory);
  warmUpKernel();
  const counters = new SharedCounters(memory, kernel);
  const names = new NameTable(memory, kernel);
  const control = newControlCounters();
  const indexControl = new IndexControl(memory);
  const columns = new EndpointColumns(memory);
  const endpoints = new EndpointRegistry(columns, {
    requestClear: (slot, generation) => indexControl.requestClear(slot, generation),
    isCleared: (slot, generation) => indexControl.isCleared(slot, generation),
    inFlightRequests: (slot) => kernel.inFlightRequests(slot),
  });
  // The admin server answers before there are shards.
  const started: { shards?: ShardPool; balancer?: Balancer } = {};
  const policies = new PolicyControl({
    memory,
    kernel,
    clock,
    logger,
    degraded,
    columns,
    endpoints: () => endpoints.endpoints,
    tell: (message) => started.shards?.tell(message) ?? [],
    targetsMax: options.targetsMax,
  });
  closers.push(async () => policies.close());
  for (const warning of configuration.warnings) logger.warn(warning);
  if (config.featureGates.flowControl) {
    degraded.raise("flow-control-inactive", "the configuration opens the gate flowControl");
  }
  const { metricsStaleMs: staleMs = METRICS_STALE_MS } = options;
  const { policy, scrapePlan, endpointsFile } = located(configuration, () => {
    const compiled = policies.replace(config, registry);
    return {
      policy: compiled,
      scrapePlan: scrapePlanOf(config, compiled, {
        intervalMs: options.scrapeIntervalMs,
        staleMs,
        backsOff: options.scrapeBackOff ?? true,
        ...(options.legacyMetrics && { legacy: options.legacyMetrics }),
      }),
      endpointsFile: endpointsFileOf(config, compiled, {
        path: options.endpointsFile,
        watches: options.watchEndpointsFile ?? true,
      }),
    };
  });
  endpoints.onFleetChanged({
    onAdding: (slot, { labels }) => policies.onEndpointAdding({ slot, labels }),
    onChanged: () => policies.onFleetChanged(),
  });
  // Before anything is scraped: failures are counted from the first on.
  const metering = new ControlMetrics({
    counters,
    control,
    fleet: () => fleetView(names, endpoints),
    degraded: () => degraded.counts(),
    pluginFailures: () => policies.pluginFailures,
    health: degraded,
    clock,
    shardCount,
    poolName: options.poolName ?? "",
    prefixPlugin: config.plugins.find(({ type }) => type === PREFIX_PLUGIN.type) ?? PREFIX_PLUGIN,
    refreshMs: options.poolGaugesRefreshMs ?? POOL_GAUGES_REFRESH_MS,
    staleMs,
    withTwins: options.deprecatedMetrics ?? true,
    withStreams: options.streamMetrics ?? false,
  });
  closers.push(async () => metering.close());
  const fleet = await startFleet({
    clock,
    logger,
    control,
    degraded,
    endpoints,
    plan: scrapePlan,
    endpointsFile,
    staleMs,
    inFlightRequests: (slot) => kernel.inFlightRequests(slot),
    errors: {
      countPoll: (source) => metering.dataLayer.countPoll(source),
      countExtract: (source, extractor) => metering.dataLayer.countExtract(source, extractor),
    },
    names: new EndpointNames(memory, kernel),
    setAttributes: (slot, attributes) => policies.setAttributes(slot, attributes),
    setCacheShape: (slot, shape) => policies.onCacheShape(slot, shape),
  });
  closers.push(async () => fleet.close());

  const indexWriter = startIndexWriter({
    clock,
    logger,
    memory,
    blocksPerEndpointMax: policy.prefixCache?.blocksPerEndpointMax ?? BLOCKS_PER_ENDPOINT_MAX,
    indexControl,
    control,
    degraded,
  });
  closers.push(indexWriter.close);

  let phase: Phase = "starting";
  const metrics = await startAdmin({
    host: options.host,
    port: options.metricsPort,
    tlsFiles: { certDir: options.metricsCertDir, clientCaFile: options.metricsClientCaFile },
    clock,
    logger,
    metrics: metering.page,
    phase: () => phase,
    degraded,
    endpoints: () => endpoints.endpoints,
    counters,
    control,
    isListening: (shard) => started.shards?.isListening(shard) === true,
    pluginStates: () => formatPluginStates(policies.current?.compiled.plugins ?? []),
    effectiveConfig: () => JSON.parse(showConfig(config, registry, "json")) as unknown,
    shards: () => started.shards?.queried ?? [],
    indexWriter: indexWriter.queried,
    hasCaptures: options.enablePprof ?? true,
  });
  closers.push(() => metrics.close());
  const healthState = new HealthState();
  const { host, healthPort } = options;
  const health: AdminServer = await startHealthServer({ host, port: healthPort, state: healthState });
  closers.push(() => health.close());
  const certificate =
    options.tls &&
    (await loadServingCertificate({
      secureServing: options.tls,
      clock,
      logger,
      degraded,
      onReloaded: (keyPair) => started.shards?.replaceCertificate(keyPair),
    }));
  closers.push(async () => certificate?.close());

  let objectives: readonly Objective[] = [];
  if (options.objectivesFile !== undefined && options.objectivesFile !== "") {
    const file = new ObjectivesFile({
      path: options.objectivesFile,
      clock,
      logger,
      degraded,
      apply(read) {
        objectives = read;
        started.shards?.tell({ kind: "objectives", objectives });
      },
    });
    closers.push(async () => file.close());
    await file.start();
  }
  const shardReports = new ShardReportsTaker({
    shardCount,
    onConnectionShed: (shard) => started.balancer?.onShed(shard),
    logger,
    degraded,
    control,
    names,
    policies,
    endpoints,
    onDecisionLine: options.onDecisionLine,
  });
  const shards = new ShardPool({
    memory,
    seriesOf: (shard) => metering.tableOf(shard),
    countsStreams: options.streamMetrics ?? false,
    tracing: options.tracing,
    kernel,
    shardCount,
    host: options.host,
    serving: {
      transport: options.transport ?? TRANSPORTS[0],
      tls: certificate?.tls,
      servesHealth: options.healthOnGrpcPort ?? false,
      messageReceiveSizeMax: options.messageReceiveSizeMax,
      messageSendSizeMax: options.messageSendSizeMax,
    },
    port: options.grpcPort,
    prng: options.prng,
    clock,
    requestBodySizeMax: options.requestBodySizeMax,
    honoursSubsetHint: options.honoursSubsetHint,
    emitEndpointScores: options.emitEndpointScores,
    reportDecisions: options.onDecisionLine !== undefined,
    reportOutcomes: options.logsRequests ?? true,
    beginning: (shard) => ({ ...policies.beginning(shard), objectives }),
    onMessage: (shard, message) => shardReports.onMessage(shard, message),
    onDeath: (shard, reason, cause) => {
      metering.onShardDeath(shard);
      control.shardRestarts++;
      policies.onShardDeath(shard);
      shardReports.onDeath(shard, reason, cause);
    },
  });
  started.shards = shards;
  const balancer = balanceShards({ clock, logger, shards, counters, metering, control });
  started.balancer = balancer;
  closers.push(async () => balancer.close());
  const threadWatch = watchThreads({ clock, degraded, shards, indexWriter });
  closers.push(async () => threadWatch.close());
  let graceMs = 0;
  let result: ShardResult = { streamsCut: 0 };
  closers.push(async () => {
    result = await shards.end(graceMs);
  });
  await indexWriter.begun;
  await shards.start();
  const enter = (entered: Phase): void => {
    phase = entered;
    healthState.update({ isReady: phase === "serving" });
    shards.setReady(phase === "serving");
  };
  enter("serving");
  const ports = { grpcPort: shards.port, healthPort: health.port, metricsPort: metrics.port };
  logger.info({ ...ports, shards: shardCount, endpoints: endpoints.endpoints.length }, "serving");
  return {
    ...ports,
    shards,
    endpoints,
    counters,
    degraded,
    killIndexWriter: indexWriter.kill,
    async close(grace) {
      enter("draining");
      const noticeMs = Math.min(options.drainNoticeMs ?? 0, grace);
      if (noticeMs > 0) await new Promise<void>((done) => clock.setTimeout(done, noticeMs));
      graceMs = grace - noticeMs;
      await closeAll(closers);
      return result;
    },
  };
}
