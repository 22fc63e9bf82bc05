/**
 * A kernel with a fleet that is drawn anew for each round, and the same fleet as plain objects for `profile-model.ts`.
 * Slots are scattered or the first ones; values known, unknown, stale or exactly as old as the limit; endpoints
 * unreachable, backed off, with and without adapters, models, labels and attributes.
 */
import type { Prng } from "../../src/base/prng.ts";
import { AttributeColumns } from "../../src/wasm/attribute-columns.ts";
import { EndpointColumns } from "../../src/wasm/endpoint-columns.ts";
import { EndpointNames } from "../../src/wasm/endpoint-names.ts";
import { layout } from "../../src/wasm/layout.ts";
import { FILTER_OPS, PICKER_OPS, PolicyTable, SCORER_OPS } from "../../src/wasm/policies.ts";
import { PolicyMasks } from "../../src/wasm/policy-masks.ts";
import { ShardMemory } from "../../src/wasm/shard-memory.ts";
import { NOW_MS, STALE_MS, testPolicy } from "./fleet.ts";
import { type KernelBuild, type TestKernel, testKernel } from "./kernel.ts";
import type { ModelEndpoint, ModelProfile, ModelProgram } from "./profile-model.ts";

export const MODELS = ["base", "adapter-1", "adapter-2", "adapter-3"] as const;
/** Label masks and attribute columns that fleets fill and profiles name. */
const MASKS = 3;
const COLUMNS = 4;

export interface RandomFleetOptions {
  /** Endpoint counts to draw from. */
  readonly counts?: readonly number[];
  /** Keys of each prompt, of which endpoints hold leading parts. */
  readonly prompts: readonly (readonly bigint[])[];
}

/** What a fleet has besides what `ModelEndpoint` says: blocks held, by prompt and slot. */
export interface DrawnFleet {
  readonly endpoints: readonly Omit<ModelEndpoint, "matched">[];
  readonly held: readonly Map<number, number>[];
  readonly generations: ReadonlyMap<number, number>;
}

export function oneOf<Item>(prng: Prng, items: readonly Item[]): Item {
  return items[prng.nextBelow(items.length)] as Item;
}

export class RandomFleet {
  readonly kernel: TestKernel;
  readonly shard: ShardMemory;
  readonly #columns: EndpointColumns;
  readonly #names: EndpointNames;
  readonly #attributes: AttributeColumns;
  readonly #masks: PolicyMasks;
  readonly #policies: PolicyTable;
  #present: number[] = [];

  constructor(build: KernelBuild, streamWindowCount = 16) {
    this.kernel = testKernel(build, { shardCount: 2, streamWindowCount, indexSlotsLog2: 12 });
    const { memory, kernel } = this.kernel;
    this.shard = new ShardMemory(memory, kernel, 1);
    this.#columns = new EndpointColumns(memory);
    this.#names = new EndpointNames(memory, kernel);
    this.#attributes = new AttributeColumns(memory, kernel);
    this.#masks = new PolicyMasks(memory);
    this.#policies = new PolicyTable(memory);
  }

  /** Publishes the profiles for the present fleet, whose labels their masks follow. */
  publish(profiles: readonly ModelProfile[], fleet: DrawnFleet, outputRatio: number, outputTokensMax: number): number {
    const policy = testPolicy([], {
      outputRatio,
      outputTokensMax,
      profiles: profiles.map(({ filters, scorers, picker, targetsMax }) => ({
        filters: filters.map((program) => ({ ...program, op: FILTER_OPS[program.op] })),
        scorers: scorers.map(({ program, weight }) => ({
          program: { ...program, op: SCORER_OPS[program.op] },
          weight,
        })),
        picker: PICKER_OPS[picker],
        targetsMax,
      })),
    });
    const number = this.#policies.publish(policy, (prepared) => {
      this.#masks.clear(prepared);
      for (const { slot, labels } of fleet.endpoints) {
        for (const mask of labels) this.#masks.set(prepared, mask, slot, true);
      }
    });
    if (number === undefined) throw new Error("all policies are held");
    return number;
  }

  draw(
    prng: Prng,
    { counts = [1, 2, 3, 5, 9, 64, 65, 130, layout.ENDPOINTS_MAX], prompts }: RandomFleetOptions,
  ): DrawnFleet {
    for (const slot of this.#present) this.#columns.remove(slot);
    for (const shard of [0, 1]) {
      this.#u32(shard, layout.SHARD_IN_FLIGHT_REQUESTS).fill(0);
      this.#u32(shard, layout.SHARD_IN_FLIGHT_TOKENS).fill(0);
    }
    this.kernel.kernel.writerReset(4_096);
    this.#skipRing();
    this.#present = drawSlots(prng, oneOf(prng, counts));
    const unreachableOf = oneOf(prng, [0, 3, 10, 1000]);
    const held = prompts.map(() => new Map<number, number>());
    const generations = new Map<number, number>();
    const endpoints = this.#present.map((slot) => {
      generations.set(slot, this.#columns.add(slot, hostPortOf(slot)));
      for (const [index, keys] of prompts.entries()) {
        if (prng.nextBelow(6) > 0) continue;
        const count = this.#hold(slot, keys.slice(0, prng.nextBelow(keys.length + 1)));
        if (count > 0) held[index]?.set(slot, count);
      }
      return this.#drawEndpoint(prng, slot, unreachableOf !== 0 && prng.nextBelow(unreachableOf) > 0);
    });
    return { endpoints, held, generations };
  }

  column(base: number, length: number): number[] {
    return [...new Float64Array(this.kernel.memory.buffer, this.kernel.shardBase(1) + base, length)];
  }

  candidateSlots(length: number): number[] {
    return [...new Uint16Array(this.kernel.memory.buffer, this.kernel.shardBase(1) + layout.CANDIDATE_SLOTS, length)];
  }

  #drawEndpoint(prng: Prng, slot: number, isReachable: boolean): Omit<ModelEndpoint, "matched"> {
    if (!isReachable) this.#columns.setReachable(slot, false);
    const isBackedOff = prng.nextBelow(4) === 0;
    if (isBackedOff) this.#columns.setBackedOff(slot, true);
    const grace = isBackedOff ? layout.BACKED_OFF_MS : 0;
    const ageMs = oneOf(prng, [0, 1, 199, 200, STALE_MS, STALE_MS, STALE_MS + 0.5, STALE_MS + 1_500, 10 * STALE_MS]);
    const scraped = {
      queueDepthRequests: prng.nextBelow(6) === 0 ? undefined : prng.nextBelow(oneOf(prng, [1, 4, 12, 1000])),
      runningRequests: prng.nextBelow(6) === 0 ? undefined : prng.nextBelow(oneOf(prng, [1, 4, 300])),
      kvCacheUsageFraction: prng.nextBelow(6) === 0 ? undefined : prng.nextBelow(1200) / 1000,
    };
    const inFlightAtScrape = prng.nextBelow(4);
    this.#columns.setScraped(slot, { ...scraped, inFlightAtScrape, scrapedAtMs: NOW_MS - ageMs });
    const isFresh = ageMs - grace <= STALE_MS;
    const [requests, tokens] = [layout.SHARD_IN_FLIGHT_REQUESTS, layout.SHARD_IN_FLIGHT_TOKENS].map((column, index) =>
      [0, 1].reduce((sum, shard) => {
        const amount = prng.nextBelow(index === 0 ? 4 : oneOf(prng, [1, 1_000, 100_000]));
        this.#u32(shard, column)[slot] = amount;
        return sum + amount;
      }, 0),
    ) as [number, number];
    return {
      slot,
      isReachable,
      isFresh,
      ageMs: ageMs - grace,
      queue: isFresh ? scraped.queueDepthRequests : undefined,
      running: isFresh ? scraped.runningRequests : undefined,
      usage: isFresh ? scraped.kvCacheUsageFraction : undefined,
      surplus: requests - inFlightAtScrape,
      requests,
      tokens,
      ...this.#drawNames(prng, slot),
      attributes: this.#drawAttributes(prng, slot),
      labels: new Set(Array.from({ length: MASKS }, (_, mask) => mask).filter(() => prng.nextBelow(3) > 0)),
    };
  }

  #drawNames(prng: Prng, slot: number): Pick<ModelEndpoint, "adapters" | "models"> {
    const some = (of: number): string[] => MODELS.filter(() => prng.nextBelow(of) === 0);
    const adapters =
      prng.nextBelow(4) === 0 ? undefined : { running: some(3), waiting: some(3), loadedMax: prng.nextBelow(5) };
    const models = prng.nextBelow(3) === 0 ? undefined : some(2);
    this.#names.setAdapters(slot, adapters);
    this.#names.setServedModels(slot, models);
    return { adapters, models };
  }

  #drawAttributes(prng: Prng, slot: number): (number | undefined)[] {
    return Array.from({ length: COLUMNS }, (_, column) => {
      const value =
        prng.nextBelow(4) === 0 ? undefined : oneOf(prng, [0, 1, 5, 100, 300, 2_000, prng.nextBelow(1_000)]);
      this.#attributes.set(column, slot, value ?? Number.NaN);
      return value;
    });
  }

  #hold(slot: number, keys: readonly bigint[]): number {
    const source = this.kernel.shardBase(1) + layout.KEYS;
    new BigUint64Array(this.kernel.memory.buffer, source, keys.length).set(keys);
    this.kernel.kernel.raiseEpoch();
    return this.kernel.kernel.storeBlocks(slot, source, keys.length);
  }

  /** What earlier rounds have told the index writer is not of this fleet. */
  #skipRing(): void {
    for (const shard of [0, 1]) {
      const head = this.#u32(shard, layout.SHARD_RING_HEAD)[0] ?? 0;
      this.kernel.view.setUint32(layout.INDEX + layout.INDEX_RING_TAIL + shard * 4, head, true);
    }
  }

  #u32(shard: number, column: number): Uint32Array {
    return new Uint32Array(this.kernel.memory.buffer, this.kernel.shardBase(shard) + column, layout.ENDPOINTS_MAX);
  }
}

export function hostPortOf(slot: number): string {
  return `10.0.${slot >> 8}.${slot & 255}:80`;
}

/** Slots in rising order: the first ones, or scattered ones. */
function drawSlots(prng: Prng, count: number): number[] {
  const slots = Array.from({ length: layout.ENDPOINTS_MAX }, (_, slot) => slot);
  if (prng.nextBelow(2) === 0) return slots.slice(0, count);
  for (let at = 0; at < count; at++) {
    const other = at + prng.nextBelow(slots.length - at);
    [slots[at], slots[other]] = [slots[other] as number, slots[at] as number];
  }
  return slots.slice(0, count).toSorted((one, other) => one - other);
}

/** A profile of random filters, scorers and a picker, with parameters on both sides of what fleets have. */
export function drawProfile(prng: Prng, filterCountMax = 3): ModelProfile {
  return {
    filters: Array.from({ length: prng.nextBelow(filterCountMax + 1) }, () => drawFilter(prng)),
    scorers: Array.from({ length: oneOf(prng, [0, 1, 2, 4, layout.SCORERS_MAX]) }, () => ({
      program: drawScorer(prng),
      weight: oneOf(prng, [0, 0.5, 1, 2, 3, 7.25, -1, 1e6]),
    })),
    picker: oneOf(prng, ["maxScore", "maxScore", "random", "weightedRandom"]),
    targetsMax: oneOf(prng, [1, 1, 3, layout.TARGETS_MAX]),
  };
}

function drawNumbers(prng: Prng): Pick<ModelProgram<never>, "mask" | "column" | "operand"> {
  return { mask: prng.nextBelow(MASKS), column: prng.nextBelow(COLUMNS), operand: prng.nextBelow(COLUMNS) };
}

function drawFilter(prng: Prng): ModelFilter {
  const op = oneOf(prng, Object.keys(FILTER_OPS).filter((name) => name !== "custom") as ModelFilter["op"][]);
  return { op, ...drawNumbers(prng), parameters: filterParameters(prng, op) };
}

type ModelFilter = ModelProfile["filters"][number];
type ModelScorer = ModelProfile["scorers"][number]["program"];

function filterParameters(prng: Prng, op: ModelFilter["op"]): number[] {
  const flag = (): number => prng.nextBelow(2);
  switch (op) {
    case "prefixAffinity":
      return [oneOf(prng, [0, 0.3, 0.8, 1]), oneOf(prng, [0, 0.5]), oneOf(prng, [0, 100, 18_000]), 15_928];
    case "utilization":
      return [
        oneOf(prng, [1, 4, Number.POSITIVE_INFINITY]),
        oneOf(prng, [2, 100, Number.POSITIVE_INFINITY]),
        oneOf(prng, [0, 3, Number.POSITIVE_INFINITY]),
        oneOf(prng, [0.5, 0.8, Number.POSITIVE_INFINITY]),
        flag(),
      ];
    case "attribute":
      return [prng.nextBelow(5), oneOf(prng, [0, 5, 100, 500]), flag(), flag()];
    case "belowUtilization":
      return [oneOf(prng, [1, 5]), oneOf(prng, [0.4, 0.8]), oneOf(prng, [200, STALE_MS]), oneOf(prng, [0, 0.5])];
    case "belowConcurrency":
      return [oneOf(prng, [3, 5]), oneOf(prng, [1_000, 100_000]), prng.nextBelow(3), oneOf(prng, [0, 0.3])];
    default:
      return [];
  }
}

function drawScorer(prng: Prng): ModelScorer {
  const op = oneOf(prng, Object.keys(SCORER_OPS).filter((name) => name !== "custom") as ModelScorer["op"][]);
  return { op, ...drawNumbers(prng), parameters: scorerParameters(prng, op) };
}

function scorerParameters(prng: Prng, op: ModelScorer["op"]): number[] {
  switch (op) {
    case "prefixCache":
      return [oneOf(prng, [0, 0.25, 1]), oneOf(prng, [64, 500, 8192])];
    case "loadAware":
      return [oneOf(prng, [1, 10, 128])];
    case "activeRequest":
      return [oneOf(prng, [0, 2]), oneOf(prng, [0.25, 1])];
    case "tokenLoad":
      return [oneOf(prng, [1_000, 4_194_304])];
    case "noHitLru":
      return [oneOf(prng, [0, 2, 1_024])];
    case "attribute":
      return [prng.nextBelow(2), prng.nextBelow(2), 1, oneOf(prng, [200, 1_000])];
    default:
      return [];
  }
}
