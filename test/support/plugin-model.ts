/**
 * Filters and scorers by slow and obvious means, from the rules in their docstrings: what definitions and kernel
 * together are held against. By type and parameters, as a configuration gives them.
 */
import type { EndpointAttributeFilterParameters } from "../../src/plugins/filters/endpoint-attribute.ts";
import type { PrefixCacheAffinityParameters } from "../../src/plugins/filters/prefix-cache-affinity.ts";
import type { UtilizationFilterParameters } from "../../src/plugins/filters/utilization.ts";
import type { ConcurrencyDetectorParameters } from "../../src/plugins/saturation-detectors/concurrency.ts";
import type { UtilizationDetectorParameters } from "../../src/plugins/saturation-detectors/utilization.ts";
import type { ActiveRequestParameters } from "../../src/plugins/scorers/active-request.ts";
import type { EndpointAttributeScorerParameters } from "../../src/plugins/scorers/endpoint-attribute.ts";
import type { HeaderLabelAffinityParameters } from "../../src/plugins/scorers/header-label-affinity.ts";
import type { LoadAwareParameters } from "../../src/plugins/scorers/load-aware.ts";
import type { PrefixCacheParameters } from "../../src/plugins/scorers/prefix-cache.ts";
import type { TokenLoadParameters } from "../../src/plugins/scorers/token-load.ts";
import { NOW_MS, STALE_MS } from "./fleet.ts";

/** What a decision knows of one endpoint. Undefined: not known. */
export interface ModelEndpoint {
  readonly slot: number;
  /** Age of the metrics; undefined: never scraped. */
  readonly ageMs: number | undefined;
  readonly queue: number;
  readonly running: number;
  readonly usage: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly temperature: number | undefined;
  readonly adapters: { readonly running: string[]; readonly waiting: string[]; readonly loadedMax: number } | undefined;
  readonly models: readonly string[] | undefined;
  readonly inFlightRequests: number;
  readonly inFlightTokens: number;
  readonly matchedBlocks: number;
}

export interface ModelRequest {
  readonly model: string;
  readonly promptTokens: number;
  readonly blockCount: number;
  readonly blockTokens: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** A filter by its type, with the parameters that it is given. */
export type ModelFilter =
  | { readonly type: "label-selector-filter"; readonly parameters: { readonly matchLabels: { readonly tier: string } } }
  | { readonly type: "decode-filter" | "model-filter" | "health-filter"; readonly parameters: object }
  | {
      readonly type: "utilization-filter";
      readonly parameters: Pick<UtilizationFilterParameters, "conditions" | "fallbackOnEmpty">;
    }
  | { readonly type: "endpoint-attribute-filter"; readonly parameters: EndpointAttributeFilterParameters }
  | { readonly type: "context-length-aware"; readonly parameters: { readonly enableFiltering: true } }
  | { readonly type: "prefix-cache-affinity-filter"; readonly parameters: StickyParameters }
  | {
      readonly type: "utilization-detector";
      readonly parameters: Omit<UtilizationDetectorParameters, "metricsStalenessThreshold">;
    }
  | { readonly type: "concurrency-detector"; readonly parameters: ConcurrencyDetectorParameters };

type StickyParameters = Pick<
  PrefixCacheAffinityParameters,
  "affinityThreshold" | "maxTTFTPenaltyMs" | "peakPrefillThroughput"
>;

/** A scorer by its type, with the parameters that it is given. */
export type ModelScorer =
  | {
      readonly type:
        | "queue-scorer"
        | "running-requests-size-scorer"
        | "kv-cache-utilization-scorer"
        | "lora-affinity-scorer"
        | "context-length-aware";
      readonly parameters: object;
    }
  | { readonly type: "load-aware-scorer"; readonly parameters: LoadAwareParameters }
  | { readonly type: "prefix-cache-scorer"; readonly parameters: PrefixCacheParameters }
  | { readonly type: "active-request-scorer"; readonly parameters: ActiveRequestParameters }
  | { readonly type: "token-load-scorer"; readonly parameters: TokenLoadParameters }
  | { readonly type: "endpoint-attribute-scorer"; readonly parameters: EndpointAttributeScorerParameters }
  | { readonly type: "header-label-affinity-scorer"; readonly parameters: HeaderLabelAffinityParameters };

export type Pool = readonly ModelEndpoint[];

/** What the filters leave, one after the other. */
export function modelKept(pool: Pool, filters: readonly ModelFilter[], request: ModelRequest): Pool {
  return filters.reduce((left, filter) => keep(left, filter, request), pool);
}

function keep(pool: Pool, { type, parameters }: ModelFilter, request: ModelRequest): Pool {
  const orAll = (kept: Pool): Pool => (kept.length === 0 ? pool : kept);
  switch (type) {
    case "label-selector-filter":
      return pool.filter(({ labels }) => labels["tier"] === parameters.matchLabels.tier);
    case "decode-filter":
      return pool.filter(({ labels }) => ["decode", "both", undefined].includes(labels["llm-d.ai/role"]));
    case "utilization-filter": {
      const kept = pool.filter((endpoint) => isWithin(endpoint, parameters.conditions));
      return parameters.fallbackOnEmpty ? orAll(kept) : kept;
    }
    case "endpoint-attribute-filter": {
      const { operator, value } = parameters.algorithm.threshold;
      const kept = pool.filter(({ temperature }) =>
        temperature === undefined ? parameters.onMissing === "Pass" : compares(temperature, operator, value),
      );
      return parameters.fallbackOnEmpty ? orAll(kept) : kept;
    }
    case "context-length-aware":
      return pool.filter(({ labels }) => {
        const range = rangeOf(labels);
        if (range === undefined) return true;
        return range !== "none" && range.min <= request.promptTokens && request.promptTokens <= range.max;
      });
    case "prefix-cache-affinity-filter":
      return keepSticky(pool, parameters, request);
    case "utilization-detector": {
      const room = 1 + parameters.headroom;
      return orAll(
        pool.filter(
          ({ ageMs, queue, usage }) =>
            ageMs !== undefined &&
            ageMs <= 200 &&
            queue < parameters.queueDepthThreshold * room &&
            usage < parameters.kvCacheUtilThreshold * room,
        ),
      );
    }
    case "concurrency-detector": {
      const room = 1 + parameters.headroom;
      return pool.filter(({ inFlightRequests, inFlightTokens }) => {
        const requests = inFlightRequests < parameters.maxConcurrency * room;
        const tokens = inFlightTokens < parameters.maxTokenConcurrency * room;
        return { requests, tokens, hybrid: requests && tokens }[parameters.concurrencyMode];
      });
    }
    case "model-filter":
      return pool.filter(({ models, adapters }) => {
        const names = [...(adapters?.running ?? []), ...(adapters?.waiting ?? [])];
        return models === undefined || models.includes(request.model) || names.includes(request.model);
      });
    case "health-filter":
      return orAll(pool.filter(isFresh));
  }
}

function isWithin(endpoint: ModelEndpoint, conditions: UtilizationFilterParameters["conditions"]): boolean {
  const isKnown = isFresh(endpoint);
  return conditions.every(({ metric, maxValue }) => {
    const value = {
      "active-requests": endpoint.inFlightRequests,
      "running-requests": isKnown ? endpoint.running : 0,
      "waiting-queue": isKnown ? endpoint.queue : 0,
      "kv-cache-utilization": isKnown ? endpoint.usage : 0,
    }[metric];
    return value <= maxValue;
  });
}

function keepSticky(
  pool: Pool,
  { affinityThreshold, maxTTFTPenaltyMs, peakPrefillThroughput }: StickyParameters,
  { blockCount }: ModelRequest,
): Pool {
  if (pool.length <= 1) return pool;
  const sticky = pool.filter(({ matchedBlocks }) => matchedBlocks / blockCount >= affinityThreshold);
  const others = pool.filter((endpoint) => !sticky.includes(endpoint));
  if (sticky.length === 0 || others.length === 0) return pool;
  const bestMs = (side: Pool): number =>
    Math.min(...side.map(({ inFlightTokens }) => (inFlightTokens / peakPrefillThroughput) * 1_000));
  return bestMs(sticky) - bestMs(others) > maxTTFTPenaltyMs ? pool : sticky;
}

/** Scores of the candidates by one scorer. */
export function modelScores(pool: Pool, { type, parameters }: ModelScorer, request: ModelRequest): number[] {
  switch (type) {
    case "queue-scorer":
      return fillUnknown(preferFewest(pool.map((endpoint) => known(endpoint, endpoint.queue, true))));
    case "running-requests-size-scorer":
      return fillUnknown(preferFewest(pool.map((endpoint) => known(endpoint, endpoint.running, true))));
    case "kv-cache-utilization-scorer":
      return fillUnknown(pool.map((endpoint) => known(endpoint, 1 - endpoint.usage, false)));
    case "load-aware-scorer":
      return fillUnknown(
        pool.map((endpoint) => {
          const waiting = known(endpoint, endpoint.queue, true);
          if (waiting === undefined) return undefined;
          return 0.5 * (1 - Math.min(waiting, parameters.threshold) / parameters.threshold);
        }),
      );
    case "lora-affinity-scorer":
      return fillUnknown(pool.map((endpoint) => known(endpoint, adapterScore(endpoint, request.model), false)));
    case "prefix-cache-scorer":
      return pool.map(({ matchedBlocks }) => {
        const { matchLengthWeight: weight, matchLengthScaleTokens: scale } = parameters;
        const length = Math.min(1, (matchedBlocks * request.blockTokens) / scale);
        return weight * length ** 2 + (1 - weight) * (matchedBlocks / request.blockCount);
      });
    case "active-request-scorer": {
      const most = Math.max(...pool.map(({ inFlightRequests }) => inFlightRequests));
      return pool.map(({ inFlightRequests: active }) =>
        active <= parameters.idleThreshold ? 1 : ((most - active) / most) * parameters.maxBusyScore,
      );
    }
    case "token-load-scorer":
      return pool.map(({ inFlightTokens, matchedBlocks }) => {
        const own = Math.max(0, request.promptTokens - matchedBlocks * request.blockTokens);
        const tokens = inFlightTokens + own;
        return 1 - Math.min(tokens, parameters.queueThresholdTokens) / parameters.queueThresholdTokens;
      });
    case "context-length-aware":
      return pool.map(({ labels }) => fitOf(request.promptTokens, rangeOf(labels)));
    case "endpoint-attribute-scorer":
      return attributeScores(pool, parameters.algorithm);
    case "header-label-affinity-scorer":
      return pool.map(({ labels }) =>
        labels["tier"] !== undefined && labels["tier"] === request.headers["x-tier"] ? 1 : 0,
      );
  }
}

/** Undefined for what was never scraped, or too long ago. Waiting and running requests grow by what was sent since. */
function known(endpoint: ModelEndpoint, value: number | undefined, grows: boolean): number | undefined {
  if (!isFresh(endpoint) || value === undefined) return undefined;
  return grows ? value + endpoint.inFlightRequests : value;
}

function isFresh({ ageMs }: ModelEndpoint): boolean {
  return ageMs !== undefined && ageMs <= STALE_MS;
}

function preferFewest(counts: readonly (number | undefined)[]): (number | undefined)[] {
  const there = counts.filter((count) => count !== undefined);
  const [least, most] = [Math.min(...there), Math.max(...there)];
  return counts.map((count) => {
    if (count === undefined) return undefined;
    return most === least ? 1 : (most - count) / (most - least);
  });
}

function adapterScore({ adapters }: ModelEndpoint, model: string): number | undefined {
  if (adapters === undefined) return undefined;
  if (adapters.running.includes(model)) return 1;
  if (adapters.running.length + adapters.waiting.length < adapters.loadedMax) return 0.8;
  return adapters.waiting.includes(model) ? 0.6 : 0;
}

function attributeScores(
  pool: Pool,
  { type, normalization }: EndpointAttributeScorerParameters["algorithm"],
): number[] {
  const values = pool.map(({ temperature }) => temperature);
  const there = values.filter((value) => value !== undefined);
  const { min, max } = normalization.fixedRange ?? { min: Math.min(...there), max: Math.max(...there) };
  return values.map((value) => {
    if (value === undefined) return 0;
    if (min === max) return 1;
    const place = Math.min(1, Math.max(0, (value - min) / (max - min)));
    return type === "linear_higher_is_better" ? place : 1 - place;
  });
}

/** Undefined without the label. */
function rangeOf(labels: Readonly<Record<string, string>>): { min: number; max: number } | "none" | undefined {
  const text = labels["llm-d.ai/context-length-range"];
  if (text === undefined) return undefined;
  const [min = Number.NaN, max = Number.NaN] = text.split("-").map(Number);
  return Number.isInteger(min) && Number.isInteger(max) && min <= max ? { min, max } : "none";
}

function fitOf(tokens: number, range: ReturnType<typeof rangeOf>): number {
  if (range === undefined) return 0.5;
  if (range === "none") return 0;
  const { min, max } = range;
  if (tokens < min) return 0.3 / (1 + (min - tokens) / 1_000);
  if (tokens > max) return 0.3 / (1 + (tokens - max) / 1_000);
  const width = max - min;
  return width === 0 ? 1 : 0.3 + 0.7 * (0.7 / (1 + width / 10_000) + 0.3 * ((max - tokens) / width));
}

function compares(actual: number, operator: string, wanted: number): boolean {
  switch (operator) {
    case "LessThan":
      return actual < wanted;
    case "LessThanOrEqual":
      return actual <= wanted;
    case "GreaterThan":
      return actual > wanted;
    case "GreaterThanOrEqual":
      return actual >= wanted;
    default:
      return actual === wanted;
  }
}

/** An unknown value scores the mean of the known ones, 1 when there is none. */
function fillUnknown(scores: readonly (number | undefined)[]): number[] {
  const there = scores.filter((score) => score !== undefined);
  const mean = there.length === 0 ? 1 : there.reduce((sum, score) => sum + score, 0) / there.length;
  return scores.map((score) => score ?? mean);
}

/** When the metrics of an endpoint were scraped. */
export function scrapedAtMs({ ageMs }: ModelEndpoint): number | undefined {
  return ageMs === undefined ? undefined : NOW_MS - ageMs;
}
