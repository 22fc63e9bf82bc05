/**
 * Filters and scorers by slow and obvious means, from the rules in their docstrings: what definitions and kernel
 * together are held against. By type and parameters, as a configuration gives them.
 */
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

/** A type of a plugin and its parameters. */
export interface ModelPart {
  readonly type: string;
  // Parameters differ by type; each rule reads its own.
  // biome-ignore lint/suspicious/noExplicitAny: a test's model of many shapes
  readonly parameters: any;
}

export type Pool = readonly ModelEndpoint[];

/** What the filters leave, one after the other. */
export function modelKept(pool: Pool, filters: readonly ModelPart[], request: ModelRequest): Pool {
  return filters.reduce((left, filter) => keep(left, filter, request), pool);
}

function keep(pool: Pool, { type, parameters }: ModelPart, request: ModelRequest): Pool {
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
        return { requests, tokens, hybrid: requests && tokens }[parameters.concurrencyMode as string];
      });
    }
    case "model-filter":
      return pool.filter(({ models, adapters }) => {
        const names = [...(adapters?.running ?? []), ...(adapters?.waiting ?? [])];
        return models === undefined || models.includes(request.model) || names.includes(request.model);
      });
    case "health-filter":
      return orAll(pool.filter(isFresh));
    default:
      throw new Error(`the model has no filter ${type}`);
  }
}

function isWithin(endpoint: ModelEndpoint, conditions: readonly { metric: string; maxValue: number }[]): boolean {
  const known = isFresh(endpoint);
  return conditions.every(({ metric, maxValue }) => {
    const value = {
      "active-requests": endpoint.inFlightRequests,
      "running-requests": known ? endpoint.running : 0,
      "waiting-queue": known ? endpoint.queue : 0,
      "kv-cache-utilization": known ? endpoint.usage : 0,
    }[metric];
    return (value ?? Number.NaN) <= maxValue;
  });
}

function keepSticky(
  pool: Pool,
  { affinityThreshold, maxTTFTPenaltyMs, peakPrefillThroughput }: ModelPart["parameters"],
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
export function modelScores(pool: Pool, { type, parameters }: ModelPart, request: ModelRequest): number[] {
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
      return pool.map(({ labels }) => fit(request.promptTokens, rangeOf(labels)));
    case "endpoint-attribute-scorer":
      return attributeScores(pool, parameters.algorithm);
    case "header-label-affinity-scorer":
      return pool.map(({ labels }) =>
        labels["tier"] !== undefined && labels["tier"] === request.headers["x-tier"] ? 1 : 0,
      );
    default:
      throw new Error(`the model has no scorer ${type}`);
  }
}

/** NaN-free: undefined for what was never scraped, or too long ago. Waiting and running requests grow by what is sent. */
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

function attributeScores(pool: Pool, { type, normalization }: ModelPart["parameters"]): number[] {
  const values = pool.map(({ temperature }) => temperature);
  const there = values.filter((value) => value !== undefined);
  const { min, max } = normalization?.fixedRange ?? { min: Math.min(...there), max: Math.max(...there) };
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

function fit(tokens: number, range: ReturnType<typeof rangeOf>): number {
  if (range === undefined) return 0.5;
  if (range === "none") return 0;
  const { min, max } = range;
  if (tokens < min) return 0.3 / (1 + (min - tokens) / 1_000);
  if (tokens > max) return 0.3 / (1 + (tokens - max) / 1_000);
  const width = max - min;
  return width === 0 ? 1 : 0.3 + 0.7 * (0.7 / (1 + width / 10_000) + 0.3 * ((max - tokens) / width));
}

function compares(actual: number, operator: string, value: number): boolean {
  switch (operator) {
    case "LessThan":
      return actual < value;
    case "LessThanOrEqual":
      return actual <= value;
    case "GreaterThan":
      return actual > value;
    case "GreaterThanOrEqual":
      return actual >= value;
    default:
      return actual === value;
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
