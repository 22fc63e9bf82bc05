/**
 * One profile by slow and obvious means: filters, scorers and pickers from the definitions in their documentation, over
 * plain objects. The reference that the kernel is held against; nothing is shared with it but the numbers that go in.
 */
import type { FilterOp, PickerOp, ScorerOp } from "../../src/wasm/policies.ts";
import { drawAmong, drawBits, drawUnit } from "./model-draws.ts";

/** What is known of one endpoint when a pick is made. Undefined: never reported, or stale. */
export interface ModelEndpoint {
  readonly slot: number;
  readonly isReachable: boolean;
  readonly isFresh: boolean;
  /** Of its last scrape, in ms. */
  readonly ageMs: number;
  readonly queue: number | undefined;
  readonly running: number | undefined;
  readonly usage: number | undefined;
  /** Requests in flight now, less those in flight at the scrape. */
  surplus: number;
  requests: number;
  tokens: number;
  readonly matched: number;
  readonly adapters: { readonly running: string[]; readonly waiting: string[]; readonly loadedMax: number } | undefined;
  readonly models: readonly string[] | undefined;
  /** By column; undefined: unknown. */
  readonly attributes: readonly (number | undefined)[];
  /** Label masks that it belongs to. */
  readonly labels: ReadonlySet<number>;
}

export interface ModelRequest {
  readonly seed: bigint;
  readonly model: string | undefined;
  readonly promptTokens: number;
  /** Tokens that an endpoint with so many matched blocks does not hold. */
  readonly uncachedTokens: (matched: number) => number;
  readonly blockCount: number;
  readonly blockTokens: number;
  readonly masks: readonly (readonly number[] | undefined)[];
  /** Slots that its sessions are bound to. */
  readonly bound: readonly (number | undefined)[];
}

export interface ModelProgram<Op> {
  readonly op: Op;
  readonly parameters: readonly number[];
  readonly mask: number;
  readonly column: number;
  readonly operand: number;
}

export interface ModelProfile {
  readonly filters: readonly ModelProgram<FilterOp>[];
  readonly scorers: readonly { readonly program: ModelProgram<ScorerOp>; readonly weight: number }[];
  readonly picker: Exclude<PickerOp, "custom">;
  readonly targetsMax: number;
}

export type ModelResult =
  | { readonly kind: "no-endpoints" }
  | { readonly kind: "filtered-out"; readonly filter: number }
  | {
      readonly kind: "picked";
      readonly candidates: readonly number[];
      /** By scorer, then by candidate. */
      readonly scores: readonly (readonly number[])[];
      readonly totals: readonly number[];
      readonly targets: readonly number[];
      /** None of the candidates holds any of the prompt. */
      readonly isCold: boolean;
    };

/** `coldOrder`: slots that got a cold pick, least recent first. */
export function runProfile(
  profile: ModelProfile,
  pool: readonly ModelEndpoint[],
  request: ModelRequest,
  coldOrder: readonly number[],
): ModelResult {
  const reachable = pool.filter(({ isReachable }) => isReachable);
  let candidates = reachable.length > 0 ? reachable : pool;
  if (candidates.length === 0) return { kind: "no-endpoints" };
  for (const [number, filter] of profile.filters.entries()) {
    candidates = keep(filter, number, candidates, request);
    if (candidates.length === 0) return { kind: "filtered-out", filter: number };
  }
  const scores = profile.scorers.map(({ program }) => score(program, candidates, request, coldOrder));
  const totals = candidates.map((_, position) =>
    profile.scorers.reduce(
      (sum, { weight }, index) => sum + weight * Math.min(1, Math.max(0, scores[index]?.[position] ?? Number.NaN)),
      0,
    ),
  );
  return {
    kind: "picked",
    candidates: candidates.map(({ slot }) => slot),
    scores,
    totals,
    targets: choose(profile, candidates, totals, request.seed),
    isCold: candidates.every(({ matched }) => matched === 0),
  };
}

function keep(
  { op, parameters, mask, column, operand }: ModelProgram<FilterOp>,
  number: number,
  candidates: readonly ModelEndpoint[],
  request: ModelRequest,
): readonly ModelEndpoint[] {
  const [p0 = 0, p1 = 0, p2 = 0, p3 = 0, p4 = 0] = parameters;
  const orAll = (kept: readonly ModelEndpoint[]): readonly ModelEndpoint[] => (kept.length > 0 ? kept : candidates);
  const inMask = (): readonly ModelEndpoint[] =>
    candidates.filter(({ slot }) => request.masks[mask]?.includes(slot) === true);
  switch (op) {
    case "labels":
      return candidates.filter(({ labels }) => labels.has(mask));
    case "requestMask":
      return inMask();
    case "requestMaskOrAll":
      return orAll(inMask());
    case "sessionOrAll":
      return orAll(candidates.filter(({ slot }) => slot === request.bound[operand]));
    case "prefixAffinity": {
      const sticky = candidates.filter(({ matched }) => matched >= p0 * request.blockCount);
      const others = candidates.filter((one) => !sticky.includes(one));
      if (candidates.length <= 1 || p0 <= 0 || request.blockCount === 0) return candidates;
      if (drawUnit(request.seed, 0x100 + number) < p1) return candidates;
      if (sticky.length === 0 || others.length === 0) return candidates;
      const best = (group: readonly ModelEndpoint[]): number => Math.min(...group.map(({ tokens }) => tokens));
      const penaltyMs = ((best(sticky) - best(others)) / p3) * 1000;
      return penaltyMs > p2 ? candidates : sticky;
    }
    case "utilization": {
      const kept = candidates.filter(({ requests, running, queue, usage }) => {
        const usageMax = Math.fround(p3);
        return requests <= p0 && (running ?? 0) <= p1 && (queue ?? 0) <= p2 && Math.fround(usage ?? 0) <= usageMax;
      });
      return p4 === 1 ? orAll(kept) : kept;
    }
    case "attribute": {
      const kept = candidates.filter(({ attributes }) => {
        const value = attributes[column];
        if (value === undefined) return p2 === 1;
        return [value < p1, value <= p1, value > p1, value >= p1, value === p1][p0];
      });
      return p3 === 1 ? orAll(kept) : kept;
    }
    case "contextLength":
      return candidates.filter(({ attributes }) => {
        const [least, most] = [attributes[column], attributes[operand]];
        if (least === undefined && most === undefined) return true;
        if (least === undefined || most === undefined) return false;
        return least <= request.promptTokens && request.promptTokens <= most;
      });
    case "belowUtilization":
      return orAll(
        candidates.filter(({ ageMs, queue, usage }) => {
          if (ageMs > p2 || queue === undefined || usage === undefined) return false;
          return queue < p0 * (1 + p3) && Math.fround(usage) < Math.fround(p1 * (1 + p3));
        }),
      );
    case "belowConcurrency":
      return candidates.filter(({ requests, tokens }) => {
        const fewRequests = requests < p0 * (1 + p3);
        const fewTokens = tokens < p1 * (1 + p3);
        return [fewRequests, fewTokens, fewRequests && fewTokens][p2];
      });
    case "servesModel": {
      const { model } = request;
      if (model === undefined) return candidates;
      return candidates.filter(({ models, adapters }) => {
        if (models === undefined || models.includes(model)) return true;
        return adapters?.running.includes(model) === true || adapters?.waiting.includes(model) === true;
      });
    }
    case "healthy":
      return orAll(candidates.filter(({ isReachable, isFresh }) => isReachable && isFresh));
    case "custom":
      throw new Error("the model runs no custom filter");
  }
}

function score(
  program: ModelProgram<ScorerOp>,
  candidates: readonly ModelEndpoint[],
  request: ModelRequest,
  coldOrder: readonly number[],
): number[] {
  const { op, parameters, mask, column, operand } = program;
  const [p0 = 0, p1 = 0, p2 = 0, p3 = 0] = parameters;
  const each = (rule: (endpoint: ModelEndpoint) => number | undefined): (number | undefined)[] => candidates.map(rule);
  switch (op) {
    case "queueDepth":
      return meanForUnknown(fewestFirst(each(({ queue, surplus }) => loadNow(queue, surplus))));
    case "runningRequests":
      return meanForUnknown(fewestFirst(each(({ running, surplus }) => loadNow(running, surplus))));
    case "kvCacheUtilization":
      return meanForUnknown(each(({ usage }) => (usage === undefined ? undefined : 1 - Math.fround(usage))));
    case "prefixCache":
      return candidates.map(({ matched }) => {
        if (request.blockCount === 0 || matched === 0) return 0;
        const share = matched / request.blockCount;
        if (p0 === 0) return share;
        const length = Math.min(1, (matched * request.blockTokens) / p1);
        return p0 * length * length + (1 - p0) * share;
      });
    case "loraAffinity":
      return meanForUnknown(
        each(({ adapters, isFresh }) => {
          if (adapters === undefined || !isFresh) return undefined;
          const { running, waiting, loadedMax } = adapters;
          if (request.model !== undefined && running.includes(request.model)) return 1;
          if (running.length + waiting.length < loadedMax) return 0.8;
          return request.model !== undefined && waiting.includes(request.model) ? 0.6 : 0;
        }),
      );
    case "loadAware":
      return meanForUnknown(
        each(({ queue, surplus }) => {
          const load = loadNow(queue, surplus);
          if (load === undefined) return undefined;
          return load === 0 ? 0.5 : 0.5 * (1 - Math.min(load, p0) / p0);
        }),
      );
    case "activeRequest": {
      const most = Math.max(...candidates.map(({ requests }) => requests));
      return candidates.map(({ requests }) => (requests <= p0 ? 1 : ((most - requests) / most) * p1));
    }
    case "tokenLoad":
      return candidates.map(({ tokens, matched }) => {
        const load = tokens + request.uncachedTokens(matched);
        return load <= 0 ? 1 : 1 - Math.min(load, p0) / p0;
      });
    case "noHitLru":
      return coldScores(candidates, request, coldOrder.slice(p0 > 0 ? -p0 : 0));
    case "requestMask":
      return candidates.map(({ slot }) => (request.masks[mask]?.includes(slot) === true ? 1 : 0));
    case "session":
      return candidates.map(({ slot }) => (slot === request.bound[operand] ? 1 : 0));
    case "contextLength":
      return candidates.map(({ attributes }) => fitOf(request.promptTokens, attributes[column], attributes[operand]));
    case "attribute":
      return attributeScores(
        each(({ attributes }) => attributes[column]),
        { prefersHigh: p0 === 1, fixed: p1 === 1 ? [p2, p3] : undefined },
      );
    case "custom":
      throw new Error("the model runs no custom scorer");
  }
}

/** What was scraped, and what was sent since. */
function loadNow(scraped: number | undefined, surplus: number): number | undefined {
  return scraped === undefined ? undefined : Math.fround(scraped) + Math.max(0, surplus);
}

function fewestFirst(loads: readonly (number | undefined)[]): (number | undefined)[] {
  const known = loads.filter((load) => load !== undefined);
  const [min, max] = [Math.min(...known), Math.max(...known)];
  return loads.map((load) => {
    if (load === undefined) return undefined;
    return max === min ? 1 : (max - load) / (max - min);
  });
}

function meanForUnknown(scores: readonly (number | undefined)[]): number[] {
  const known = scores.filter((one) => one !== undefined);
  const mean = known.length === 0 ? 1 : known.reduce((sum, one) => sum + one, 0) / known.length;
  return scores.map((one) => one ?? mean);
}

function coldScores(
  candidates: readonly ModelEndpoint[],
  { seed }: ModelRequest,
  coldOrder: readonly number[],
): number[] {
  if (candidates.some(({ matched }) => matched > 0)) return candidates.map(() => 0.5);
  if (candidates.length === 1) return [1];
  const last = candidates.length - 1;
  const fresh = candidates.flatMap(({ slot }, position) => (coldOrder.includes(slot) ? [] : [position]));
  for (let i = fresh.length; i > 1; i--) {
    const other = drawAmong(seed, 0x1000 + i, i);
    [fresh[other], fresh[i - 1]] = [fresh[i - 1] as number, fresh[other] as number];
  }
  return candidates.map(({ slot }, position) => {
    const place = fresh.indexOf(position);
    if (place >= 0) return 1 - place / last;
    return Math.max(0, 1 - (fresh.length + coldOrder.indexOf(slot)) / last);
  });
}

function fitOf(tokens: number, least: number | undefined, most: number | undefined): number {
  if (least === undefined && most === undefined) return 0.5;
  if (least === undefined || most === undefined || most < least) return 0;
  const width = most - least;
  if (tokens < least) return 0.3 / (1 + (least - tokens) / 1000);
  if (tokens > most) return 0.3 / (1 + (tokens - most) / 1000);
  if (width === 0) return 1;
  return 0.3 + 0.7 * (0.7 / (1 + width / 10_000) + (0.3 * (most - tokens)) / width);
}

function attributeScores(
  values: readonly (number | undefined)[],
  { prefersHigh, fixed }: { prefersHigh: boolean; fixed: readonly [number, number] | undefined },
): number[] {
  const known = values.filter((value) => value !== undefined);
  const [min, max] = fixed ?? [Math.min(...known), Math.max(...known)];
  return values.map((value) => {
    if (value === undefined) return 0;
    if (max <= min) return 1;
    const share = prefersHigh ? (value - min) / (max - min) : (max - value) / (max - min);
    return Math.min(1, Math.max(0, share));
  });
}

/** Slots, the picked one first. */
function choose(
  { picker, targetsMax }: ModelProfile,
  candidates: readonly ModelEndpoint[],
  totals: readonly number[],
  seed: bigint,
): number[] {
  const places = candidates.map(({ slot }, position) => {
    const total = totals[position] as number;
    if (picker === "maxScore") return total;
    if (picker === "random") return Number(drawBits(seed, 0x10000 + slot) >> 11n);
    // ln(U^(1/total)): in the same order as the keys themselves, and never out of range.
    return total > 0 ? Math.log(drawUnit(seed, 0x10000 + slot)) / total : Number.NEGATIVE_INFINITY;
  });
  const left = candidates.map(({ slot }, position) => ({ slot, place: places[position] as number }));
  const chosen: number[] = [];
  for (let i = 0; i < Math.min(targetsMax, candidates.length); i++) {
    const best = Math.max(...left.map(({ place }) => place));
    const tied = left.filter(({ place }) => place === best);
    const [taken] = tied.slice(drawAmong(seed + BigInt(i), 0, tied.length));
    if (taken === undefined) throw new Error("the model chose nothing");
    left.splice(left.indexOf(taken), 1);
    chosen.push(taken.slot);
  }
  return chosen;
}
