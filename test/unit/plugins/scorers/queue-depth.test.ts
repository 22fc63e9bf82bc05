import { describe, expect, it } from "vitest";
import { queueDepthScorer } from "../../../../src/plugins/scorers/queue-depth.ts";
import { type EndpointLoad, endpoint, NOW_MS, STALE_MS, testFleet, unknownEndpoint } from "../../../support/fleet.ts";
import { KERNEL_BUILDS } from "../../../support/kernel.ts";
import { scorerProgram } from "../../../support/plugins.ts";

const scorers = [{ program: scorerProgram(queueDepthScorer), weight: 1 }];

/** One endpoint per queue depth. */
const queues = (...depths: number[]): EndpointLoad[] =>
  depths.map((queueDepthRequests) => endpoint({ queueDepthRequests }));

const stale = endpoint({ queueDepthRequests: 100, scrapedAtMs: NOW_MS - STALE_MS - 1 });

// Expected values follow from the formula (max − q) / (max − min), worked out by hand.
const CASES: readonly { name: string; endpoints: EndpointLoad[]; scores: number[] }[] = [
  { name: "the shortest queue scores 1, the longest 0", endpoints: queues(0, 5, 10), scores: [1, 0.5, 0] },
  { name: "scores follow the depth in proportion", endpoints: queues(2, 3, 6), scores: [1, 0.75, 0] },
  { name: "equal queues score 1", endpoints: queues(7, 7, 7), scores: [1, 1, 1] },
  { name: "a single endpoint scores 1", endpoints: queues(40), scores: [1] },
  { name: "a large range keeps its ends", endpoints: queues(0, 1_000_000), scores: [1, 0] },
  {
    name: "an endpoint that was never scraped scores the mean of the others",
    endpoints: [...queues(0, 10), unknownEndpoint],
    scores: [1, 0, 0.5],
  },
  {
    name: "an endpoint with stale metrics scores the mean of the others",
    endpoints: [...queues(0, 10, 10), stale],
    scores: [1, 0, 0, 1 / 3],
  },
  {
    name: "metrics exactly as old as the limit still count",
    endpoints: [...queues(0), endpoint({ queueDepthRequests: 4, scrapedAtMs: NOW_MS - STALE_MS })],
    scores: [1, 0],
  },
  { name: "when no depth is known all score 1", endpoints: [unknownEndpoint, unknownEndpoint], scores: [1, 1] },
];

describe.each(KERNEL_BUILDS)("queue-scorer (%s build)", (build) => {
  it.each(CASES)("$name", ({ endpoints, scores }) => {
    expect(testFleet(build, endpoints, scorers).scores()).toEqual(scores);
  });

  it("a pick counts as waiting until a scrape that was sent after it", () => {
    const fleet = testFleet(build, queues(0, 0), scorers);
    const picked = fleet.pick();
    expect(picked?.slot).toBeOneOf([0, 1]);
    const [first, second] = fleet.scores();
    expect(first).not.toBe(second);

    const slot = picked?.slot ?? -1;
    fleet.columns.setScraped(slot, {
      queueDepthRequests: 0,
      runningRequests: 1,
      kvCacheUsageFraction: 0,
      inFlightAtScrape: fleet.kernel.inFlightRequests(slot),
      scrapedAtMs: NOW_MS,
    });
    expect(fleet.scores()).toEqual([1, 1]);
  });

  it("requests that ended since the scrape do not make a queue shorter than it was scraped", () => {
    const fleet = testFleet(build, queues(3, 5), scorers);
    fleet.columns.setScraped(0, {
      queueDepthRequests: 3,
      runningRequests: 9,
      kvCacheUsageFraction: 0,
      inFlightAtScrape: 12,
      scrapedAtMs: NOW_MS,
    });
    expect(fleet.scores()).toEqual([1, 0]);
  });

  it("a burst spreads evenly before any scrape", () => {
    const fleet = testFleet(build, queues(0, 0, 0, 0), scorers);
    const requests = Array.from({ length: 200 }, (_, index) => fleet.request(undefined, index));
    const picks = fleet.decide(requests, { withScores: false }) ?? [];
    const counts = [0, 0, 0, 0];
    for (const pick of picks) counts[pick?.slot ?? -1] = (counts[pick?.slot ?? -1] ?? 0) + 1;
    expect(counts).toEqual([50, 50, 50, 50]);
  });
});
