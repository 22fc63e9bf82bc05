/** What a picker is started with. Defaults that flags and configuration have stand with these. */
import type { Clock } from "./base/clock.ts";
import type { Prng } from "./base/prng.ts";
import type { TransportKind } from "./config/defaults.ts";
import type { LoadedConfig } from "./config/load.ts";
import type { LegacyMetricFlags } from "./platform/legacy-metric-flags.ts";
import type { SecureServing } from "./shards/serving-certificate.ts";
import type { LogLosses } from "./telemetry/log-losses.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { TracingSettings } from "./telemetry/tracing/settings.ts";

export interface EppOptions {
  readonly host: string;
  readonly grpcPort: number;
  readonly healthPort: number;
  readonly metricsPort: number;
  /** TLS on the port of ext_proc; plaintext when absent. */
  readonly tls?: SecureServing | undefined;
  /** Who speaks HTTP/2 with proxies; the first of `TRANSPORTS` when absent. */
  readonly transport?: TransportKind;
  /** Answer gRPC health on the port of ext_proc, too; not when absent. */
  readonly healthOnGrpcPort?: boolean;
  /** Bounds of ext_proc messages from and to the proxy; see `ServingSettings`. */
  readonly messageReceiveSizeMax?: number | undefined;
  readonly messageSendSizeMax?: number | undefined;
  /** Where endpoints come from, unless the configuration says so; empty for none. */
  readonly endpointsFile: string;
  /** Read the endpoints file again when it changes; it is when absent. */
  readonly watchEndpointsFile?: boolean;
  readonly scrapeIntervalMs: number;
  /** Ask idle endpoints for their metrics less often; they are when absent. */
  readonly scrapeBackOff?: boolean;
  /** Age at which a scraped value counts as unknown; `METRICS_STALE_MS` when absent. */
  readonly metricsStaleMs?: number;
  /** The built-in one when absent. */
  readonly config?: LoadedConfig;
  /** What removed flags say of scraping; nothing when absent. */
  readonly legacyMetrics?: LegacyMetricFlags;
  /** As asked for; a Node that cannot share a port runs one, and the health details say so. */
  readonly shardCount: number;
  readonly streamWindowCount: number;
  readonly indexSlotsLog2: number;
  readonly requestBodySizeMax: number;
  readonly honoursSubsetHint: boolean;
  readonly emitEndpointScores: boolean;
  /** Value of the label `name` of the pool's metrics; empty when absent. */
  readonly poolName?: string;
  /** Expose each metric under the name that older dashboards know, too; it is when absent. */
  readonly deprecatedMetrics?: boolean;
  /** Expose metrics of ext_proc streams; they are not when absent. */
  readonly streamMetrics?: boolean;
  /** How requests are traced; they are not when absent. */
  readonly tracing?: TracingSettings | undefined;
  /** Time between two computations of the pool's gauges; as in `POOL_GAUGES_REFRESH_MS` when absent. */
  readonly poolGaugesRefreshMs?: number;
  /** File of what clients may name as their objective; none when absent or empty. */
  readonly objectivesFile?: string;
  /** Endpoints that a pick names, best first; as the configuration says when absent. */
  readonly targetsMax?: number;
  /** Time in which requests are still taken when health already says that the picker ends; none when absent. */
  readonly drainNoticeMs?: number;
  /** Whether profiles of threads can be taken on the metrics port; they can when absent. */
  readonly enablePprof?: boolean;
  /** Directory with `tls.crt` and `tls.key` for the metrics port; plain HTTP when empty or absent. */
  readonly metricsCertDir?: string | undefined;
  /** CA of the clients that the metrics port serves; all when empty or absent. */
  readonly metricsClientCaFile?: string | undefined;
  /** Gets one line per decision and refusal; decisions are not reported when absent. */
  readonly onDecisionLine?: (line: string) => void;
  readonly logger: Logger;
  /** Of the logger's lines; nobody is told when absent. */
  readonly logLosses?: LogLosses;
  /** Whether requests have log lines; they have when absent. */
  readonly logsRequests?: boolean;
  readonly clock: Clock;
  readonly prng: Prng;
}
