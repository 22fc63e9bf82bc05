/**
 * The picker's flags in the groups in which `--help` and `docs/flags.md` show them. Names and defaults are those of the
 * Go picker where it has the flag; what it does not have is ours. What the values mean together: flags.ts.
 */
import {
  DRAIN_NOTICE_MS,
  DRAIN_TIMEOUT_MS,
  METRICS_STALE_MS,
  POOL_GAUGES_REFRESH_MS,
  REQUEST_BODY_SIZE_MAX,
  SCRAPE_INTERVAL_MS,
  TRANSPORTS,
  type TransportKind,
} from "./config/defaults.ts";
import {
  choiceFlag,
  durationFlag,
  integerFlag,
  integerListFlag,
  optionalSizeFlag,
  optionalTextFlag,
  portFlag,
  repeatedFlag,
  switchFlag,
  textFlag,
  textListFlag,
} from "./platform/flag-kinds.ts";
import type { FlagTableOf } from "./platform/flags.ts";
import { layout } from "./wasm/layout.ts";

/** Value of `--shards` that leaves the number to the machine. */
export const SHARDS_AUTOMATIC = 0;

/** Ports of one model server: those of its data-parallel ranks. */
const TARGET_PORTS_MAX = 8;

/** gRPC's length field has 32 bits, and buffers of Node end at 2 GiB on some platforms. */
const MESSAGE_SIZE_MAX: number = 2 ** 31 - 1;

/** Where endpoints come from, and what is decided by which rules. */
export interface SourceFlags {
  readonly endpointsFile: string;
  readonly configFile: string;
  readonly configText: string;
  readonly pluginPaths: readonly string[];
  readonly objectivesFile: string;
  readonly allowExperimentalPlugins: boolean;
}

export const SOURCE_FLAGS: FlagTableOf<SourceFlags> = {
  endpointsFile: textFlag(
    "endpoints-file",
    "path",
    "YAML or JSON file that lists the model servers. Required unless the configuration names a source of endpoints.",
    "",
  ),
  configFile: textFlag("config-file", "path", "Configuration in YAML or JSON. Without one a built-in one is used.", ""),
  configText: textFlag("config-text", "text", "The configuration itself, in YAML or JSON.", ""),
  pluginPaths: repeatedFlag("plugin", "path", "JavaScript module with plugins of your own; may be repeated."),
  objectivesFile: textFlag("objectives-file", "path", "File of inference objectives: names and their priorities.", ""),
  allowExperimentalPlugins: switchFlag("allow-experimental-plugins", "Let the configuration use alpha plugins."),
};

export interface ListeningFlags {
  readonly host: string;
  readonly grpcPort: number;
  readonly healthPort: number;
  readonly metricsPort: number;
  readonly healthOnGrpcPort: boolean;
  readonly transport: TransportKind;
  readonly messageReceiveSizeMax: number | undefined;
  readonly messageSendSizeMax: number | undefined;
  readonly shardCount: number;
}

export const LISTENING_FLAGS: FlagTableOf<ListeningFlags> = {
  host: textFlag("host", "address", "Address to listen on.", "0.0.0.0"),
  grpcPort: portFlag("grpc-port", "Port of ext_proc.", 9002),
  healthPort: portFlag("grpc-health-port", "Port of gRPC health, always without TLS.", 9003),
  metricsPort: portFlag("metrics-port", "Port of Prometheus metrics.", 9090),
  healthOnGrpcPort: switchFlag("health-checking", "Serve gRPC health on the port of ext_proc, too."),
  transport: choiceFlag(
    "transport",
    "Who speaks HTTP/2 with proxies: the picker itself, or grpc-js over Node's HTTP/2 at several times the CPU.",
    TRANSPORTS,
  ),
  messageReceiveSizeMax: optionalSizeFlag({
    name: "grpc-max-recv-msg-size",
    help: "A larger ext_proc message from the proxy ends its stream.",
    defaultText: "request-body-size-max and 1 MiB",
    min: 1024,
    max: MESSAGE_SIZE_MAX,
  }),
  messageSendSizeMax: optionalSizeFlag({
    name: "grpc-max-send-msg-size",
    help: "A larger ext_proc message to the proxy ends its stream.",
    defaultText: "no limit",
    min: 1024,
    max: MESSAGE_SIZE_MAX,
  }),
  shardCount: integerFlag({
    name: "shards",
    valueName: "count",
    help: "Threads that serve requests; 0 takes all cores but one. More than 1 needs Node 22.12.",
    byDefault: SHARDS_AUTOMATIC,
    min: 0,
    max: layout.SHARDS_MAX,
  }),
};

export interface TlsFlags {
  readonly secureServing: boolean;
  readonly certPath: string;
  readonly enableCertReload: boolean;
  readonly tlsMinVersion: string;
  readonly tlsCipherSuites: readonly string[];
}

export const TLS_FLAGS: FlagTableOf<TlsFlags> = {
  secureServing: switchFlag("secure-serving", "TLS on the port of ext_proc.", true),
  certPath: textFlag(
    "cert-path",
    "folder",
    "Folder with tls.crt and tls.key. Without one a self-signed certificate is made at start.",
    "",
  ),
  enableCertReload: switchFlag("enable-cert-reload", "Use a changed certificate without a restart."),
  tlsMinVersion: textFlag("tls-min-version", "version", "VersionTLS12 or VersionTLS13, or 1.2 or 1.3.", "VersionTLS12"),
  tlsCipherSuites: textListFlag("tls-cipher-suites", "list", "Cipher suites of TLS 1.2 by their names in Go."),
};

export interface PoolFlags {
  readonly poolName: string;
  readonly poolNamespace: string;
  readonly poolGroup: string;
  readonly endpointSelector: string;
  readonly endpointTargetPorts: readonly number[];
  readonly enableLeaderElection: boolean;
}

export const POOL_GROUP_DEFAULT = "inference.networking.k8s.io";

export const POOL_FLAGS: FlagTableOf<PoolFlags> = {
  poolName: textFlag("pool-name", "name", "The InferencePool. Not needed when endpoints come from a file.", ""),
  poolNamespace: textFlag("pool-namespace", "name", "Its namespace; $NAMESPACE, else default, when empty.", ""),
  poolGroup: textFlag("pool-group", "group", "Its API group.", POOL_GROUP_DEFAULT),
  endpointSelector: textFlag("endpoint-selector", "labels", "Labels of model server pods, instead of a pool.", ""),
  endpointTargetPorts: integerListFlag({
    name: "endpoint-target-ports",
    valueName: "ports",
    help: `Ports of each of these pods, at most ${TARGET_PORTS_MAX}.`,
    min: 1,
    max: 65_535,
    countMax: TARGET_PORTS_MAX,
  }),
  enableLeaderElection: switchFlag("ha-enable-leader-election", "Of several pickers, let one serve."),
};

export interface RequestFlags {
  readonly requestBodySizeMax: number;
  readonly disableSubsetFilter: boolean;
  readonly emitEndpointScores: boolean;
}

export const REQUEST_FLAGS: FlagTableOf<RequestFlags> = {
  requestBodySizeMax: integerFlag({
    name: "request-body-size-max",
    valueName: "bytes",
    help: "A larger request body is refused with 413.",
    byDefault: REQUEST_BODY_SIZE_MAX,
    min: 1024,
    max: 2 ** 31,
  }),
  disableSubsetFilter: switchFlag(
    "disable-endpoint-subset-filter",
    "Let requests go to any endpoint, also where the proxy names those that they may go to.",
  ),
  emitEndpointScores: switchFlag(
    "emit-endpoint-scores",
    "Tell the proxy every candidate's score, in metadata beside the destination.",
  ),
};

export interface ScrapeFlags {
  readonly scrapeIntervalMs: number;
  readonly metricsStaleMs: number;
  readonly scrapeBackOff: boolean;
}

export const SCRAPE_FLAGS: FlagTableOf<ScrapeFlags> = {
  scrapeIntervalMs: durationFlag({
    name: "refresh-metrics-interval",
    help: "Time between two scrapes of a model server; less than 50ms is raised to 50ms.",
    byDefaultMs: SCRAPE_INTERVAL_MS,
    minMs: SCRAPE_INTERVAL_MS,
  }),
  metricsStaleMs: durationFlag({
    name: "metrics-staleness-threshold",
    help: "Age at which a scraped value counts as unknown.",
    byDefaultMs: METRICS_STALE_MS,
    minMs: 1,
  }),
  scrapeBackOff: switchFlag("scrape-backoff", "Scrape model servers that have nothing to do less often.", true),
};

export interface ShutdownFlags {
  readonly drainNoticeMs: number;
  readonly drainTimeoutMs: number;
}

export const SHUTDOWN_FLAGS: FlagTableOf<ShutdownFlags> = {
  drainNoticeMs: durationFlag({
    name: "drain-notice",
    help: "Time in which requests are still taken after the word to end; by default at most half of --drain-timeout.",
    byDefaultMs: DRAIN_NOTICE_MS,
    minMs: 0,
  }),
  drainTimeoutMs: durationFlag({
    name: "drain-timeout",
    help: "Time from the word to end until streams that are still open are cut, the notice included.",
    byDefaultMs: DRAIN_TIMEOUT_MS,
    minMs: 0,
  }),
};

export interface ObservationFlags {
  readonly logDecisions: boolean;
  readonly deprecatedMetrics: boolean;
  readonly poolGaugesRefreshMs: number;
  readonly streamMetrics: boolean;
  readonly metricsEndpointAuth: boolean;
  readonly metricsCertDir: string | undefined;
  readonly metricsClientCaFile: string | undefined;
  readonly enablePprof: boolean;
  readonly tracing: boolean;
}

export const OBSERVATION_FLAGS: FlagTableOf<ObservationFlags> = {
  logDecisions: switchFlag("log-decisions", "Print one line per decision to standard output."),
  deprecatedMetrics: switchFlag("deprecated-metrics", "Export metrics under their old names, too.", true),
  poolGaugesRefreshMs: durationFlag({
    name: "refresh-prometheus-metrics-interval",
    help: "Time between two updates of the pool's gauges.",
    byDefaultMs: POOL_GAUGES_REFRESH_MS,
    minMs: 1,
  }),
  streamMetrics: switchFlag("enable-grpc-stream-metrics", "Count the gRPC streams and messages of ext_proc."),
  metricsEndpointAuth: switchFlag(
    "metrics-endpoint-auth",
    "Ask Kubernetes who may read metrics. Not when endpoints come from a file.",
    true,
  ),
  metricsCertDir: optionalTextFlag(
    "metrics-cert-dir",
    "folder",
    "Folder with tls.crt and tls.key for the metrics port.",
  ),
  metricsClientCaFile: optionalTextFlag(
    "metrics-client-ca-file",
    "path",
    "Certificate of whoever signs those of clients that may read metrics. Needs --metrics-cert-dir.",
  ),
  enablePprof: switchFlag("enable-pprof", "Serve profiles on the metrics port.", true),
  tracing: switchFlag("tracing", "Trace requests with OpenTelemetry, as $OTEL_… says.", true),
};
