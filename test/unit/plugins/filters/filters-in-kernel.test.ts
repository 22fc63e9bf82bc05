/** Filters through their definitions and the kernel: what they leave, worked out by hand from their rules. */
import { describe, expect, it } from "vitest";
import type { Plugin } from "../../../../src/framework/plugin.ts";
import { decodeFilter } from "../../../../src/plugins/filters/decode.ts";
import { endpointAttributeFilter } from "../../../../src/plugins/filters/endpoint-attribute.ts";
import { headerBasedTestingFilter } from "../../../../src/plugins/filters/header-based-testing.ts";
import { healthFilter } from "../../../../src/plugins/filters/health.ts";
import { labelSelectorFilter } from "../../../../src/plugins/filters/label-selector.ts";
import { modelFilter } from "../../../../src/plugins/filters/model.ts";
import { sessionAffinityFilter } from "../../../../src/plugins/filters/session-affinity.ts";
import { utilizationFilter } from "../../../../src/plugins/filters/utilization.ts";
import { concurrencyDetector } from "../../../../src/plugins/saturation-detectors/concurrency.ts";
import { utilizationDetector } from "../../../../src/plugins/saturation-detectors/utilization.ts";
import { contextLengthAware } from "../../../../src/plugins/scorers/context-length-aware.ts";
import { endpoint, NOW_MS, STALE_MS, unknownEndpoint } from "../../../support/fleet.ts";
import { KERNEL_BUILDS, type KernelBuild } from "../../../support/kernel.ts";
import { type BedEndpoint, type BedRequest, part, pluginBed, promptOfTokens } from "../../../support/plugin-bed.ts";

interface Case {
  readonly name: string;
  readonly filters: readonly Plugin[];
  readonly endpoints: readonly BedEndpoint[];
  readonly inFlight?: readonly (readonly number[])[];
  readonly request?: BedRequest;
  readonly kept: readonly number[];
}

const labelled = (...labels: Record<string, string>[]): BedEndpoint[] =>
  labels.map((own) => ({ ...endpoint(), labels: own }));
const loads = (...given: (readonly [queue: number, usage: number])[]): BedEndpoint[] =>
  given.map(([queueDepthRequests, kvCacheUsageFraction]) => endpoint({ queueDepthRequests, kvCacheUsageFraction }));
const idle = (count: number): BedEndpoint[] => Array.from({ length: count }, () => endpoint());
const scrapedAgo = (ageMs: number): BedEndpoint => endpoint({ scrapedAtMs: NOW_MS - ageMs });
const hot = (temperature?: number): BedEndpoint => ({
  ...endpoint(),
  attributes: temperature === undefined ? {} : { temperature },
});

const gold = part(labelSelectorFilter, { matchLabels: { tier: "gold" } });
const inZone = (...values: string[]): Plugin =>
  part(labelSelectorFilter, { matchExpressions: [{ key: "zone", operator: "In", values }] });
const within = (conditions: object[], fallbackOnEmpty = false): Plugin =>
  part(utilizationFilter, { conditions, fallbackOnEmpty });
const byTemperature = (operator: string, value: number, changes: object = {}): Plugin =>
  part(endpointAttributeFilter, {
    attribute: "temperature",
    producer: "extractor",
    algorithm: { type: "threshold", threshold: { operator, value } },
    ...changes,
  });
const serving = (...servedModels: string[]): BedEndpoint => ({ ...endpoint(), servedModels });

const CASES: readonly Case[] = [
  // Labels.
  {
    name: "labels: those that match",
    filters: [gold],
    endpoints: labelled({ tier: "gold" }, {}, { tier: "gold" }),
    kept: [0, 2],
  },
  { name: "labels: none matches, none is left", filters: [gold], endpoints: labelled({}, { tier: "lead" }), kept: [] },
  {
    name: "labels: an empty selector keeps all",
    filters: [part(labelSelectorFilter)],
    endpoints: labelled({}, {}),
    kept: [0, 1],
  },
  {
    name: "labels: each filter gets what the one before it has left",
    filters: [gold, inZone("a", "b"), part(decodeFilter)],
    endpoints: labelled(
      { tier: "gold", zone: "a" },
      { tier: "gold", zone: "c" },
      { zone: "a" },
      { tier: "gold", zone: "b", "llm-d.ai/role": "prefill" },
      { tier: "gold", zone: "b", "llm-d.ai/role": "both" },
    ),
    kept: [0, 4],
  },
  // Named by the request.
  {
    name: "testing header: the named ones",
    filters: [part(headerBasedTestingFilter)],
    endpoints: idle(3),
    request: { headers: { "test-epp-endpoint-selection": "10.0.0.2, 10.0.0.0:8000" } },
    kept: [0, 2],
  },
  {
    name: "testing header: absent, none is left",
    filters: [part(headerBasedTestingFilter)],
    endpoints: idle(3),
    kept: [],
  },
  {
    name: "session token: its endpoint alone",
    filters: [part(sessionAffinityFilter)],
    endpoints: idle(3),
    request: { headers: { "x-session-token": "ZGVmYXVsdC9zZXJ2ZXItMQ==" } },
    kept: [1],
  },
  {
    name: "session token: of an endpoint that is no candidate, all",
    filters: [gold, part(sessionAffinityFilter)],
    endpoints: labelled({ tier: "gold" }, {}, { tier: "gold" }),
    request: { headers: { "x-session-token": "ZGVmYXVsdC9zZXJ2ZXItMQ==" } },
    kept: [0, 2],
  },
  { name: "session token: none, all", filters: [part(sessionAffinityFilter)], endpoints: idle(3), kept: [0, 1, 2] },
  // Limits of load.
  {
    name: "utilization: at or below every limit",
    filters: [
      within([
        { metric: "waiting-queue", maxValue: 4 },
        { metric: "kv-cache-utilization", maxValue: 0.8 },
      ]),
    ],
    endpoints: loads([4, 0.8], [5, 0], [0, 0.81], [0, 0]),
    kept: [0, 3],
  },
  {
    name: "utilization: running requests",
    filters: [within([{ metric: "running-requests", maxValue: 2 }])],
    endpoints: [2, 3, 0].map((runningRequests) => ({ ...endpoint(), runningRequests })),
    kept: [0, 2],
  },
  {
    name: "utilization: requests in flight by the picker's count",
    filters: [within([{ metric: "active-requests", maxValue: 1 }])],
    endpoints: idle(3),
    inFlight: [[1, 1], [1], []],
    kept: [1, 2],
  },
  {
    name: "utilization: what is unknown counts as 0",
    filters: [within([{ metric: "waiting-queue", maxValue: 0 }])],
    endpoints: [unknownEndpoint, ...loads([1, 0])],
    kept: [0],
  },
  {
    name: "utilization: none within the limits, none is left",
    filters: [within([{ metric: "waiting-queue", maxValue: 1 }])],
    endpoints: loads([2, 0], [3, 0]),
    kept: [],
  },
  {
    name: "utilization: none within the limits, all with fallbackOnEmpty",
    filters: [within([{ metric: "waiting-queue", maxValue: 1 }], true)],
    endpoints: loads([2, 0], [3, 0]),
    kept: [0, 1],
  },
  // Custom metrics.
  ...(
    [
      ["LessThan", [0]],
      ["LessThanOrEqual", [0, 1]],
      ["GreaterThan", [2]],
      ["GreaterThanOrEqual", [1, 2]],
      ["Equal", [1]],
    ] as const
  ).map(([operator, kept]) => ({
    name: `attribute: ${operator} 80`,
    filters: [byTemperature(operator, 80, { onMissing: "Fail" })],
    endpoints: [hot(79.5), hot(80), hot(81), hot()],
    kept,
  })),
  {
    name: "attribute: a missing value passes by default",
    filters: [byTemperature("LessThan", 80)],
    endpoints: [hot(), hot(90)],
    kept: [0],
  },
  {
    name: "attribute: none passes, none is left",
    filters: [byTemperature("LessThan", 10)],
    endpoints: [hot(90), hot(80)],
    kept: [],
  },
  {
    name: "attribute: none passes, all with fallbackOnEmpty",
    filters: [byTemperature("LessThan", 10, { fallbackOnEmpty: true, onMissing: "Fail" })],
    endpoints: [hot(90), hot(80), hot()],
    kept: [0, 1, 2],
  },
  // Prompt lengths.
  {
    name: "context length: in range or without a label; a label that is no range drops",
    filters: [part(contextLengthAware, { enableFiltering: true })],
    endpoints: labelled(
      { "llm-d.ai/context-length-range": "0-499" },
      { "llm-d.ai/context-length-range": "0-500" },
      { "llm-d.ai/context-length-range": "500-900" },
      { "llm-d.ai/context-length-range": "501-900" },
      {},
      { "llm-d.ai/context-length-range": "any" },
    ),
    request: { prompt: promptOfTokens(500) },
    kept: [1, 2, 4],
  },
  // Detectors as filters.
  {
    name: "utilization detector: below both thresholds",
    filters: [part(utilizationDetector)],
    endpoints: loads([4, 0.75], [5, 0], [0, 0.8], [0, 0]),
    kept: [0, 3],
  },
  {
    // Limits 5 × 1.2 = 6 and 0.5 × 1.2 = 0.6.
    name: "utilization detector: with headroom",
    filters: [part(utilizationDetector, { headroom: 0.2, kvCacheUtilThreshold: 0.5 })],
    endpoints: loads([5, 0], [6, 0], [0, 0.59], [0, 0.61]),
    kept: [0, 2],
  },
  {
    name: "utilization detector: stale and unknown ones go",
    filters: [part(utilizationDetector)],
    endpoints: [scrapedAgo(200), scrapedAgo(201), unknownEndpoint],
    kept: [0],
  },
  {
    name: "utilization detector: none left, all",
    filters: [part(utilizationDetector)],
    endpoints: [...loads([9, 0]), unknownEndpoint],
    kept: [0, 1],
  },
  {
    name: "concurrency detector: below the capacity in requests",
    filters: [part(concurrencyDetector, { maxConcurrency: 2 })],
    endpoints: idle(3),
    inFlight: [[1], [1, 1], []],
    kept: [0, 2],
  },
  {
    // 2 × 1.5 = 3.
    name: "concurrency detector: with headroom",
    filters: [part(concurrencyDetector, { maxConcurrency: 2, headroom: 0.5 })],
    endpoints: idle(2),
    inFlight: [
      [1, 1],
      [1, 1, 1],
    ],
    kept: [0],
  },
  {
    name: "concurrency detector: in tokens",
    filters: [part(concurrencyDetector, { concurrencyMode: "tokens", maxTokenConcurrency: 100 })],
    endpoints: idle(2),
    inFlight: [[99], [60, 40]],
    kept: [0],
  },
  {
    name: "concurrency detector: in both",
    filters: [part(concurrencyDetector, { concurrencyMode: "hybrid", maxConcurrency: 2, maxTokenConcurrency: 100 })],
    endpoints: idle(3),
    inFlight: [[99], [1, 1], [100]],
    kept: [0],
  },
  {
    name: "concurrency detector: all full, none is left",
    filters: [part(concurrencyDetector, { maxConcurrency: 1 })],
    endpoints: idle(2),
    inFlight: [[1], [1]],
    kept: [],
  },
  // Our own.
  {
    name: "model: those that serve it, and those that do not say",
    filters: [part(modelFilter)],
    endpoints: [serving("llama", "qwen"), serving("mistral"), endpoint(), serving()],
    request: { prompt: "p", model: "qwen" },
    kept: [0, 2],
  },
  {
    name: "model: as an adapter that the engine runs",
    filters: [part(modelFilter)],
    endpoints: [
      { ...serving("llama"), adapters: { running: ["sql"], waiting: [], loadedMax: 1 } },
      { ...serving("llama"), adapters: { running: [], waiting: [], loadedMax: 1 } },
    ],
    request: { prompt: "p", model: "sql" },
    kept: [0],
  },
  {
    name: "model: a request without one, all",
    filters: [part(modelFilter)],
    endpoints: [serving("llama"), serving()],
    kept: [0, 1],
  },
  {
    name: "model: nobody serves it",
    filters: [part(modelFilter)],
    endpoints: [serving("llama")],
    request: { prompt: "p", model: "qwen" },
    kept: [],
  },
  {
    name: "health: fresh ones",
    filters: [part(healthFilter)],
    endpoints: [scrapedAgo(0), scrapedAgo(STALE_MS), scrapedAgo(STALE_MS + 1), unknownEndpoint],
    kept: [0, 1],
  },
  {
    name: "health: none fresh, all",
    filters: [part(healthFilter)],
    endpoints: [unknownEndpoint, scrapedAgo(STALE_MS + 1)],
    kept: [0, 1],
  },
  { name: "no endpoint at all", filters: [gold], endpoints: [], kept: [] },
];

function keptOf(build: KernelBuild, { filters, endpoints, inFlight = [], request = {} }: Case): number[] {
  const bed = pluginBed(build, endpoints, { filters });
  for (const [slot, tokens] of inFlight.entries()) bed.charge(slot, ...tokens);
  return bed.kept(request);
}

describe.each(KERNEL_BUILDS)("filters (%s build)", (build) => {
  it.each(CASES)("$name", (given) => {
    expect(keptOf(build, given)).toEqual(given.kept);
  });

  it("the filter that leaves nothing is named", () => {
    const bed = pluginBed(build, labelled({ tier: "gold" }), { filters: [gold, inZone("a")] });
    expect(bed.decide()).toEqual({ kind: "filtered-out", filter: 1 });
    expect(pluginBed(build, [], { filters: [gold] }).decide()).toEqual({ kind: "no-endpoints" });
  });

  it("a session's endpoint alone is kept once the session is bound; without an id all are", () => {
    const filter = part(sessionAffinityFilter, { strategy: "session_id" });
    const bed = pluginBed(build, idle(4), { filters: [filter] });
    const alice = { headers: { "x-session-id": "alice" } };
    expect(bed.kept(alice)).toEqual([0, 1, 2, 3]);
    const bound = bed.kept(alice);
    expect(bound).toHaveLength(1);
    for (let seed = 0; seed < 20; seed++) expect(bed.kept({ ...alice, seed })).toEqual(bound);
    expect(bed.kept()).toEqual([0, 1, 2, 3]);
    expect(bed.kept({ headers: { "x-session-id": "bob" } })).toEqual([0, 1, 2, 3]);
  });

  it("a session of 300 s, the default, is forgotten after them", () => {
    const filter = part(sessionAffinityFilter, { strategy: "session_id" });
    const bed = pluginBed(build, idle(2), { filters: [filter] });
    const alice = { headers: { "x-session-id": "alice" } };
    bed.kept(alice);
    expect(bed.kept({ ...alice, nowMs: NOW_MS + 299_000 })).toHaveLength(1);
    expect(bed.kept({ ...alice, nowMs: NOW_MS + 299_000 + 302_000 })).toEqual([0, 1]);
  });
});
