/** Scorers by load, through their definitions: expected scores are worked out by hand from the formulas. */
import { describe, expect, it } from "vitest";
import type { Plugin } from "../../../../src/framework/plugin.ts";
import { activeRequestScorer } from "../../../../src/plugins/scorers/active-request.ts";
import { loadAwareScorer } from "../../../../src/plugins/scorers/load-aware.ts";
import { runningRequestsScorer } from "../../../../src/plugins/scorers/running-requests.ts";
import { tokenLoadScorer } from "../../../../src/plugins/scorers/token-load.ts";
import { endpoint, NOW_MS, STALE_MS, unknownEndpoint } from "../../../support/fleet.ts";
import { KERNEL_BUILDS, type KernelBuild } from "../../../support/kernel.ts";
import { type BedEndpoint, part, pluginBed, promptOfTokens } from "../../../support/plugin-bed.ts";

interface Case {
  readonly name: string;
  readonly scorer: Plugin;
  readonly endpoints: readonly BedEndpoint[];
  /** Tokens of each request in flight, by slot. */
  readonly inFlight?: readonly (readonly number[])[];
  readonly scores: readonly number[];
}

const running = (...counts: number[]): BedEndpoint[] =>
  counts.map((runningRequests) => ({ ...endpoint(), runningRequests }));
const queues = (...depths: number[]): BedEndpoint[] =>
  depths.map((queueDepthRequests) => endpoint({ queueDepthRequests }));
const idle = (count: number): BedEndpoint[] => Array.from({ length: count }, () => endpoint());
const stale = { ...endpoint({ queueDepthRequests: 64, scrapedAtMs: NOW_MS - STALE_MS - 1 }), runningRequests: 64 };

const byRunning = part(runningRequestsScorer);
const byQueue = (threshold?: number): Plugin => part(loadAwareScorer, threshold === undefined ? {} : { threshold });
const byActive = (parameters: object = {}): Plugin => part(activeRequestScorer, parameters);
const byTokens = (queueThresholdTokens = 1_000): Plugin => part(tokenLoadScorer, { queueThresholdTokens });

const CASES: readonly Case[] = [
  // (max − r) / (max − min)
  { name: "running: the fewest 1, the most 0", scorer: byRunning, endpoints: running(2, 4, 10), scores: [1, 0.75, 0] },
  { name: "running: equal ones 1", scorer: byRunning, endpoints: running(9, 9), scores: [1, 1] },
  { name: "running: a single one 1", scorer: byRunning, endpoints: running(50), scores: [1] },
  {
    name: "running: unknown and stale ones the mean",
    scorer: byRunning,
    endpoints: [...running(0, 8), unknownEndpoint, stale],
    scores: [1, 0, 0.5, 0.5],
  },
  { name: "running: none known, all 1", scorer: byRunning, endpoints: [stale, unknownEndpoint], scores: [1, 1] },
  // 0.5 × (1 − min(q, T) / T): T = 128 gives 0.5 × (1 − 32 / 128) = 0.375, T = 64 gives 0.5 × (1 − 48 / 64) = 0.125.
  {
    name: "load aware: half for an empty queue, 0 from the threshold on",
    scorer: byQueue(),
    endpoints: queues(0, 32, 64, 128, 500),
    scores: [0.5, 0.375, 0.25, 0, 0],
  },
  { name: "load aware: another threshold", scorer: byQueue(64), endpoints: queues(0, 48, 64), scores: [0.5, 0.125, 0] },
  { name: "load aware: a threshold of 1", scorer: byQueue(1), endpoints: queues(0, 1), scores: [0.5, 0] },
  { name: "load aware: others do not matter", scorer: byQueue(), endpoints: queues(64), scores: [0.25] },
  {
    name: "load aware: unknown and stale ones the mean",
    scorer: byQueue(),
    endpoints: [...queues(0, 128), unknownEndpoint, stale],
    scores: [0.5, 0, 0.25, 0.25],
  },
  {
    name: "load aware: requests sent since the scrape wait",
    scorer: byQueue(4),
    endpoints: queues(0, 1),
    inFlight: [[1, 1], [1]],
    // Waiting 0 + 2 and 1 + 1: 0.5 × (1 − 2 / 4).
    scores: [0.25, 0.25],
  },
  // c ≤ idle: 1, else (max − c) / max × maxBusyScore
  { name: "active: nothing in flight, all 1", scorer: byActive(), endpoints: idle(3), scores: [1, 1, 1] },
  {
    name: "active: the busiest 0, others by what they have less",
    scorer: byActive(),
    endpoints: idle(4),
    inFlight: [[], [1], [1, 1, 1], [1, 1, 1, 1]],
    scores: [1, 0.75, 0.25, 0],
  },
  {
    name: "active: all equally busy, 0",
    scorer: byActive(),
    endpoints: idle(2),
    inFlight: [
      [1, 1],
      [1, 1],
    ],
    scores: [0, 0],
  },
  {
    name: "active: up to the idle threshold 1, then at most the busy score",
    scorer: byActive({ idleThreshold: 1, maxBusyScore: 0.5 }),
    endpoints: idle(4),
    inFlight: [[], [1], [1, 1], [1, 1, 1, 1]],
    scores: [1, 1, 0.25, 0],
  },
  {
    name: "active: a busy score of 0 leaves only idle ones",
    scorer: byActive({ maxBusyScore: 0 }),
    endpoints: idle(3),
    inFlight: [[], [1], [1, 1]],
    scores: [1, 0, 0],
  },
  {
    name: "active: what the engines say does not matter",
    scorer: byActive(),
    endpoints: [unknownEndpoint, ...running(40)],
    inFlight: [[1], []],
    scores: [0, 1],
  },
  // 1 − min(t, T) / T without a prompt of its own
  { name: "tokens: nothing in flight, all 1", scorer: byTokens(), endpoints: idle(2), scores: [1, 1] },
  {
    name: "tokens: by the tokens in flight, 0 from the threshold on",
    scorer: byTokens(),
    endpoints: idle(4),
    inFlight: [[], [250], [100, 400], [600, 600]],
    scores: [1, 0.75, 0.5, 0],
  },
  {
    name: "tokens: requests without a prompt weigh nothing",
    scorer: byTokens(),
    endpoints: idle(2),
    inFlight: [[0, 0, 0], [500]],
    scores: [1, 0.5],
  },
];

function scoresOf(build: KernelBuild, { scorer, endpoints, inFlight = [] }: Case): number[] {
  const bed = pluginBed(build, endpoints, { scorers: [scorer] });
  for (const [slot, tokens] of inFlight.entries()) bed.charge(slot, ...tokens);
  return bed.scores();
}

describe.each(KERNEL_BUILDS)("scorers by load (%s build)", (build) => {
  it.each(CASES)("$name", (given) => {
    expect(scoresOf(build, given)).toEqual(given.scores);
  });

  it("token load counts the request's own tokens where they are not held", () => {
    const bed = pluginBed(build, idle(3), { scorers: [byTokens()] });
    // 256 tokens are 4 blocks of 64. Endpoint 0 holds 3 of them, endpoint 1 none, endpoint 2 all but is busy.
    const prompt = promptOfTokens(256);
    bed.hold(0, prompt, 3);
    bed.hold(2, prompt, 4);
    bed.charge(2, 300);
    // 1 − 64 / 1000, 1 − 256 / 1000, 1 − (300 + 0) / 1000.
    expect(bed.scores({ prompt })).toEqual([0.936, 0.744, 0.7].map((score) => expect.closeTo(score, 12)));
  });

  it("token load scores 1 for a request that is all held by an idle endpoint", () => {
    const bed = pluginBed(build, idle(2), { scorers: [byTokens()] });
    const prompt = promptOfTokens(128);
    bed.hold(0, prompt, 2);
    expect(bed.scores({ prompt })).toEqual([1, 0.872]);
  });

  it("charges are gone when requests end", () => {
    const bed = pluginBed(build, idle(2), { scorers: [byActive()] });
    const picked = bed.decide({ prompt: promptOfTokens(10) });
    if (picked.kind !== "picked") throw new Error("nothing was picked");
    expect(bed.scores()[picked.slot]).toBe(0);
    bed.fleet.shards[0]?.release(picked);
    expect(bed.scores()).toEqual([1, 1]);
  });
});
