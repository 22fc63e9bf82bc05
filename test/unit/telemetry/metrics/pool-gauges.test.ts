import { describe, expect, it } from "vitest";
import { computePoolGauges, type EndpointLoad } from "../../../../src/telemetry/metrics/pool-gauges.ts";

const load = (queue: number | undefined, usage: number | undefined, scrapedAtMs = 1_000): EndpointLoad => ({
  queueDepthRequests: queue,
  runningRequests: queue === undefined ? undefined : queue * 2,
  kvCacheUsageFraction: usage,
  scrapedAtMs,
});

const NOW = { nowMs: 1_500, staleMs: 1_000 };

describe("pool gauges", () => {
  it("are means and sample deviations to two decimals", () => {
    // Queues 1, 2, 6: mean 3, deviation √7. Usages 0.1, 0.25, 0.5: mean 0.2833…, deviation 0.2020….
    const gauges = computePoolGauges([load(1, 0.1), load(2, 0.25), load(6, 0.5)], NOW);
    expect(gauges).toEqual({
      averageKvCacheUsage: 0.28,
      averageQueueSize: 3,
      averageRunningRequests: 6,
      deviationKvCacheUsage: 0.2,
      deviationQueueSize: 2.65,
      deviationRunningRequests: 5.29,
      readyEndpoints: 3,
    });
  });

  it("leave out what is stale, was never scraped, or is not told", () => {
    const gauges = computePoolGauges([load(4, undefined), load(100, 1, 500), undefined, load(6, 0.5, 501)], NOW);
    expect(gauges).toMatchObject({ averageQueueSize: 5, averageKvCacheUsage: 0.5, readyEndpoints: 2 });
  });

  it("are 0 for an empty pool, and one endpoint deviates from nothing", () => {
    expect(Object.values(computePoolGauges([], NOW))).toEqual([0, 0, 0, 0, 0, 0, 0]);
    expect(computePoolGauges([load(4, 0.5)], NOW)).toMatchObject({ averageQueueSize: 4, deviationQueueSize: 0 });
  });
});
