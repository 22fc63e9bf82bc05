import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import type { DegradationReporter } from "../../../../src/telemetry/health-details.ts";
import { ControlMetrics } from "../../../../src/telemetry/metrics/control-metrics.ts";
import type { FleetView } from "../../../../src/telemetry/metrics/fleet-view.ts";
import { RequestSeries } from "../../../../src/telemetry/series/request-series.ts";
import { FAIRNESS_IDS_MAX, ShardSeries } from "../../../../src/telemetry/series/shard-series.ts";
import { countSpans } from "../../../../src/telemetry/series/span-series.ts";
import { metricSources } from "../../../support/metric-sources.ts";
import { findSample } from "../../../support/prometheus-oracle.ts";

const REFRESH_MS = 5_000;
const STALE_MS = 2_000;

interface Bed {
  readonly clock: ManualClock;
  readonly metrics: ControlMetrics;
  /** Queue of the one endpoint, scraped now. */
  setQueue(queueDepthRequests: number): void;
  readonly reports: string[];
  value(name: string, labels?: Record<string, string>): Promise<number | undefined>;
}

function bed(shardCount = 1): Bed {
  const clock = new ManualClock();
  const reports: string[] = [];
  const health: DegradationReporter = {
    raise: (code, detail) => reports.push(`raise ${code}: ${detail}`),
    clear: (code) => reports.push(`clear ${code}`),
  };
  let endpoints: FleetView["endpoints"] = [];
  const { counters, control, degraded, prefixPlugin } = metricSources();
  const metrics = new ControlMetrics({
    counters,
    control,
    degraded,
    pluginFailures: () => [],
    prefixPlugin,
    poolName: "birds",
    fleet: () => ({ names: ["other"], endpoints }),
    clock,
    health,
    shardCount,
    refreshMs: REFRESH_MS,
    staleMs: STALE_MS,
    withTwins: true,
    withStreams: false,
  });
  return {
    clock,
    metrics,
    reports,
    setQueue(queueDepthRequests) {
      const load = { queueDepthRequests, runningRequests: 0, kvCacheUsageFraction: 0, scrapedAtMs: clock.nowMs() };
      const place = { name: "sim-0", namespace: "default", port: 8000, slot: 0, generation: 1, isReachable: true };
      endpoints = [{ ...place, load }];
    },
    value: async (name, labels = {}) => findSample(await metrics.page.metrics(), name, labels),
  };
}

describe("metrics of the control thread", () => {
  it("computes the pool's gauges at its interval, not when somebody scrapes", async () => {
    const { clock, setQueue, value, metrics } = bed();
    const mean = (): Promise<number | undefined> => value("llm_d_epp_average_queue_size", { name: "birds" });
    clock.advance(REFRESH_MS - 10);
    setQueue(7);
    expect(await mean()).toBe(0);
    clock.advance(10);
    expect(await mean()).toBe(7);
    setQueue(9);
    expect(await mean()).toBe(7);
    // What an endpoint told last is shown at once.
    expect(await value("llm_d_epp_per_endpoint_queue_size", { model_server_endpoint: "sim-0" })).toBe(9);
    clock.advance(REFRESH_MS);
    // The scrape is older than the staleness threshold by now.
    expect(await value("llm_d_epp_ready_endpoints")).toBe(0);
    metrics.close();
    expect(clock.pendingCount).toBe(0);
  });

  it("says that a table is full, and which", () => {
    const { clock, metrics, reports } = bed();
    const series = new RequestSeries(new ShardSeries(metrics.tableOf(0)), clock);
    for (let index = 0; index <= FAIRNESS_IDS_MAX; index++) {
      const meter = series.open("request");
      meter.identify({ modelName: "a", targetModelName: "a", fairnessId: `flow-${index}`, priority: 0 });
      meter.onRouted({ slot: 0, tokens: 0, requestSize: 0 });
    }
    expect(reports).toEqual([]);
    clock.advance(REFRESH_MS);
    expect(reports).toEqual(["raise series-table-full: too many labels for these tables: request"]);
  });

  it("says that spans are lost, and that they are not any more", () => {
    const { clock, metrics, reports } = bed();
    const series = new ShardSeries(metrics.tableOf(0));
    countSpans(series, 3, "exported");
    clock.advance(REFRESH_MS);
    countSpans(series, 2, "failed");
    clock.advance(REFRESH_MS);
    clock.advance(REFRESH_MS);
    countSpans(series, 1, "exported");
    clock.advance(REFRESH_MS);
    const changes = reports.filter((report) => report.includes("spans-lost"));
    expect(changes.at(-2)).toBe("raise spans-lost: 2 spans were lost so far, 3 were taken");
    expect(changes.at(-1)).toBe("clear spans-lost");
  });

  it("gives each shard a table of its own, and takes back what a dead one had in flight", async () => {
    const { clock, metrics, value } = bed(2);
    for (const shard of [0, 1]) {
      const meter = new RequestSeries(new ShardSeries(metrics.tableOf(shard)), clock).open("request");
      meter.identify({ modelName: "a", targetModelName: "a", fairnessId: "f", priority: 0 });
      meter.onRouted({ slot: 0, tokens: 10, requestSize: 1 });
      meter.onAnswered();
    }
    expect(await value("llm_d_epp_request_running")).toBe(2);
    metrics.onShardDeath(1);
    expect(await value("llm_d_epp_request_running")).toBe(1);
    expect(await value("llm_d_epp_request_total")).toBe(2);
    expect(() => metrics.tableOf(2)).toThrow(RangeError);
  });
});
