/**
 * Flags of older pickers that said how model servers are scraped: they change what is planned by default, and leave
 * alone what a configuration says.
 */

import type { CoreMetricsExtractor, DataSource, EngineMetrics } from "../framework/data-sources.ts";
import type { LegacyMetricFlags } from "../platform/legacy-metric-flags.ts";
import { parseSeriesSpec } from "./series-spec.ts";

/** Only what was given is there. */
export type LegacyMetrics = LegacyMetricFlags;

export function applyLegacySource(source: DataSource, legacy: LegacyMetrics): DataSource {
  const {
    modelServerMetricsPort: port,
    modelServerMetricsPath: path,
    modelServerMetricsScheme: scheme,
    modelServerMetricsHttpsInsecureSkipVerify: insecureSkipVerify,
  } = legacy;
  return {
    ...source,
    ...(port !== undefined && port !== 0 && { port }),
    ...(path !== undefined && { path: path.startsWith("/") ? path : `/${path}` }),
    ...(scheme !== undefined && { scheme }),
    ...(insecureSkipVerify !== undefined && { tls: { ...source.tls, insecureSkipVerify } }),
  };
}

/** The names change those of the default engine. Throws a ConfigError for a name that is no series. */
export function applyLegacyEngine<Extractor extends CoreMetricsExtractor>(
  extractor: Extractor,
  legacy: LegacyMetrics,
): Extractor {
  const { totalQueuedRequestsMetric: queued, totalRunningRequestsMetric: running } = legacy;
  const { kvCacheUsagePercentageMetric: usage, loraInfoMetric: adapters, cacheInfoMetric: cache } = legacy;
  const change = (engine: EngineMetrics): EngineMetrics => ({
    ...engine,
    ...(queued !== undefined && { queueDepthRequests: parseSeriesSpec(queued) }),
    ...(running !== undefined && { runningRequests: parseSeriesSpec(running) }),
    ...(usage !== undefined && { kvCacheUsageFraction: parseSeriesSpec(usage) }),
    ...(adapters !== undefined && { adapters: parseSeriesSpec(adapters) }),
    ...(cache !== undefined && {
      cacheInfo: {
        blockSizeLabel: "block_size",
        blockCountLabel: "num_gpu_blocks",
        ...engine.cacheInfo,
        series: parseSeriesSpec(cache),
      },
    }),
  });
  const engines = extractor.engines.map((engine) =>
    engine.name === extractor.defaultEngine ? change(engine) : engine,
  );
  return { ...extractor, engines };
}
