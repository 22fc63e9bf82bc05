/**
 * Filters one by one, at the edges of their definitions; numbers are those of the Go picker's documentation. Whole
 * profiles of them are held against a model in `profiles.fuzz.test.ts`.
 */
import { describe, expect, it } from "vitest";
import { layout } from "../../../src/wasm/layout.ts";
import { FILTER_OPS, type KernelProgram } from "../../../src/wasm/policies.ts";
import type { PickRequest } from "../../../src/wasm/shard-memory.ts";
import {
  BLOCK_SIZE,
  type EndpointLoad,
  endpoint,
  NOW_MS,
  STALE_MS,
  type TestFleet,
  testFleet,
} from "../../support/fleet.ts";
import { KERNEL_BUILDS, type KernelBuild } from "../../support/kernel.ts";
import { promptKeys, userText } from "../../support/prompt-keys.ts";

interface Case {
  readonly name: string;
  readonly filter: KernelProgram;
  readonly endpoints: readonly EndpointLoad[];
  readonly request?: Partial<PickRequest>;
  /** Slots that are left; none: filtered out. */
  readonly left: readonly number[];
}

const { labels, requestMask, requestMaskOrAll, utilization, attribute, contextLength } = FILTER_OPS;
const { belowUtilization, belowConcurrency, servesModel, healthy } = FILTER_OPS;
const ANY = Number.POSITIVE_INFINITY;
const UNKNOWN: EndpointLoad = {};

const queues = (...depths: number[]): EndpointLoad[] =>
  depths.map((queueDepthRequests) => endpoint({ queueDepthRequests }));
const active = (...counts: number[]): EndpointLoad[] =>
  counts.map((inFlightRequests) => endpoint({ inFlightRequests }));
const attributed = (...values: number[]): EndpointLoad[] =>
  values.map((value) => endpoint({ attributeColumns: [value] }));

const CASES: readonly Case[] = [
  {
    name: "labels: those of the named mask",
    filter: { op: labels, mask: 31 },
    endpoints: [endpoint({ labelMasks: [30] }), endpoint({ labelMasks: [31] }), endpoint({ labelMasks: [30, 31] })],
    left: [1, 2],
  },
  { name: "labels: nobody has it", filter: { op: labels, mask: 0 }, endpoints: queues(0, 0), left: [] },
  {
    name: "request mask: those of the mask that are candidates",
    filter: { op: requestMask, mask: 3 },
    endpoints: queues(0, 0, 0),
    request: { masks: [[0], undefined, undefined, [2, 77]] },
    left: [2],
  },
  {
    name: "request mask: without one, none",
    filter: { op: requestMask, mask: 1 },
    endpoints: queues(0),
    request: { masks: [[0]] },
    left: [],
  },
  {
    name: "request mask: an empty one, none",
    filter: { op: requestMask },
    endpoints: queues(0),
    request: { masks: [[]] },
    left: [],
  },
  {
    name: "request mask or all: those of the mask",
    filter: { op: requestMaskOrAll },
    endpoints: queues(0, 0),
    request: { masks: [[1]] },
    left: [1],
  },
  {
    name: "request mask or all: all where the mask has no candidate",
    filter: { op: requestMaskOrAll },
    endpoints: queues(0, 0),
    request: { masks: [[5]] },
    left: [0, 1],
  },
  {
    name: "request mask or all: all without a mask",
    filter: { op: requestMaskOrAll },
    endpoints: queues(0, 0),
    left: [0, 1],
  },
  {
    name: "utilization: each maximum may be reached",
    filter: { op: utilization, parameters: [3, 2, 1, 0.8] },
    endpoints: [
      endpoint({ inFlightRequests: 3, runningRequests: 2, queueDepthRequests: 1, kvCacheUsageFraction: 0.8 }),
      endpoint({ inFlightRequests: 4 }),
      endpoint({ runningRequests: 3 }),
      endpoint({ queueDepthRequests: 2 }),
      endpoint({ kvCacheUsageFraction: 0.801 }),
    ],
    left: [0],
  },
  {
    name: "utilization: what is not known is not held against an endpoint",
    filter: { op: utilization, parameters: [ANY, 0, 0, 0] },
    endpoints: [UNKNOWN, ...queues(9)],
    left: [0],
  },
  {
    name: "utilization: none",
    filter: { op: utilization, parameters: [ANY, ANY, 1, ANY] },
    endpoints: queues(2, 3),
    left: [],
  },
  {
    name: "utilization: none, and all as the fallback",
    filter: { op: utilization, parameters: [ANY, ANY, 1, ANY, 1] },
    endpoints: queues(2, 3),
    left: [0, 1],
  },
  ...(
    [
      ["less", 0, [0]],
      ["less or equal", 1, [0, 1]],
      ["greater", 2, [2]],
      ["greater or equal", 3, [1, 2]],
      ["equal", 4, [1]],
    ] as const
  ).map(
    ([name, operator, left]): Case => ({
      name: `attribute: ${name}`,
      filter: { op: attribute, parameters: [operator, 5] },
      endpoints: attributed(4, 5, 6),
      left,
    }),
  ),
  {
    name: "attribute: a missing one fails",
    filter: { op: attribute, parameters: [0, 5, 0] },
    endpoints: [UNKNOWN, ...attributed(1)],
    left: [1],
  },
  {
    name: "attribute: a missing one passes",
    filter: { op: attribute, parameters: [0, 5, 1] },
    endpoints: [UNKNOWN, ...attributed(9)],
    left: [0],
  },
  { name: "attribute: none", filter: { op: attribute, parameters: [0, 5] }, endpoints: attributed(5, 6), left: [] },
  {
    name: "attribute: none, and all as the fallback",
    filter: { op: attribute, parameters: [0, 5, 0, 1] },
    endpoints: attributed(5, 6),
    left: [0, 1],
  },
  {
    name: "context length: without a body 0 tokens; ranges that hold it, and endpoints without one",
    filter: { op: contextLength, column: 0, operand: 1 },
    endpoints: [
      endpoint({ attributeColumns: [0, 100] }),
      endpoint({ attributeColumns: [1, 100] }),
      UNKNOWN,
      // Malformed: nothing lies in it.
      endpoint({ attributeColumns: [1, 0] }),
      endpoint({ attributeColumns: [0, 0] }),
    ],
    left: [0, 2, 4],
  },
  {
    name: "below utilization: fresh and below both thresholds",
    filter: { op: belowUtilization, parameters: [5, 0.8, 200, 0] },
    endpoints: [
      endpoint({ queueDepthRequests: 4, kvCacheUsageFraction: 0.79 }),
      endpoint({ queueDepthRequests: 5 }),
      endpoint({ kvCacheUsageFraction: 0.8 }),
      endpoint({ scrapedAtMs: NOW_MS - 200 }),
      endpoint({ scrapedAtMs: NOW_MS - 201 }),
      UNKNOWN,
    ],
    left: [0, 3],
  },
  {
    name: "below utilization: headroom raises the thresholds",
    filter: { op: belowUtilization, parameters: [5, 0.8, 200, 0.2] },
    endpoints: queues(5, 6),
    left: [0],
  },
  {
    name: "below utilization: none, so all",
    filter: { op: belowUtilization, parameters: [5, 0.8, 200, 0] },
    endpoints: [UNKNOWN, ...queues(7)],
    left: [0, 1],
  },
  {
    name: "below utilization: a backed-off endpoint stays fresh for longer",
    filter: { op: belowUtilization, parameters: [5, 0.8, 200, 0] },
    endpoints: [
      endpoint({ scrapedAtMs: NOW_MS - 1_700, isBackedOff: true }),
      endpoint({ scrapedAtMs: NOW_MS - 1_701, isBackedOff: true }),
    ],
    left: [0],
  },
  {
    name: "below concurrency: requests below the capacity",
    filter: { op: belowConcurrency, parameters: [3, 1, 0, 0] },
    endpoints: active(2, 3, 0),
    left: [0, 2],
  },
  {
    name: "below concurrency: tokens",
    filter: { op: belowConcurrency, parameters: [0, 100, 1, 0] },
    endpoints: [endpoint({ inFlightTokens: 100 }), endpoint({ inFlightTokens: 99 })],
    left: [1],
  },
  {
    name: "below concurrency: both",
    filter: { op: belowConcurrency, parameters: [2, 100, 2, 0] },
    endpoints: [
      endpoint({ inFlightRequests: 1, inFlightTokens: 100 }),
      endpoint({ inFlightRequests: 2, inFlightTokens: 99 }),
      endpoint({ inFlightRequests: 1, inFlightTokens: 99 }),
    ],
    left: [2],
  },
  {
    name: "below concurrency: headroom",
    filter: { op: belowConcurrency, parameters: [10, 0, 0, 0.1] },
    endpoints: active(10, 11),
    left: [0],
  },
  {
    name: "below concurrency: none may be left",
    filter: { op: belowConcurrency, parameters: [1, 0, 0, 0] },
    endpoints: active(1, 2),
    left: [],
  },
  {
    name: "serves model: all for a request without a model",
    filter: { op: servesModel },
    endpoints: [endpoint({ servedModels: [] })],
    left: [0],
  },
  {
    name: "healthy: reachable and fresh",
    filter: { op: healthy },
    endpoints: [endpoint(), UNKNOWN, endpoint({ scrapedAtMs: NOW_MS - STALE_MS - 1 })],
    left: [0],
  },
  { name: "healthy: none, so all", filter: { op: healthy }, endpoints: [UNKNOWN, UNKNOWN], left: [0, 1] },
];

function leftOf(build: KernelBuild, { filter, endpoints, request }: Omit<Case, "name" | "left">): number[] {
  const fleet = testFleet(build, endpoints, [], { policy: { filters: [filter] } });
  const decided = fleet.shards[0]?.decide([{ ...fleet.request(), ...request }], NOW_MS, { withScores: false })[0];
  if (decided?.kind !== "picked") {
    expect(decided).toEqual({ kind: "filtered-out", filter: 0 });
    return [];
  }
  return fleet.candidates(decided);
}

describe.each(KERNEL_BUILDS)("filters (%s build)", (build) => {
  it.each(CASES)("$name", ({ left, ...given }) => {
    expect(leftOf(build, given)).toEqual(left);
  });

  it("each gets what the one before it has left, and the one that leaves nothing is named", () => {
    const endpoints = [endpoint({ labelMasks: [0] }), endpoint({ labelMasks: [0, 1] }), endpoint({ labelMasks: [2] })];
    const chain = [0, 1, 2].map((mask) => ({ op: labels, mask }));
    const fleet = testFleet(build, endpoints, []);
    const decide = (filters: KernelProgram[]): unknown => {
      const policy = fleet.publish([], { filters });
      // Masks are per policy: the same for all of them here.
      const size = layout.LABEL_MASKS_MAX * layout.MASK_SIZE;
      fleet.bytes.copyWithin(layout.LABEL_MASKS + policy * size, layout.LABEL_MASKS, layout.LABEL_MASKS + size);
      return fleet.shards[0]?.decide([{ ...fleet.request(), policy }], NOW_MS, { withScores: false })[0];
    };
    expect(decide(chain.slice(0, 2))).toMatchObject({ slot: 1, poolCount: 3, candidateCount: 1 });
    expect(decide(chain)).toEqual({ kind: "filtered-out", filter: 2 });
  });

  it("a pool without endpoints is no matter of filters", () => {
    const fleet = testFleet(build, [], [], { policy: { filters: [{ op: labels }] } });
    const decided = fleet.shards[0]?.decide([fleet.request()], NOW_MS, { withScores: false });
    expect(decided).toEqual([{ kind: "no-endpoints" }]);
  });
});

describe.each(KERNEL_BUILDS)("serves-model filter (%s build)", (build) => {
  const endpoints = [
    endpoint({ servedModels: ["base"] }),
    endpoint({ servedModels: ["other"] }),
    endpoint({ servedModels: ["other"], adapters: { running: [], waiting: ["base"], loadedMax: 1 } }),
    UNKNOWN,
    endpoint({ servedModels: Array.from({ length: 65 }, (_, index) => `m${index}`) }),
  ];

  it("keeps those that serve the model, do not say, or say only a part", () => {
    const fleet = testFleet(build, endpoints, [], { policy: { filters: [{ op: servesModel }] } });
    const pick = fleet.pick(fleet.scan("hello", { model: "base" }));
    expect(fleet.candidates(pick)).toEqual([0, 2, 3, 4]);
  });
});

describe.each(KERNEL_BUILDS)("prefix-affinity filter (%s build)", (build) => {
  /** Four blocks; endpoint 0 holds `held` of them and has `tokens` in flight, endpoint 1 holds none and is idle. */
  function fleetOf(parameters: readonly number[], held: number, tokens: number): { fleet: TestFleet; window: number } {
    const endpoints = [endpoint({ inFlightTokens: tokens }), endpoint()];
    const filters = [{ op: FILTER_OPS.prefixAffinity, parameters }];
    const prompt = "x".repeat(4 * BLOCK_SIZE - userText("").length);
    const fleet = testFleet(build, endpoints, [], { policy: { filters } });
    fleet.hold(0, promptKeys({ prompt: userText(prompt) }, BLOCK_SIZE).slice(0, held));
    return { fleet, window: fleet.scan(prompt) };
  }

  // 15,928 tokens take a second to prefill.
  it.each([
    { name: "a match at the threshold sticks", parameters: [0.75, 0, 18_000, 15_928], held: 3, tokens: 0, left: [0] },
    { name: "one below it does not", parameters: [0.76, 0, 18_000, 15_928], held: 3, tokens: 0, left: [0, 1] },
    { name: "a threshold of 0 keeps all", parameters: [0, 0, 18_000, 15_928], held: 4, tokens: 0, left: [0, 1] },
    { name: "exploring keeps all", parameters: [0.8, 1, 18_000, 15_928], held: 4, tokens: 0, left: [0, 1] },
    { name: "the penalty may be reached", parameters: [0.8, 0, 1_000, 15_928], held: 4, tokens: 15_928, left: [0] },
    { name: "beyond it all are kept", parameters: [0.8, 0, 1_000, 15_928], held: 4, tokens: 15_929, left: [0, 1] },
  ])("$name", ({ parameters, held, tokens, left }) => {
    const { fleet, window } = fleetOf(parameters, held, tokens);
    expect(fleet.candidates(fleet.pick(window))).toEqual(left);
  });

  it("explores as often as it is told to, by the seed", () => {
    const { fleet, window } = fleetOf([0.8, 0.25, 18_000, 15_928], 4, 0);
    let explored = 0;
    for (let seed = 0; seed < 2_000; seed++) {
      // Not recorded, or endpoint 1 would hold the prompt as well.
      const [pick] = fleet.decide([{ ...fleet.request(window, seed), recordsPrompt: false }]);
      if (pick?.candidateCount === 2) explored++;
      if (pick !== undefined) fleet.shards[0]?.release(pick);
    }
    expect(explored).toBeGreaterThan(430);
    expect(explored).toBeLessThan(570);
  });
});
