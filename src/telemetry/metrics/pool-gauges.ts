/**
 * Means and spreads over the pool: computed every few seconds, not when somebody scrapes, as in the Go picker. An
 * endpoint counts while its metrics are younger than the staleness threshold.
 */
import type { PoolGauge } from "./pool-metrics.ts";

/** What of an endpoint goes into the gauges. */
export interface EndpointLoad {
  readonly queueDepthRequests: number | undefined;
  readonly runningRequests: number | undefined;
  /** 0 to 1. */
  readonly kvCacheUsageFraction: number | undefined;
  readonly scrapedAtMs: number;
}

export type PoolGaugeValues = Readonly<Record<PoolGauge, number>>;

/** `loads`: undefined for an endpoint that was never scraped. Values that an endpoint does not tell are left out. */
export function computePoolGauges(
  loads: readonly (EndpointLoad | undefined)[],
  { nowMs, staleMs }: { readonly nowMs: number; readonly staleMs: number },
): PoolGaugeValues {
  const fresh = loads.filter((load) => load !== undefined).filter(({ scrapedAtMs }) => nowMs - scrapedAtMs < staleMs);
  const column = (read: (load: EndpointLoad) => number | undefined): { mean: number; deviation: number } => {
    return meanAndDeviation(fresh.map(read).filter((value) => value !== undefined));
  };
  const usage = column((load) => load.kvCacheUsageFraction);
  const queue = column((load) => load.queueDepthRequests);
  const running = column((load) => load.runningRequests);
  return {
    averageKvCacheUsage: usage.mean,
    averageQueueSize: queue.mean,
    averageRunningRequests: running.mean,
    deviationKvCacheUsage: usage.deviation,
    deviationQueueSize: queue.deviation,
    deviationRunningRequests: running.deviation,
    readyEndpoints: fresh.length,
  };
}

/** To two decimals. The deviation is a sample's (n − 1); 0 for fewer than two values. */
function meanAndDeviation(values: readonly number[]): { mean: number; deviation: number } {
  const count = values.length;
  if (count === 0) return { mean: 0, deviation: 0 };
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean: round(mean), deviation: count === 1 ? 0 : round(Math.sqrt(squares / (count - 1))) };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
