/**
 * The admin server as the picker has it: its pages over what the control thread knows and can ask. What a page shows is
 * in src/admin/pages/; how they are served, in admin-server.ts.
 */
import type { Clock } from "../base/clock.ts";
import type { Endpoint } from "../endpoints/registry.ts";
import { answerQueries } from "../platform/answer-queries.ts";
import { localThread, type QueriedThread } from "../platform/thread-queries.ts";
import { readVersions } from "../platform/versions.ts";
import type { ControlCounters } from "../telemetry/control-counters.ts";
import type { HealthDetails } from "../telemetry/health-details.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { SharedCounters } from "../wasm/counters.ts";
import { layout } from "../wasm/layout.ts";
import { type AdminServer, startAdminServer } from "./admin-server.ts";
import { type AdminTlsFiles, readAdminTls, watchAdminCertificate } from "./admin-tls.ts";
import type { MetricsSource } from "./metrics-source.ts";
import { capturePages, type IsAnswering } from "./pages/captures.ts";
import { configPage } from "./pages/config.ts";
import { endpointsPage } from "./pages/endpoints.ts";
import { healthPage, type Phase, type ShardHealth } from "./pages/health.ts";
import { indexPage } from "./pages/index.ts";
import { metricsPage } from "./pages/metrics.ts";
import { pluginStatesPage } from "./pages/plugin-states.ts";
import { givesSignOfLife, readBlocksHeld } from "./thread-answers.ts";

/** Log lines about visitors over a bound are this far apart at least; between them they are counted. */
const OVERLOAD_LOG_MS = 60_000;

export interface AdminOptions {
  readonly host: string;
  readonly port: number;
  readonly tlsFiles: AdminTlsFiles;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsSource;
  readonly phase: () => Phase;
  readonly degraded: HealthDetails;
  readonly endpoints: () => readonly Endpoint[];
  readonly counters: SharedCounters;
  readonly control: ControlCounters;
  readonly isListening: (shard: number) => boolean;
  /** JSON of the states of the control thread's plugins. */
  readonly pluginStates: () => string;
  /** The configuration in force, with every default. */
  readonly effectiveConfig: () => unknown;
  /** The shards that run. */
  readonly shards: () => readonly QueriedThread[];
  /** The index writer, while it runs. */
  readonly indexWriter: () => QueriedThread | undefined;
  /** Whether there are pages of profiles. */
  readonly hasCaptures: boolean;
}

/** Throws a ConfigError when the port cannot be had, or the files of TLS cannot be used. */
export async function startAdmin(options: AdminOptions): Promise<AdminServer> {
  const { host, port, tlsFiles, clock, phase } = options;
  const tls = readAdminTls(tlsFiles);
  const overload = new OverloadLog(options);
  const isAnswering: IsAnswering = (thread, signal) => givesSignOfLife(thread, clock, signal);
  const control = localThread("control", answerQueries(options));
  const pages = [
    metricsPage(options.metrics),
    healthPage({
      clock,
      startedAtWallMs: clock.wallMs() - clock.nowMs(),
      versions: readVersions(layout.LAYOUT_VERSION),
      phase,
      degraded: options.degraded,
      shards: () => shardHealth(options),
      overload: () => options.control.adminTurnedAway,
    }),
    endpointsPage({
      clock,
      endpoints: options.endpoints,
      inFlight: (slot) => ({
        requests: options.counters.inFlightRequests(slot),
        tokens: options.counters.inFlightTokens(slot),
      }),
      blocksHeld: (signal) => readBlocksHeld(options.indexWriter(), clock, signal),
    }),
    pluginStatesPage(() => [control, ...options.shards()], isAnswering),
    configPage(options.effectiveConfig),
    ...(options.hasCaptures ? capturePages(() => allThreads(control, options), isAnswering) : []),
  ];
  const server = await startAdminServer({
    host,
    port,
    tls,
    clock,
    pages: [...pages, indexPage(pages)],
    isStarted: () => phase() !== "starting",
    onOverload: (what) => overload.count(what),
  });
  if (tls === undefined) return server;
  const { keyPair: current } = tls;
  const { certDir = "" } = tlsFiles;
  const endWatch = watchAdminCertificate({
    ...options,
    certDir,
    current,
    use: (keyPair) => server.useKeyPair(keyPair),
  });
  return {
    ...server,
    async close() {
      endWatch();
      await server.close();
    },
  };
}

function allThreads(control: QueriedThread, { shards, indexWriter }: AdminOptions): readonly QueriedThread[] {
  const writer = indexWriter();
  return writer === undefined ? [control, ...shards()] : [control, ...shards(), writer];
}

function shardHealth({ counters, isListening }: AdminOptions): ShardHealth[] {
  return Array.from({ length: counters.shardCount }, (_, shard) => {
    const opened = counters.ofShard(shard, layout.SHARD_COUNTER_STREAMS_OPENED);
    return {
      name: `shard-${shard}`,
      isListening: isListening(shard),
      streamsOpen: opened - counters.ofShard(shard, layout.SHARD_COUNTER_STREAMS_CLOSED),
      inFlightRequests: counters.inFlightOfShard(shard),
    };
  });
}

/** Counts visitors over a bound, and says so in the log now and then. */
class OverloadLog {
  readonly #options: Pick<AdminOptions, "clock" | "logger" | "control">;
  #loggedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: Pick<AdminOptions, "clock" | "logger" | "control">) {
    this.#options = options;
  }

  count(bound: keyof ControlCounters["adminTurnedAway"]): void {
    const { clock, logger, control } = this.#options;
    control.adminTurnedAway[bound]++;
    if (clock.nowMs() - this.#loggedAtMs < OVERLOAD_LOG_MS) return;
    this.#loggedAtMs = clock.nowMs();
    logger.warn({ ...control.adminTurnedAway }, "the metrics port turns visitors away: too many at once, or too slow");
  }
}
