/**
 * Flags that the Go picker had once and that templates in use still set. Each is taken, with a warning that says what
 * has taken its place; those that said how model servers are scraped go on to the configuration.
 */
import {
  optionalChoiceFlag,
  optionalIntegerFlag,
  optionalSwitchFlag,
  optionalTextFlag,
} from "./platform/flag-kinds.ts";
import type { FlagTableOf } from "./platform/flags.ts";
import type { LegacyMetricFlags } from "./platform/legacy-metric-flags.ts";

const INSTEAD_METRIC = "Now: engineConfigs of core-metrics-extractor in the configuration.";
const INSTEAD_SOURCE = "Now: metrics-data-source in the configuration.";
const INSTEAD_HINT = "The header and its metadata have fixed names.";

/** The values, undefined where a flag was not given. */
export type RemovedFlags = {
  readonly [Key in keyof Required<LegacyMetricFlags>]: LegacyMetricFlags[Key] | undefined;
} & {
  readonly destinationHintKey: string | undefined;
  readonly destinationHintNamespace: string | undefined;
};

export const REMOVED_FLAGS: FlagTableOf<RemovedFlags> = {
  totalQueuedRequestsMetric: optionalTextFlag("total-queued-requests-metric", "metric", INSTEAD_METRIC),
  totalRunningRequestsMetric: optionalTextFlag("total-running-requests-metric", "metric", INSTEAD_METRIC),
  kvCacheUsagePercentageMetric: optionalTextFlag("kv-cache-usage-percentage-metric", "metric", INSTEAD_METRIC),
  loraInfoMetric: optionalTextFlag("lora-info-metric", "metric", INSTEAD_METRIC),
  cacheInfoMetric: optionalTextFlag("cache-info-metric", "metric", INSTEAD_METRIC),
  modelServerMetricsPort: optionalIntegerFlag({
    name: "model-server-metrics-port",
    valueName: "port",
    help: INSTEAD_SOURCE,
    min: 0,
    max: 65_535,
  }),
  modelServerMetricsPath: optionalTextFlag("model-server-metrics-path", "path", INSTEAD_SOURCE),
  modelServerMetricsScheme: optionalChoiceFlag("model-server-metrics-scheme", INSTEAD_SOURCE, ["http", "https"]),
  modelServerMetricsHttpsInsecureSkipVerify: optionalSwitchFlag(
    "model-server-metrics-https-insecure-skip-verify",
    INSTEAD_SOURCE,
  ),
  destinationHintKey: optionalTextFlag("destination-endpoint-hint-key", "name", INSTEAD_HINT),
  destinationHintNamespace: optionalTextFlag("destination-endpoint-hint-metadata-namespace", "name", INSTEAD_HINT),
};

/** What the configuration maps. An empty metric name said "none" and is passed over. */
export function legacyMetricsOf(flags: RemovedFlags): LegacyMetricFlags {
  const { destinationHintKey: _key, destinationHintNamespace: _namespace, ...metrics } = flags;
  return Object.fromEntries(Object.entries(metrics).filter(([, value]) => value !== undefined && value !== ""));
}

/** One sentence for each flag that was given. */
export function removedFlagWarnings(given: ReadonlySet<string>): string[] {
  return Object.values(REMOVED_FLAGS)
    .filter(({ name }) => given.has(name))
    .map(({ name, help }) => `--${name} is a flag of older pickers. ${help}`);
}
