/**
 * Random profiles over random fleets, through definitions and kernel, against `plugin-model.ts`. Values come from small
 * sets, so that equal ones, limits that are just met, unknown ones and empty results are common. Invariants:
 *  - the filters leave what their rules leave, in the order of the profile;
 *  - each candidate's scores are those of the formulas;
 *  - the pick has the largest sum of them.
 */
import { describe, expect, it } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { BUILTIN_PLUGINS } from "../../../src/builtins.ts";
import type { Plugin } from "../../../src/framework/plugin.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { KERNEL_BUILDS } from "../../support/kernel.ts";
import { type BedEndpoint, part, pluginBed, promptOfTokens } from "../../support/plugin-bed.ts";
import {
  type ModelEndpoint,
  type ModelFilter,
  type ModelRequest,
  type ModelScorer,
  modelKept,
  modelScores,
  type Pool,
  scrapedAtMs,
} from "../../support/plugin-model.ts";

const SEED = 20_261_132;
const ROUNDS = 150;
const BLOCKS = 10;
const REQUEST: ModelRequest = {
  model: "sql",
  promptTokens: BLOCKS * 64,
  blockCount: BLOCKS,
  blockTokens: 64,
  headers: { "x-tier": "gold" },
};
const PROMPT = promptOfTokens(REQUEST.promptTokens);

class World {
  readonly #prng: Prng;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  below(count: number): number {
    return this.#prng.nextBelow(count);
  }

  draw<Value>(...from: readonly Value[]): Value {
    return from[this.below(from.length)] as Value;
  }

  some<Value>(from: readonly Value[], countMax: number): Value[] {
    return Array.from({ length: this.below(countMax + 1) }, () => this.draw(...from));
  }
}

/** Names that differ, as an engine lists them. */
const distinct = (names: readonly string[]): string[] => [...new Set(names)];

function drawEndpoint(world: World, slot: number): { endpoint: ModelEndpoint; tokens: number[] } {
  const tokens = world.some([0, 64, 100, 640], 3);
  const tier = world.draw("gold", "silver", undefined);
  const role = world.draw("decode", "prefill", "both", undefined);
  const range = world.draw("0-640", "641-9000", "640-640", "0-100", "9-1", "wide", undefined);
  const running = distinct(world.some(["sql", "b", "c"], 2));
  const endpoint: ModelEndpoint = {
    slot,
    ageMs: world.draw(0, 0, 0, 200, 201, 2_000, 2_001, undefined),
    queue: world.below(7),
    running: world.below(7),
    // Sums of powers of two, which the columns hold exactly.
    usage: world.below(17) / 16,
    labels: {
      ...(tier === undefined ? {} : { tier }),
      ...(role === undefined ? {} : { "llm-d.ai/role": role }),
      ...(range === undefined ? {} : { "llm-d.ai/context-length-range": range }),
    },
    temperature: world.draw(10, 20, 20, 50, undefined),
    adapters: world.draw(undefined, {
      running,
      waiting: distinct(world.some(["sql", "b"], 1)).filter((name) => !running.includes(name)),
      loadedMax: world.below(4),
    }),
    models: world.draw(undefined, ["sql"], ["base"], []),
    inFlightRequests: tokens.length,
    inFlightTokens: tokens.reduce((sum, count) => sum + count, 0),
    matchedBlocks: world.draw(0, 0, 3, 8, BLOCKS),
  };
  return { endpoint, tokens };
}

function drawFilter(world: World): ModelFilter {
  const attribute = { attribute: "temperature", producer: "extractor" };
  const operator = world.draw("LessThan", "LessThanOrEqual", "GreaterThan", "GreaterThanOrEqual", "Equal");
  return world.draw<() => ModelFilter>(
    () => ({ type: "label-selector-filter", parameters: { matchLabels: { tier: "gold" } } }),
    () => ({ type: "decode-filter", parameters: {} }),
    () => ({
      type: "utilization-filter",
      parameters: {
        conditions: [
          { metric: world.draw("active-requests", "running-requests", "waiting-queue"), maxValue: world.below(6) },
          { metric: "kv-cache-utilization", maxValue: world.draw(0.5, 0.875, 1) },
        ],
        fallbackOnEmpty: world.draw(true, false),
      },
    }),
    () => ({
      type: "endpoint-attribute-filter",
      parameters: {
        ...attribute,
        onMissing: world.draw("Pass", "Fail"),
        fallbackOnEmpty: world.draw(true, false),
        algorithm: { type: "threshold", threshold: { operator, value: world.draw(10, 20, 30) } },
      },
    }),
    () => ({ type: "context-length-aware", parameters: { enableFiltering: true } }),
    () => ({
      type: "prefix-cache-affinity-filter",
      parameters: {
        affinityThreshold: world.draw(0.3, 0.8, 1),
        maxTTFTPenaltyMs: world.draw(100, 640, 18_000),
        peakPrefillThroughput: 1_000,
      },
    }),
    () => ({
      type: "utilization-detector",
      parameters: { queueDepthThreshold: 4, kvCacheUtilThreshold: 0.75, headroom: world.draw(0, 0.25) },
    }),
    () => ({
      type: "concurrency-detector",
      parameters: {
        maxConcurrency: world.draw(2, 3),
        maxTokenConcurrency: 640,
        concurrencyMode: world.draw("requests", "tokens", "hybrid"),
        headroom: world.draw(0, 0.5),
      },
    }),
    () => ({ type: "model-filter", parameters: {} }),
    () => ({ type: "health-filter", parameters: {} }),
  )();
}

function drawScorer(world: World): ModelScorer {
  const type = world.draw("linear_lower_is_better", "linear_higher_is_better");
  return world.draw<() => ModelScorer>(
    () => ({ type: "queue-scorer", parameters: {} }),
    () => ({ type: "running-requests-size-scorer", parameters: {} }),
    () => ({ type: "kv-cache-utilization-scorer", parameters: {} }),
    () => ({ type: "load-aware-scorer", parameters: { threshold: world.draw(3, 8, 128) } }),
    () => ({ type: "lora-affinity-scorer", parameters: {} }),
    () => ({
      type: "prefix-cache-scorer",
      parameters: { matchLengthWeight: world.draw(0, 0.25, 1), matchLengthScaleTokens: world.draw(256, 8_192) },
    }),
    () => ({
      type: "active-request-scorer",
      parameters: { idleThreshold: world.draw(0, 1), maxBusyScore: world.draw(0.5, 1) },
    }),
    () => ({ type: "token-load-scorer", parameters: { queueThresholdTokens: world.draw(1_000, 4_194_304) } }),
    () => ({ type: "context-length-aware", parameters: {} }),
    () => ({
      type: "endpoint-attribute-scorer",
      parameters: {
        attributeKey: "temperature",
        producer: "extractor",
        algorithm: { type, normalization: world.draw({}, { fixedRange: { min: 15, max: 35 } }) },
      },
    }),
    () => ({ type: "header-label-affinity-scorer", parameters: { headerName: "x-tier", labelKey: "tier" } }),
  )();
}

function create({ type, parameters }: ModelFilter | ModelScorer): Plugin {
  const definition = BUILTIN_PLUGINS.find((candidate) => candidate.type === type);
  if (definition === undefined) throw new Error(`there is no plugin ${type}`);
  return part(definition, parameters);
}

function bedEndpoint(endpoint: ModelEndpoint): BedEndpoint {
  const { queue, running, usage, labels, temperature, adapters, models } = endpoint;
  const scraped = scrapedAtMs(endpoint);
  return {
    labels,
    ...(adapters === undefined ? {} : { adapters }),
    ...(models === undefined ? {} : { servedModels: models }),
    attributes: temperature === undefined ? {} : { temperature },
    ...(scraped === undefined
      ? {}
      : { queueDepthRequests: queue, runningRequests: running, kvCacheUsageFraction: usage, scrapedAtMs: scraped }),
  };
}

describe.each(KERNEL_BUILDS)("random profiles (%s build)", (build) => {
  it("decide as the rules of their plugins say", () => {
    const world = new World(new Prng(SEED));
    const seen = { empty: 0, changed: 0, types: new Set<string>() };
    for (let round = 0; round < ROUNDS; round++) {
      const drawn = Array.from({ length: 1 + world.below(8) }, (_, slot) => drawEndpoint(world, slot));
      const pool: Pool = drawn.map(({ endpoint }) => endpoint);
      const filters = Array.from({ length: world.below(4) }, () => drawFilter(world));
      const scorers = Array.from({ length: 1 + world.below(3) }, () => drawScorer(world));
      const shown = `seed ${SEED}, round ${round}: ${JSON.stringify({ filters, scorers })}`;

      const bed = pluginBed(build, pool.map(bedEndpoint), {
        filters: filters.map(create),
        scorers: scorers.map(create),
      });
      for (const [slot, { tokens, endpoint }] of drawn.entries()) {
        bed.charge(slot, ...tokens);
        if (endpoint.matchedBlocks > 0) bed.hold(slot, PROMPT, endpoint.matchedBlocks, REQUEST.model);
      }
      const decided = bed.decide({ prompt: PROMPT, model: REQUEST.model, headers: REQUEST.headers });

      const kept = modelKept(pool, filters, REQUEST);
      for (const { type } of [...filters, ...scorers]) seen.types.add(type);
      if (kept.length < pool.length) seen.changed++;
      if (kept.length === 0) {
        seen.empty++;
        expect(decided.kind, shown).toBe("filtered-out");
        continue;
      }
      if (decided.kind !== "picked") throw new Error(`nothing was picked: ${shown}`);
      const { buffer } = bed.fleet.memory;
      const slots = new Uint16Array(buffer, bed.fleet.shardBase(0) + layout.CANDIDATE_SLOTS, decided.candidateCount);
      expect([...slots], shown).toEqual(kept.map(({ slot }) => slot));
      const columns = scorers.map((scorer) => modelScores(kept, scorer, REQUEST));
      for (const [number, expected] of columns.entries()) {
        const at = bed.fleet.shardBase(0) + layout.SCORES + number * layout.SCORES_STRIDE;
        const scores = [...new Float64Array(buffer, at, kept.length)];
        expect(scores, `${scorers[number]?.type}, ${shown}`).toEqual(
          expected.map((score) => expect.closeTo(score, 12)),
        );
      }
      const totals = kept.map((_, position) => columns.reduce((sum, column) => sum + (column[position] ?? 0), 0));
      expect(decided.total, shown).toBeCloseTo(Math.max(...totals), 12);
      expect(totals[kept.findIndex(({ slot }) => slot === decided.slot)], shown).toBeCloseTo(Math.max(...totals), 12);
    }
    // What is compared happens.
    expect(seen.types.size).toBe(20);
    expect(seen.empty).toBeGreaterThan(ROUNDS / 20);
    expect(seen.changed).toBeGreaterThan(ROUNDS / 3);
  });
});
