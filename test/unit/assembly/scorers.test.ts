/**
 * Scorers, weights and totals against the plain model of `decision-model.ts`, over random fleets.
 *
 * Strategy: fleets of 1 to 1,024 endpoints in scattered slots; values known, unknown, stale or exactly as old as the
 * limit; unreachable endpoints, sometimes all of them; requests in flight from two shards; 0 to 16 scorers with weights
 * of any sign; prompts of which some endpoints hold a part. Invariant: scores, totals, ties and the pick equal the
 * model's, bit for bit.
 */
import { describe, expect, it } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { EndpointColumns } from "../../../src/wasm/endpoint-columns.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { PolicyTable, SCORER_OPS } from "../../../src/wasm/policies.ts";
import { ShardMemory } from "../../../src/wasm/shard-memory.ts";
import { type ModelCandidate, type ModelScorer, modelDecision } from "../../support/decision-model.ts";
import { BLOCK_SIZE, endpoint, NOW_MS, STALE_MS, testFleet, testPolicy } from "../../support/fleet.ts";
import { KERNEL_BUILDS, type KernelBuild, type TestKernel, testKernel } from "../../support/kernel.ts";
import { promptKeys, userText } from "../../support/prompt-keys.ts";

const BLOCK_TOKENS = BLOCK_SIZE / 4;
const SCORER_KINDS = ["queueDepth", "kvCacheUtilization", "prefixCache"] as const;
const WEIGHTS = [0, 0.5, 1, 2, 3, 7.25, -1, 1e6] as const;

interface RandomEndpoint extends ModelCandidate {
  readonly isReachable: boolean;
}

function oneOf<Item>(prng: Prng, items: readonly Item[]): Item {
  return items[prng.nextBelow(items.length)] as Item;
}

function randomScorers(prng: Prng): ModelScorer[] {
  return Array.from({ length: prng.nextBelow(5) === 0 ? prng.nextBelow(layout.SCORERS_MAX + 1) : 3 }, () => ({
    kind: oneOf(prng, SCORER_KINDS),
    weight: oneOf(prng, WEIGHTS),
    lengthWeight: oneOf(prng, [0, 0.25, 1]),
    scaleTokens: oneOf(prng, [64, 500, 8192]),
  }));
}

/** Slots in rising order: the first ones, or scattered ones. */
function randomSlots(prng: Prng): number[] {
  const count = oneOf(prng, [1, 2, 5, 64, 65, 200, layout.ENDPOINTS_MAX]);
  const slots = Array.from({ length: layout.ENDPOINTS_MAX }, (_, slot) => slot);
  if (prng.nextBelow(2) === 0) return slots.slice(0, count);
  for (let at = 0; at < count; at++) {
    const other = at + prng.nextBelow(slots.length - at);
    [slots[at], slots[other]] = [slots[other] as number, slots[at] as number];
  }
  return slots.slice(0, count).toSorted((one, other) => one - other);
}

/** A kernel whose fleet is made anew for each round. */
class Bench {
  readonly kernel: TestKernel;
  readonly shard: ShardMemory;
  readonly #columns: EndpointColumns;
  readonly #policies: PolicyTable;
  #present: number[] = [];

  constructor(build: KernelBuild) {
    this.kernel = testKernel(build, { shardCount: 2, streamWindowCount: 1, indexSlotsLog2: 12 });
    this.shard = new ShardMemory(this.kernel.memory, this.kernel.kernel, 1);
    this.#columns = new EndpointColumns(this.kernel.memory);
    this.#policies = new PolicyTable(this.kernel.memory);
  }

  publish(scorers: readonly ModelScorer[]): number {
    const programs = scorers.map(({ kind, weight, lengthWeight, scaleTokens }) => ({
      program: { op: SCORER_OPS[kind], parameters: [lengthWeight ?? 0, scaleTokens ?? 1] },
      weight,
    }));
    const number = this.#policies.publish(testPolicy(programs));
    if (number === undefined) throw new Error("all policies are held");
    return number;
  }

  /** Replaces the fleet; endpoints hold random leading parts of the keys. */
  makeFleet(prng: Prng, keys: readonly bigint[]): RandomEndpoint[] {
    for (const slot of this.#present) this.#columns.remove(slot);
    for (const shard of [0, 1]) this.#inFlight(shard).fill(0);
    this.kernel.kernel.writerReset(4_096);
    this.#present = randomSlots(prng);
    const unreachableOf = oneOf(prng, [0, 3, 10]);
    return this.#present.map((slot) => this.#addEndpoint(prng, { slot, keys, unreachableOf }));
  }

  column(base: number, length: number): number[] {
    return [...new Float64Array(this.kernel.memory.buffer, this.kernel.shardBase(1) + base, length)];
  }

  #addEndpoint(
    prng: Prng,
    { slot, keys, unreachableOf }: { slot: number; keys: readonly bigint[]; unreachableOf: number },
  ): RandomEndpoint {
    this.#columns.add(slot, "10.0.0.1:80");
    // 0: none can be reached. 3, 10: one in so many cannot.
    const isReachable = unreachableOf !== 0 && prng.nextBelow(unreachableOf) > 0;
    if (!isReachable) this.#columns.setReachable(slot, false);
    const queueDepthRequests = prng.nextBelow(6) === 0 ? undefined : prng.nextBelow(oneOf(prng, [1, 4, 1000]));
    const kvCacheUsageFraction = prng.nextBelow(6) === 0 ? undefined : prng.nextBelow(1200) / 1000;
    const ageMs = oneOf(prng, [0, 1, STALE_MS, STALE_MS, STALE_MS + 0.5, 10 * STALE_MS]);
    const inFlightAtScrape = prng.nextBelow(4);
    this.#columns.setScraped(slot, {
      queueDepthRequests,
      runningRequests: 0,
      kvCacheUsageFraction,
      inFlightAtScrape,
      scrapedAtMs: NOW_MS - ageMs,
    });
    const inFlight = [0, 1].map((shard) => (this.#inFlight(shard)[slot] = prng.nextBelow(4)));
    const isFresh = ageMs <= STALE_MS;
    return {
      slot,
      isReachable,
      queueDepthRequests: isFresh ? queueDepthRequests : undefined,
      kvCacheUsageFraction: isFresh ? kvCacheUsageFraction : undefined,
      surplus: (inFlight[0] ?? 0) + (inFlight[1] ?? 0) - inFlightAtScrape,
      matchedBlocks: prng.nextBelow(8) === 0 ? this.#hold(slot, keys.slice(0, prng.nextBelow(keys.length + 1))) : 0,
    };
  }

  #inFlight(shard: number): Uint32Array {
    const at = this.kernel.shardBase(shard) + layout.SHARD_IN_FLIGHT_REQUESTS;
    return new Uint32Array(this.kernel.memory.buffer, at, layout.ENDPOINTS_MAX);
  }

  /** How many of the keys the index took. */
  #hold(slot: number, keys: readonly bigint[]): number {
    const source = this.kernel.shardBase(1) + layout.KEYS;
    new BigUint64Array(this.kernel.memory.buffer, source, keys.length).set(keys);
    this.kernel.kernel.raiseEpoch();
    return this.kernel.kernel.storeBlocks(slot, source, keys.length);
  }
}

describe.each([
  [KERNEL_BUILDS[0], 120],
  [KERNEL_BUILDS[1], 300],
] as const)("decisions over random fleets (%s build)", (build, rounds) => {
  it(`scores, totals, ties and picks equal the plain model's in ${rounds} rounds`, () => {
    const seed = 20_261_123;
    const prng = new Prng(seed);
    const bench = new Bench(build);
    let executed = 0;
    let withUnreachableOnly = 0;
    for (; executed < rounds; executed++) {
      const note = `seed ${seed} round ${executed}`;
      const prompt = `${executed} `.repeat(prng.nextBelow(900));
      const keys = promptKeys({ prompt: userText(prompt) }, BLOCK_SIZE);
      const scorers = randomScorers(prng);
      const policy = bench.publish(scorers);
      const fleet = bench.makeFleet(prng, keys);
      const hasPrompt = prng.nextBelow(4) > 0;
      const window = hasPrompt ? scan(bench.shard, prompt, policy) : undefined;
      const [seedLow, seedHigh] = [prng.nextU32(), prng.nextU32()];
      const request = { window, policy, seedLow, seedHigh };

      const reachable = fleet.filter(({ isReachable }) => isReachable);
      const candidates = reachable.length > 0 ? reachable : fleet;
      if (reachable.length === 0) withUnreachableOnly++;
      const blockCount = hasPrompt ? keys.length : 0;
      const expected = modelDecision(candidates, scorers, {
        blockCount,
        blockTokens: BLOCK_TOKENS,
        seed: (BigInt(seedHigh) << 32n) | BigInt(seedLow),
      });

      const picked = bench.shard.decide([request], NOW_MS, { withScores: true })[0];
      const scores = scorers.map((_, index) =>
        bench.column(layout.SCORES + index * layout.SCORES_STRIDE, candidates.length),
      );
      expect(scores, note).toEqual(expected.scores);
      expect(bench.column(layout.TOTALS, candidates.length), note).toEqual(expected.totals);
      const position = candidates.findIndex(({ slot }) => slot === expected.pickedSlot);
      expect(picked, note).toMatchObject({
        slot: expected.pickedSlot,
        tieCount: expected.tieCount,
        candidateCount: candidates.length,
        blockCount,
        matchedBlocks: hasPrompt ? candidates[position]?.matchedBlocks : 0,
        total: expected.totals[position],
        scores: expected.scores.map((column) => column[position]),
      });
      if (window !== undefined) bench.shard.releaseWindow(window);
    }
    expect(executed).toBe(rounds);
    expect(withUnreachableOnly).toBeGreaterThan(rounds / 20);
  });
});

function scan(shard: ShardMemory, prompt: string, policy: number): number {
  const window = shard.acquireWindow(layout.API_OPENAI_CHAT, policy);
  if (window === undefined) throw new Error("no window is free");
  const body = JSON.stringify({ model: "test-model", messages: [{ role: "user", content: prompt }] });
  expect(shard.feed(window, Buffer.from(body), true)).toBeUndefined();
  return window;
}

describe.each(KERNEL_BUILDS)("weights (%s build)", (build) => {
  const queue = { op: SCORER_OPS.queueDepth };
  const cache = { op: SCORER_OPS.kvCacheUtilization };
  /** Endpoint 0 has the shorter queue, endpoint 1 the emptier cache: scores (1, 0.25) and (0, 1). */
  const endpoints = [
    endpoint({ queueDepthRequests: 0, kvCacheUsageFraction: 0.75 }),
    endpoint({ queueDepthRequests: 8, kvCacheUsageFraction: 0 }),
  ];

  // Worked out by hand: total = w₀ × queue + w₁ × cache.
  it.each([
    { weights: [1, 1], slot: 0, total: 1.25 },
    { weights: [2, 3], slot: 1, total: 3 },
    { weights: [0, 1], slot: 1, total: 1 },
    { weights: [1, 0], slot: 0, total: 1 },
    { weights: [-1, 0.5], slot: 1, total: 0.5 },
    { weights: [0.5, 0.25], slot: 0, total: 0.5625 },
  ])("weights $weights pick endpoint $slot with a total of $total", ({ weights, slot, total }) => {
    const scorers = [queue, cache].map((program, index) => ({ program, weight: weights[index] ?? 0 }));
    const picked = testFleet(build, endpoints, scorers).pick();
    expect(picked).toMatchObject({ slot, total, scores: slot === 0 ? [1, 0.25] : [0, 1] });
  });

  it("scores are clamped to [0, 1] in totals and reported as they are", () => {
    const fleet = testFleet(build, [endpoint({ kvCacheUsageFraction: 3 })], [{ program: cache, weight: 4 }]);
    expect(fleet.pick()).toMatchObject({ total: 0, scores: [-2] });
  });

  it("a profile without scorers draws among all candidates", () => {
    const fleet = testFleet(build, endpoints, []);
    expect(fleet.pick()).toMatchObject({ total: 0, tieCount: 2, scores: [] });
  });

  it("one scorer may be listed several times, each with its weight", () => {
    const scorers = Array.from({ length: layout.SCORERS_MAX }, () => ({ program: queue, weight: 0.5 }));
    expect(testFleet(build, endpoints, scorers).pick()).toMatchObject({
      slot: 0,
      total: 8,
      scores: scorers.map(() => 1),
    });
  });
});
