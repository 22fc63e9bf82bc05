/** How full the detectors say a pool is, through their definitions: worked out by hand from their formulas. */
import { describe, expect, it } from "vitest";
import type { Plugin } from "../../../../src/framework/plugin.ts";
import { concurrencyDetector } from "../../../../src/plugins/saturation-detectors/concurrency.ts";
import { utilizationDetector } from "../../../../src/plugins/saturation-detectors/utilization.ts";
import { DETECTOR_OPS } from "../../../../src/wasm/policies.ts";
import { endpoint, NOW_MS, unknownEndpoint } from "../../../support/fleet.ts";
import { KERNEL_BUILDS, type KernelBuild } from "../../../support/kernel.ts";
import { type BedEndpoint, part, pluginBed } from "../../../support/plugin-bed.ts";

interface Case {
  readonly name: string;
  readonly detector: Plugin;
  readonly endpoints: readonly BedEndpoint[];
  readonly inFlight?: readonly (readonly number[])[];
  readonly addresses?: readonly string[];
  readonly saturation: number;
}

const loads = (...given: (readonly [queue: number, usage: number])[]): BedEndpoint[] =>
  given.map(([queueDepthRequests, kvCacheUsageFraction]) => endpoint({ queueDepthRequests, kvCacheUsageFraction }));
const idle = (count: number): BedEndpoint[] => Array.from({ length: count }, () => endpoint());
const scrapedAgo = (ageMs: number): BedEndpoint => endpoint({ scrapedAtMs: NOW_MS - ageMs });

const byUtilization = (parameters: object = {}): Plugin => part(utilizationDetector, parameters);
const byConcurrency = (parameters: object = {}): Plugin => part(concurrencyDetector, parameters);

const CASES: readonly Case[] = [
  // max(q / 5, k / 0.8), mean. Usages are sums of powers of two, which the columns hold exactly.
  { name: "utilization: idle", detector: byUtilization(), endpoints: loads([0, 0]), saturation: 0 },
  { name: "utilization: by the queue", detector: byUtilization(), endpoints: loads([2, 0]), saturation: 0.4 },
  { name: "utilization: by KV usage", detector: byUtilization(), endpoints: loads([1, 0.5]), saturation: 0.625 },
  {
    name: "utilization: the mean of 0.4 and 0.8",
    detector: byUtilization(),
    endpoints: loads([2, 0], [4, 0]),
    saturation: 0.6,
  },
  {
    name: "utilization: above 1 when more waits than may",
    detector: byUtilization(),
    endpoints: loads([15, 0]),
    saturation: 3,
  },
  {
    name: "utilization: other thresholds; headroom does not count",
    detector: byUtilization({ queueDepthThreshold: 10, kvCacheUtilThreshold: 1, headroom: 1 }),
    endpoints: loads([5, 0.25], [0, 0.75]),
    saturation: 0.625,
  },
  {
    name: "utilization: an unknown endpoint is full",
    detector: byUtilization(),
    endpoints: [unknownEndpoint, ...idle(1)],
    saturation: 0.5,
  },
  {
    name: "utilization: one that is not scraped for 200 ms is full",
    detector: byUtilization(),
    endpoints: [scrapedAgo(200), scrapedAgo(201)],
    saturation: 0.5,
  },
  {
    name: "utilization: another patience",
    detector: byUtilization({ metricsStalenessThreshold: "1s" }),
    endpoints: [scrapedAgo(1_000), scrapedAgo(1_001)],
    saturation: 0.5,
  },
  { name: "utilization: an empty pool is full", detector: byUtilization(), endpoints: [], saturation: 1 },
  {
    name: "utilization: of the endpoints that a request may use",
    detector: byUtilization(),
    endpoints: loads([5, 0], [0, 0], [1, 0]),
    addresses: ["10.0.0.1", "10.0.0.2"],
    saturation: 0.1,
  },
  // Σ in flight / Σ capacity
  { name: "concurrency: nothing in flight", detector: byConcurrency(), endpoints: idle(2), saturation: 0 },
  {
    name: "concurrency: requests over capacity",
    detector: byConcurrency({ maxConcurrency: 4 }),
    endpoints: idle(2),
    inFlight: [[1, 1, 1], []],
    saturation: 0.375,
  },
  {
    name: "concurrency: above 1; headroom does not count",
    detector: byConcurrency({ maxConcurrency: 1, headroom: 9 }),
    endpoints: idle(2),
    inFlight: [[1, 1, 1]],
    saturation: 1.5,
  },
  {
    name: "concurrency: tokens over capacity",
    detector: byConcurrency({ concurrencyMode: "tokens", maxTokenConcurrency: 1_000 }),
    endpoints: idle(2),
    inFlight: [[300, 200], [100]],
    saturation: 0.3,
  },
  {
    // max(2 / 4, 100 / 1000) = 0.5 and max(1 / 4, 750 / 1000) = 0.75.
    name: "concurrency: hybrid, the mean of the greater ratios",
    detector: byConcurrency({ concurrencyMode: "hybrid", maxConcurrency: 4, maxTokenConcurrency: 1_000 }),
    endpoints: idle(2),
    inFlight: [[50, 50], [750]],
    saturation: 0.625,
  },
  {
    name: "concurrency: what is scraped does not matter",
    detector: byConcurrency(),
    endpoints: [unknownEndpoint],
    saturation: 0,
  },
  { name: "concurrency: an empty pool is full", detector: byConcurrency(), endpoints: [], saturation: 1 },
];

function saturationOf(build: KernelBuild, { detector, endpoints, inFlight = [], addresses }: Case): number | undefined {
  const program = detector.saturationDetector;
  if (program === undefined) throw new Error("the plugin is no detector");
  const { op, parameters } = program;
  const bed = pluginBed(build, endpoints, { policy: { detector: { op: DETECTOR_OPS[op], parameters } } });
  for (const [slot, tokens] of inFlight.entries()) bed.charge(slot, ...tokens);
  return bed.fleet.shards[0]?.poolSaturation({ policy: bed.fleet.request().policy, addresses }, NOW_MS);
}

describe.each(KERNEL_BUILDS)("saturation (%s build)", (build) => {
  it.each(CASES)("$name: $saturation", (given) => {
    expect(saturationOf(build, given)).toBeCloseTo(given.saturation, 12);
  });
});
