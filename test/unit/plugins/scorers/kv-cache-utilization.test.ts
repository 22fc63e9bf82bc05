import { describe, expect, it } from "vitest";
import { kvCacheUtilizationScorer } from "../../../../src/plugins/scorers/kv-cache-utilization.ts";
import { type EndpointLoad, endpoint, NOW_MS, STALE_MS, testFleet, unknownEndpoint } from "../../../support/fleet.ts";
import { KERNEL_BUILDS } from "../../../support/kernel.ts";
import { scorerProgram } from "../../../support/plugins.ts";

const scorers = [{ program: scorerProgram(kvCacheUtilizationScorer), weight: 1 }];

/** One endpoint per fraction. Fractions are sums of powers of two, which the f32 column holds exactly. */
const usages = (...fractions: number[]): EndpointLoad[] =>
  fractions.map((kvCacheUsageFraction) => endpoint({ kvCacheUsageFraction }));

const stale = endpoint({ kvCacheUsageFraction: 1, scrapedAtMs: NOW_MS - STALE_MS - 1 });

// Expected values follow from the formula 1 − k, worked out by hand.
const CASES: readonly { name: string; endpoints: EndpointLoad[]; scores: number[] }[] = [
  { name: "an empty cache scores 1, a full one 0", endpoints: usages(0, 1), scores: [1, 0] },
  { name: "scores are the free fraction", endpoints: usages(0.25, 0.5, 0.875), scores: [0.75, 0.5, 0.125] },
  { name: "scores do not depend on the other candidates", endpoints: usages(0.25), scores: [0.75] },
  { name: "equal caches score what is free, not 1", endpoints: usages(0.75, 0.75), scores: [0.25, 0.25] },
  {
    name: "an endpoint that was never scraped scores the mean of the others",
    endpoints: [...usages(0, 0.5), unknownEndpoint],
    scores: [1, 0.5, 0.75],
  },
  {
    name: "an endpoint with stale metrics scores the mean of the others",
    endpoints: [stale, ...usages(0.5, 1)],
    scores: [0.25, 0.5, 0],
  },
  {
    name: "metrics exactly as old as the limit still count",
    endpoints: [...usages(0), endpoint({ kvCacheUsageFraction: 0.5, scrapedAtMs: NOW_MS - STALE_MS })],
    scores: [1, 0.5],
  },
  {
    name: "an engine that reports no usage scores the mean of the others, though its queue is known",
    endpoints: [...usages(0.5, 0.5), { queueDepthRequests: 3, scrapedAtMs: NOW_MS }],
    scores: [0.5, 0.5, 0.5],
  },
  { name: "when no usage is known all score 1", endpoints: [unknownEndpoint, stale], scores: [1, 1] },
];

describe.each(KERNEL_BUILDS)("kv-cache-utilization-scorer (%s build)", (build) => {
  it.each(CASES)("$name", ({ endpoints, scores }) => {
    expect(testFleet(build, endpoints, scorers).scores()).toEqual(scores);
  });

  it("a usage above 1, as engines report while they preempt, counts as a full cache", () => {
    const fleet = testFleet(build, usages(1.5, 1), scorers);
    expect(fleet.pick()).toMatchObject({ total: 0, tieCount: 2 });
  });
});
