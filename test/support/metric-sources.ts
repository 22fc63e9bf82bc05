/** What a metrics page is read from, for tests: an idle picker without endpoints, but for what is given. */

import { ManualClock } from "../../src/base/clock.ts";
import { newControlCounters } from "../../src/telemetry/control-counters.ts";
import { DataLayerErrors } from "../../src/telemetry/metrics/data-layer-errors.ts";
import { MetricsPage, type MetricsPageOptions } from "../../src/telemetry/metrics/page.ts";
import { computePoolGauges } from "../../src/telemetry/metrics/pool-gauges.ts";
import type { MetricSources } from "../../src/telemetry/metrics.ts";
import { SeriesView } from "../../src/telemetry/series/series-view.ts";
import { allocateShardSeries, ShardSeries } from "../../src/telemetry/series/shard-series.ts";
import { SharedCounters } from "../../src/wasm/counters.ts";
import { testKernel } from "./kernel.ts";

export function metricSources(given: Partial<MetricSources> = {}): MetricSources {
  return {
    counters: given.counters ?? idleCounters(),
    fleet: () => ({ endpoints: [], names: ["other"] }),
    control: newControlCounters(),
    degraded: () => [],
    pluginFailures: () => [],
    series: new SeriesView([]),
    poolName: "pool",
    poolGauges: () => computePoolGauges([], { nowMs: 0, staleMs: 1 }),
    dataLayer: new DataLayerErrors(),
    prefixPlugin: { name: "prefix", type: "approx-prefix-cache-producer" },
    build: { commit: "c0ffee", buildRef: "v1" },
    ...given,
  };
}

/** The text of a page, without the process's own metrics unless they are asked for. */
export async function exposition(
  given: Partial<MetricSources> = {},
  options: Partial<MetricsPageOptions> & { readonly withProcess?: boolean } = {},
): Promise<string> {
  const { withProcess = false, ...page } = options;
  const text = await new MetricsPage(metricSources(given), {
    withTwins: true,
    withStreams: true,
    clock: new ManualClock(),
    ...page,
  }).metrics();
  if (withProcess) return text;
  const isProcessLine = /^(?:# (?:HELP|TYPE) )?(?:process|nodejs)_/;
  return text
    .split("\n")
    .filter((line) => !isProcessLine.test(line))
    .join("\n");
}

/** A series table of its own. */
export function shardSeries(): ShardSeries {
  return new ShardSeries(allocateShardSeries());
}

function idleCounters(): SharedCounters {
  const { memory, kernel } = testKernel("release");
  return new SharedCounters(memory, kernel);
}
