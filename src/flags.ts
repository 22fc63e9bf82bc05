/**
 * The picker's command line: all flags, what they mean together, and what is said about them at start. The rows are in
 * flag-tables.ts, removed-flags.ts and platform/log-flags.ts; parsing, `--help`, the errors and `docs/flags.md` come
 * from them.
 *
 *   arguments ──► rows: one value each ──► contradictions refused ──► PickerFlags, and warnings to be logged
 */
import { ConfigError } from "./base/errors.ts";
import {
  LISTENING_FLAGS,
  type ListeningFlags,
  OBSERVATION_FLAGS,
  type ObservationFlags,
  POOL_FLAGS,
  POOL_GROUP_DEFAULT,
  type PoolFlags,
  REQUEST_FLAGS,
  type RequestFlags,
  SCRAPE_FLAGS,
  type ScrapeFlags,
  SHUTDOWN_FLAGS,
  type ShutdownFlags,
  SOURCE_FLAGS,
  type SourceFlags,
  TLS_FLAGS,
  type TlsFlags,
} from "./flag-tables.ts";
import { type FlagGroup, type FlagTable, type FlagTableOf, formatHelp, readFlags } from "./platform/flags.ts";
import type { LegacyMetricFlags } from "./platform/legacy-metric-flags.ts";
import { LOG_FLAGS, type LogFlags, type LogFlagValues, readLogFlags } from "./platform/log-flags.ts";
import { readTlsOptions, type TlsOptions } from "./platform/tls.ts";
import { legacyMetricsOf, REMOVED_FLAGS, type RemovedFlags, removedFlagWarnings } from "./removed-flags.ts";

export { SHARDS_AUTOMATIC } from "./flag-tables.ts";
export type { LegacyMetricFlags, LogFlags };

/** The flags' values. Durations in ms, sizes in bytes; an empty text is an absent one. */
export interface PickerFlags
  extends SourceFlags,
    ListeningFlags,
    TlsFlags,
    PoolFlags,
    RequestFlags,
    ScrapeFlags,
    ShutdownFlags,
    ObservationFlags {
  readonly tlsOptions: TlsOptions;
  readonly log: LogFlags;
  readonly legacyMetrics: LegacyMetricFlags;
}

export const FLAG_GROUPS: readonly FlagGroup[] = [
  { title: "Endpoints and configuration", flags: SOURCE_FLAGS },
  { title: "Ports", flags: LISTENING_FLAGS },
  { title: "TLS", flags: TLS_FLAGS },
  { title: "Requests", flags: REQUEST_FLAGS },
  { title: "Scraping", flags: SCRAPE_FLAGS },
  { title: "Ending", flags: SHUTDOWN_FLAGS },
  { title: "Kubernetes", flags: POOL_FLAGS },
  { title: "Metrics, traces and profiles", flags: OBSERVATION_FLAGS },
  { title: "Logs", flags: LOG_FLAGS },
  { title: "Of older pickers, taken with a warning", flags: REMOVED_FLAGS },
];

/** What is made of several flags. */
type Made = "tlsOptions" | "log" | "legacyMetrics";

type RawFlags = Omit<PickerFlags, Made> & LogFlagValues & RemovedFlags;

const ALL_FLAGS: FlagTableOf<RawFlags> = {
  ...SOURCE_FLAGS,
  ...LISTENING_FLAGS,
  ...TLS_FLAGS,
  ...POOL_FLAGS,
  ...REQUEST_FLAGS,
  ...SCRAPE_FLAGS,
  ...SHUTDOWN_FLAGS,
  ...OBSERVATION_FLAGS,
  ...LOG_FLAGS,
  ...REMOVED_FLAGS,
};

export type CommandLine =
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "run"; readonly flags: PickerFlags; readonly warnings: readonly string[] };

/**
 * Reads the command line. Warnings are for the log, once, at start. Throws a ConfigError for flags that cannot be used
 * or contradict each other.
 */
export function parsePickerFlags(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): CommandLine {
  const read = readFlags(ALL_FLAGS as FlagTable & typeof ALL_FLAGS, args);
  if (read === undefined) return { kind: "help", text: helpText() };
  const { values, given } = read;
  refuseContradictions(values, given);
  const flags: PickerFlags = {
    ...withoutRaw(values),
    // Half of a shorter timeout must be left for the streams that are open then.
    drainNoticeMs: given.has("drain-notice")
      ? values.drainNoticeMs
      : Math.min(values.drainNoticeMs, values.drainTimeoutMs / 2),
    poolNamespace: values.poolNamespace || environment["NAMESPACE"] || "default",
    tlsOptions: readTlsOptions(values),
    log: readLogFlags(values),
    legacyMetrics: legacyMetricsOf(removedOf(values)),
  };
  return { kind: "run", flags, warnings: warningsOf(flags, given) };
}

function helpText(): string {
  const about = "Endpoint picker for LLM inference: tells a proxy over ext_proc which model server takes a request.";
  const usage = "epp --endpoints-file <path> [flags]\n       epp config check|show|types [<file>]";
  return formatHelp({ usage, about, groups: FLAG_GROUPS });
}

function withoutRaw(values: RawFlags): Omit<PickerFlags, Made> {
  const merged = new Set([...Object.keys(LOG_FLAGS), ...Object.keys(REMOVED_FLAGS)]);
  const kept = Object.entries(values).filter(([key]) => !merged.has(key));
  return Object.fromEntries(kept) as unknown as Omit<PickerFlags, Made>;
}

function removedOf(values: RawFlags): RemovedFlags {
  const kept = Object.entries(values).filter(([key]) => key in REMOVED_FLAGS);
  return Object.fromEntries(kept) as unknown as RemovedFlags;
}

function refuseContradictions(values: RawFlags, given: ReadonlySet<string>): void {
  const refuse = (isWrong: boolean, message: string): void => {
    if (isWrong) throw new ConfigError(message);
  };
  const { configFile, configText, poolName, endpointSelector, endpointTargetPorts } = values;
  refuse(
    configFile !== "" && configText !== "",
    "--config-file and --config-text contradict each other; give one of them",
  );
  refuse(
    poolName !== "" && endpointSelector !== "",
    "--pool-name and --endpoint-selector contradict each other; give one of them",
  );
  refuse(
    endpointSelector !== "" && endpointTargetPorts.length === 0,
    "--endpoint-selector needs the pods' ports: --endpoint-target-ports=8000",
  );
  refuse(
    endpointTargetPorts.length > 0 && endpointSelector === "",
    "--endpoint-target-ports needs the pods' labels: --endpoint-selector=app=vllm",
  );
  refuse(
    values.metricsClientCaFile !== undefined && values.metricsCertDir === undefined,
    "--metrics-client-ca-file needs a certificate for the metrics port: --metrics-cert-dir",
  );
  refuse(
    values.metricsCertDir !== undefined && values.metricsClientCaFile === undefined && !values.metricsEndpointAuth,
    "--metrics-cert-dir needs to know who may read: --metrics-client-ca-file or --metrics-endpoint-auth",
  );
  refuse(
    given.has("drain-notice") && values.drainNoticeMs > values.drainTimeoutMs,
    "--drain-notice is a part of --drain-timeout and cannot be longer",
  );
}

/** Flags that are known and do nothing yet. Whoever puts one to use takes its name out. */
export const IDLE_FLAGS: readonly string[] = [];

function warningsOf(flags: PickerFlags, given: ReadonlySet<string>): string[] {
  const { secureServing, certPath, enableCertReload, tlsMinVersion, tlsCipherSuites } = flags;
  const warnings = removedFlagWarnings(given);
  const warn = (isSo: boolean, text: string): void => {
    if (isSo) warnings.push(text);
  };
  warn(!secureServing && certPath !== "", "--cert-path does nothing with --secure-serving=false");
  warn(secureServing && enableCertReload && certPath === "", "--enable-cert-reload does nothing without --cert-path");
  warn(
    tlsCipherSuites.length > 0 && tlsMinVersion.endsWith("3"),
    "--tls-cipher-suites does nothing with TLS 1.3 alone, whose cipher suites are fixed",
  );
  const kubernetes = [
    flags.endpointSelector !== "" && "--endpoint-selector",
    flags.enableLeaderElection && "--ha-enable-leader-election",
    flags.poolGroup !== POOL_GROUP_DEFAULT && "--pool-group",
    // On by default, and silent then: nobody has asked for it.
    flags.metricsEndpointAuth && given.has("metrics-endpoint-auth") && "--metrics-endpoint-auth",
  ].filter((name) => name !== false);
  warn(
    kubernetes.length > 0,
    `without Kubernetes these flags do nothing: ${kubernetes.join(", ")}; endpoints come from a file, metrics are open`,
  );
  const idle = IDLE_FLAGS.filter((name) => given.has(name)).map((name) => `--${name}`);
  warn(idle.length > 0, `these flags are known and do nothing in this version: ${idle.join(", ")}`);
  return warnings;
}
