/** A fleet in a kernel of its own, for tests of decisions: endpoints by their load, prompts by their bytes. */
import { AttributeColumns } from "../../src/wasm/attribute-columns.ts";
import { EndpointColumns } from "../../src/wasm/endpoint-columns.ts";
import { type Adapters, EndpointNames } from "../../src/wasm/endpoint-names.ts";
import { layout } from "../../src/wasm/layout.ts";
import {
  PICKER_OPS,
  type PolicyProgram,
  PolicyTable,
  type ProfileProgram,
  type WeightedProgram,
} from "../../src/wasm/policies.ts";
import { PolicyMasks } from "../../src/wasm/policy-masks.ts";
import type { MemoryShape } from "../../src/wasm/regions.ts";
import { type Decided, type Pick, type PickRequest, ShardMemory } from "../../src/wasm/shard-memory.ts";
import { ASSETS_DEFAULT } from "./asset-tokens.ts";
import { type KernelBuild, type TestKernel, testKernel } from "./kernel.ts";

/** What is known of an endpoint. Absent: never scraped. */
export interface EndpointLoad {
  readonly queueDepthRequests?: number;
  readonly kvCacheUsageFraction?: number;
  readonly runningRequests?: number;
  readonly scrapedAtMs?: number;
  readonly isReachable?: boolean;
  readonly isBackedOff?: boolean;
  /** On shard 0, and not in flight when the endpoint was scraped. */
  readonly inFlightRequests?: number;
  readonly inFlightTokens?: number;
  readonly adapters?: Adapters;
  readonly servedModels?: readonly string[];
  /** By column. */
  readonly attributeColumns?: readonly number[];
  /** Label masks of the fleet's first policy that it belongs to. */
  readonly labelMasks?: readonly number[];
}

/** An endpoint for a test: idle and just scraped, but for what is given. */
export function endpoint(load: EndpointLoad = {}): EndpointLoad {
  return { queueDepthRequests: 0, kvCacheUsageFraction: 0, scrapedAtMs: NOW_MS, ...load };
}

/** An endpoint that nothing is known of. */
export const unknownEndpoint: EndpointLoad = {};

/** "Now" of decisions in tests. */
export const NOW_MS = 1_000_000;
export const STALE_MS = 2_000;
export const BLOCK_SIZE = 256;
/** Enough for any test, and quicker to ready than all of them. */
const HOLDER_SETS_MAX = 1_024;

/** Changes to a policy of one profile, for tests. */
export type PolicyChanges = Partial<PolicyProgram & ProfileProgram>;

export interface DecideOptions {
  readonly shard?: number;
  readonly nowMs?: number;
  readonly withScores?: boolean;
}

export interface TestFleet extends TestKernel {
  readonly shards: readonly ShardMemory[];
  readonly columns: EndpointColumns;
  /** Slots of the last pick's candidates on shard 0, after the filters. */
  candidates(pick: Pick | undefined): number[];
  /**
   * Scores of each endpoint by the only scorer, in the order of the endpoints, for a request without a prompt or a
   * window's.
   */
  scores(window?: number): number[];
  /** Scans a chat body on shard 0 and returns its window. */
  scan(prompt: string, options?: { model?: string; shard?: number }): number;
  /** Scans any body, as it stands. */
  scanBody(body: string, options?: { api?: number; shard?: number }): number;
  /** Decides a window's request on shard 0, releases the pick, and returns the keys of its prompt. */
  keys(window: number): bigint[];
  /** Lets an endpoint hold these keys, as if the index writer had been told. */
  hold(slot: number, keys: readonly bigint[]): void;
  /** Publishes a further policy of these scorers and returns its number. */
  publish(scorers: readonly WeightedProgram[], policy?: PolicyChanges): number;
  request(window?: number, seed?: number): PickRequest;
  /** Decides a batch on shard 0 or another one; undefined where no endpoint was picked. */
  decide(requests: readonly PickRequest[], options?: DecideOptions): (Pick | undefined)[];
  pick(window?: number, options?: DecideOptions & { readonly seed?: number }): Pick | undefined;
}

/** A fleet of these endpoints, in slots 0, 1, …, under a policy of these scorers. */
export function testFleet(
  build: KernelBuild,
  endpoints: readonly EndpointLoad[],
  scorers: readonly WeightedProgram[],
  options: { readonly shape?: Partial<MemoryShape>; readonly policy?: PolicyChanges } = {},
): TestFleet {
  const kernel = testKernel(build, options.shape);
  const shardCount = options.shape?.shardCount ?? 1;
  const shards = Array.from({ length: shardCount }, (_, shard) => new ShardMemory(kernel.memory, kernel.kernel, shard));
  const columns = new EndpointColumns(kernel.memory);
  for (const [slot, load] of endpoints.entries()) addEndpoint(kernel, columns, slot, load);
  const policies = new PolicyTable(kernel.memory);
  const publish: TestFleet["publish"] = (scored, changes) => {
    const number = policies.publish(testPolicy(scored, { ...options.policy, ...changes }));
    if (number === undefined) throw new Error("all policies are held");
    return number;
  };
  const policy = publish(scorers);
  const shardOf = (shard = 0): ShardMemory => {
    const memory = shards[shard];
    if (memory === undefined) throw new Error(`the test fleet has no shard ${shard}`);
    return memory;
  };
  const request = (window?: number, seed = 1): PickRequest => ({ window, policy, seedLow: seed, seedHigh: 0 });
  const decide: TestFleet["decide"] = (requests, { shard, nowMs = NOW_MS, withScores = true } = {}) =>
    shardOf(shard).decide(requests, nowMs, { withScores }).map(picked);
  const pickAndRelease = (window?: number): Pick => {
    const [pick] = decide([request(window)]);
    if (pick === undefined) throw new Error("no endpoint was picked");
    shardOf().release(pick);
    return pick;
  };
  const scanBody: TestFleet["scanBody"] = (body, { api = layout.API_OPENAI_CHAT, shard = 0 } = {}) => {
    const window = shardOf(shard).acquireWindow(api, policy);
    if (window === undefined) throw new Error("the test fleet has no free window");
    const fault = shardOf(shard).feed(window, Buffer.from(body), true);
    if (fault !== undefined) throw new Error(`the scanner refused a test body: ${JSON.stringify(fault)}`);
    return window;
  };
  let isIndexReady = false;
  return {
    ...kernel,
    shards,
    columns,
    request,
    scanBody,
    publish,
    candidates(pick) {
      const base = kernel.shardBase(0) + layout.CANDIDATE_SLOTS;
      return [...new Uint16Array(kernel.memory.buffer, base, pick?.candidateCount ?? 0)];
    },
    scores(window) {
      pickAndRelease(window);
      const scores = new Float64Array(kernel.memory.buffer, kernel.shardBase(0) + layout.SCORES, endpoints.length);
      return [...scores];
    },
    scan(prompt, { model = "test-model", shard = 0 } = {}) {
      return scanBody(JSON.stringify({ model, messages: [{ role: "user", content: prompt }] }), { shard });
    },
    keys(window) {
      const { blockCount } = pickAndRelease(window);
      return [...new BigUint64Array(kernel.memory.buffer, kernel.shardBase(0) + layout.KEYS, blockCount)];
    },
    hold(slot, keys) {
      if (!isIndexReady) kernel.kernel.writerReset(HOLDER_SETS_MAX);
      isIndexReady = true;
      const source = kernel.shardBase(0) + layout.KEYS;
      new BigUint64Array(kernel.memory.buffer, source, keys.length).set(keys);
      const stored = kernel.kernel.storeBlocks(slot, source, keys.length);
      if (stored !== keys.length) throw new Error(`the test index took ${stored} of ${keys.length} keys`);
    },
    decide,
    pick: (window, { seed, ...decideOptions } = {}) => decide([request(window, seed)], decideOptions)[0],
  };
}

/** A policy of one profile with these scorers. */
export function testPolicy(scorers: readonly WeightedProgram[], changes: PolicyChanges = {}): PolicyProgram {
  const { filters = [], picker = PICKER_OPS.maxScore, targetsMax = 1, ...policy } = changes;
  return {
    blockSize: BLOCK_SIZE,
    blocksMax: layout.BLOCKS_MAX,
    tokenSize: 4,
    staleMs: STALE_MS,
    outputRatio: 0,
    outputTokensMax: 0,
    ...ASSETS_DEFAULT,
    detector: undefined,
    profiles: [{ filters, scorers, picker, targetsMax }],
    ...policy,
  };
}

/** The pick, undefined for a request that found no endpoint. */
function picked(decided: Decided): Pick | undefined {
  return decided.kind === "picked" ? decided : undefined;
}

function addEndpoint(kernel: TestKernel, columns: EndpointColumns, slot: number, load: EndpointLoad): void {
  columns.add(slot, `10.0.${slot >> 8}.${slot & 255}:8000`);
  if (load.isReachable === false) columns.setReachable(slot, false);
  if (load.isBackedOff === true) columns.setBackedOff(slot, true);
  addExtras(kernel, slot, load);
  if (load.scrapedAtMs === undefined) return;
  columns.setScraped(slot, {
    queueDepthRequests: load.queueDepthRequests,
    runningRequests: load.runningRequests ?? 0,
    kvCacheUsageFraction: load.kvCacheUsageFraction,
    inFlightAtScrape: 0,
    scrapedAtMs: load.scrapedAtMs,
  });
}

function addExtras({ kernel, memory, view, shardBase }: TestKernel, slot: number, load: EndpointLoad): void {
  view.setUint32(shardBase(0) + layout.SHARD_IN_FLIGHT_REQUESTS + slot * 4, load.inFlightRequests ?? 0, true);
  view.setUint32(shardBase(0) + layout.SHARD_IN_FLIGHT_TOKENS + slot * 4, load.inFlightTokens ?? 0, true);
  const names = new EndpointNames(memory, kernel);
  if (load.adapters !== undefined) names.setAdapters(slot, load.adapters);
  if (load.servedModels !== undefined) names.setServedModels(slot, load.servedModels);
  const attributes = new AttributeColumns(memory, kernel);
  for (const [column, value] of (load.attributeColumns ?? []).entries()) attributes.set(column, slot, value);
  const masks = new PolicyMasks(memory);
  for (const mask of load.labelMasks ?? []) masks.set(0, mask, slot, true);
}
