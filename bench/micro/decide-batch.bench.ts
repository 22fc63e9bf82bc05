/**
 * What a decision costs once a prompt is hashed: chaining, match, filters, scorers, pick, charge and the record for the
 * index writer. Endpoints differ in load and hold different shares of the prompt; the ring's tail follows its head, as
 * with an index writer that keeps up. One baseline does the same on Maps, Sets and objects, with the keys given to it;
 * the other decides the same requests one by one in the kernel.
 */
import { Prng } from "../../src/base/prng.ts";
import { kvCacheUtilizationScorer } from "../../src/plugins/scorers/kv-cache-utilization.ts";
import { prefixCacheScorer } from "../../src/plugins/scorers/prefix-cache.ts";
import { queueDepthScorer } from "../../src/plugins/scorers/queue-depth.ts";
import { IndexWriter } from "../../src/wasm/index-writer.ts";
import { layout } from "../../src/wasm/layout.ts";
import { FILTER_OPS, SCORER_OPS } from "../../src/wasm/policies.ts";
import { PolicyMasks } from "../../src/wasm/policy-masks.ts";
import type { Pick } from "../../src/wasm/shard-memory.ts";
import { BLOCK_SIZE, endpoint, type TestFleet, testFleet } from "../../test/support/fleet.ts";
import { scorerProgram } from "../../test/support/plugins.ts";
import type { BenchSize, MicroBench, MicroBenchCase } from "../harness.ts";

const SCORERS = [
  { program: scorerProgram(queueDepthScorer, {}), weight: 2 },
  { program: scorerProgram(kvCacheUtilizationScorer, {}), weight: 2 },
  { program: scorerProgram(prefixCacheScorer, { matchLengthWeight: 0, matchLengthScaleTokens: 8192 }), weight: 3 },
];

/** The same, by load in flight as well, and only endpoints that a label and their utilization allow. */
const FULL_SCORERS = [...SCORERS, { program: { op: SCORER_OPS.activeRequest, parameters: [0, 1] }, weight: 1 }];
const FULL_FILTERS = [
  { op: FILTER_OPS.labels, mask: 0 },
  { op: FILTER_OPS.utilization, parameters: [1000, 1000, 15, 0.95, 1] },
];

interface Shape {
  readonly endpoints: number;
  readonly blocks: number;
  readonly batch: number;
  /** Two filters and four scorers instead of three scorers. */
  readonly isFull?: boolean;
  readonly baseline?: "one by one";
  readonly target?: { readonly text: string; readonly maxNs: number };
}

const SHAPES: readonly Shape[] = [
  { endpoints: 100, blocks: 16, batch: 1, target: { text: "≤ 5 µs", maxNs: 5_000 } },
  { endpoints: 100, blocks: 16, batch: 64, target: { text: "≤ 3 µs", maxNs: 3_000 } },
  { endpoints: 100, blocks: 64, batch: 1, target: { text: "≤ 5 µs", maxNs: 5_000 } },
  { endpoints: 100, blocks: 64, batch: 64, target: { text: "≤ 3 µs", maxNs: 3_000 } },
  { endpoints: 100, blocks: 1758, batch: 1 },
  { endpoints: 8, blocks: 64, batch: 64 },
  { endpoints: 512, blocks: 64, batch: 64 },
  ...[1, 8, 64, 256].flatMap((batch): Shape[] => [
    { isFull: true, endpoints: 100, blocks: 64, batch, target: { text: "≤ 4 µs", maxNs: 4_000 } },
    { isFull: true, endpoints: 1000, blocks: 64, batch, target: { text: "≤ 25 µs", maxNs: 25_000 } },
  ]),
  { isFull: true, endpoints: 100, blocks: 64, batch: 8, baseline: "one by one" },
  { isFull: true, endpoints: 1000, blocks: 64, batch: 8, baseline: "one by one" },
];

export const decideBatchBench: MicroBench = {
  name: "decide-batch",
  unit: "pick",
  cases: (size, seed) => shapesOf(size).map((shape) => decideCase(shape, seed)),
};

function shapesOf(size: BenchSize): readonly Shape[] {
  return size === "large" ? SHAPES : [...SHAPES.slice(0, 4), ...SHAPES.slice(-2)];
}

function decideCase(shape: Shape, seed: number): MicroBenchCase {
  const { fleet, windows, loads } = prepare(shape, seed);
  const [shard] = fleet.shards;
  if (shard === undefined) throw new Error("the bench needs a shard");
  const requests = windows.map((window, index) => fleet.request(window, seed + index));
  const head = new Uint32Array(fleet.memory.buffer, fleet.shardBase(0) + layout.SHARD_RING_HEAD, 1);
  const tail = new Uint32Array(fleet.memory.buffer, layout.INDEX + layout.INDEX_RING_TAIL, 1);
  const decideAll = (): (Pick | undefined)[] => {
    const picks = fleet.decide(requests, { withScores: false });
    for (const pick of picks) if (pick !== undefined) shard.release(pick);
    tail[0] = head[0] ?? 0;
    return picks;
  };
  const keys = windows.map((window) => readKeys(fleet, window));
  const plain = new PlainScheduler(loads, shape, keys[0] ?? []);
  const decideOneByOne = (): void => {
    for (const request of requests) {
      const [pick] = fleet.decide([request], { withScores: false });
      if (pick !== undefined) shard.release(pick);
    }
    tail[0] = head[0] ?? 0;
  };
  const profile = shape.isFull === true ? "2 filters, 4 scorers" : "3 scorers";
  const prompt = `${shape.blocks} blocks (${(shape.blocks * BLOCK_SIZE) / 1024} KiB)`;
  return {
    label: `${shape.endpoints} endpoints, ${profile}, ${prompt}, batch of ${shape.batch}`,
    operationsPerCall: shape.batch,
    ...(shape.target && {
      target: { text: shape.target.text, met: ({ p50Ns }) => p50Ns <= (shape.target?.maxNs ?? 0) },
    }),
    kernel: decideAll,
    baseline:
      shape.baseline === "one by one"
        ? decideOneByOne
        : () => {
            for (const promptKeys of keys) plain.decide(promptKeys);
          },
    baselineName: shape.baseline ?? "Map of Sets, arrays",
    check: () => {
      // The first pick of a batch sees no charges, as the plain scheduler never does.
      const total = decideAll()[0]?.total ?? Number.NaN;
      const expected = plain.decide(keys[0] ?? []);
      if (Math.abs(total - expected) > 1e-6) throw new Error(`kernel total ${total}, plain total ${expected}`);
      return total.toFixed(6);
    },
  };
}

/**
 * A fleet of which every fourth endpoint holds the prompt to one of four depths, and `batch` windows with that prompt.
 */
function prepare(shape: Shape, seed: number): { fleet: TestFleet; windows: number[]; loads: PlainLoad[] } {
  const prng = new Prng(seed);
  const loads = Array.from({ length: shape.endpoints }, (_, slot) => ({
    // Exact in 32 bits, so that kernel and baseline see the same number.
    queueDepthRequests: prng.nextBelow(20),
    kvCacheUsageFraction: prng.nextBelow(256) / 256,
    depth: slot % 4 === 0 ? Math.ceil((shape.blocks * (1 + prng.nextBelow(4))) / 4) : 0,
    hasLabel: slot % 10 !== 9,
  }));
  const fleet = testFleet("release", loads.map(endpoint), shape.isFull === true ? FULL_SCORERS : SCORERS, {
    shape: { streamWindowCount: Math.max(64, shape.batch) },
    policy: { filters: shape.isFull === true ? FULL_FILTERS : [] },
  });
  const masks = new PolicyMasks(fleet.memory);
  for (const [slot, { hasLabel }] of loads.entries()) masks.set(fleet.request().policy, 0, slot, hasLabel);
  const prompt = Array.from({ length: shape.blocks * BLOCK_SIZE }, () =>
    String.fromCharCode(97 + prng.nextBelow(26)),
  ).join("");
  const text = prompt.slice("user".length);
  const windows = Array.from({ length: shape.batch }, () => fleet.scan(text));
  fillIndex(fleet, windows[0] ?? 0, loads);
  return { fleet, windows, loads };
}

function fillIndex(fleet: TestFleet, window: number, loads: readonly PlainLoad[]): void {
  const writer = new IndexWriter({ memory: fleet.memory, lanes: { blocksPerEndpoint: 4096, blocksTotal: 1 << 20 } });
  const { at } = chainKeys(fleet, window);
  for (const [slot, { depth }] of loads.entries()) {
    if (depth > 0) fleet.kernel.ringPush(fleet.shardBase(0), slot, 1, at, depth);
    writer.drain();
  }
  while (writer.drain() > 0);
}

/** Decides once without lasting effect, which leaves the chained keys in the shard's scratch. */
function chainKeys(fleet: TestFleet, window: number): { readonly at: number; readonly count: number } {
  const pick = fleet.pick(window);
  if (pick === undefined) throw new Error("no endpoint was picked");
  fleet.shards[0]?.release(pick);
  const head = new Uint32Array(fleet.memory.buffer, fleet.shardBase(0) + layout.SHARD_RING_HEAD, 1);
  new Uint32Array(fleet.memory.buffer, layout.INDEX + layout.INDEX_RING_TAIL, 1)[0] = head[0] ?? 0;
  return { at: fleet.shardBase(0) + layout.KEYS, count: pick.blockCount };
}

function readKeys(fleet: TestFleet, window: number): bigint[] {
  const { at, count } = chainKeys(fleet, window);
  return [...new BigUint64Array(fleet.memory.buffer, at, count)];
}

interface PlainLoad {
  readonly queueDepthRequests: number;
  readonly kvCacheUsageFraction: number;
  /** Leading blocks of the prompt that the endpoint holds. */
  readonly depth: number;
  readonly hasLabel: boolean;
}

/** The same decision as one would first write it in JavaScript. */
class PlainScheduler {
  readonly #loads: readonly PlainLoad[];
  readonly #isFull: boolean;
  readonly #holders = new Map<bigint, Set<number>>();

  constructor(loads: readonly PlainLoad[], shape: Shape, keys: readonly bigint[]) {
    this.#loads = loads;
    this.#isFull = shape.isFull === true;
    for (let block = 0; block < shape.blocks; block++) {
      const holders = new Set(loads.flatMap(({ depth }, slot) => (depth > block ? [slot] : [])));
      if (holders.size > 0) this.#holders.set(keys[block] ?? 0n, holders);
    }
  }

  /** The best total. */
  decide(keys: readonly bigint[]): number {
    const depths = new Map<number, number>();
    for (const [index, key] of keys.entries()) {
      const holders = this.#holders.get(key);
      if (holders === undefined) break;
      for (const slot of holders) depths.set(slot, index + 1);
    }
    const candidates = this.#isFull ? this.#filter() : [...this.#loads.entries()];
    const queues = candidates.map(([, { queueDepthRequests }]) => queueDepthRequests);
    const max = Math.max(...queues);
    const range = max - Math.min(...queues);
    // Nothing is in flight when the first pick of a batch is made, so all are idle.
    const idle = this.#isFull ? 1 : 0;
    let best = Number.NEGATIVE_INFINITY;
    for (const [slot, load] of candidates) {
      const queue = range > 0 ? (max - load.queueDepthRequests) / range : 1;
      const prefix = (depths.get(slot) ?? 0) / keys.length;
      best = Math.max(best, 2 * queue + 2 * (1 - load.kvCacheUsageFraction) + 3 * prefix + idle);
    }
    return best;
  }

  #filter(): [number, PlainLoad][] {
    const labelled = [...this.#loads.entries()].filter(([, { hasLabel }]) => hasLabel);
    const free = labelled.filter(
      ([, { queueDepthRequests, kvCacheUsageFraction }]) => queueDepthRequests <= 15 && kvCacheUsageFraction <= 0.95,
    );
    return free.length > 0 ? free : labelled;
  }
}
