/**
 * The picker over fleets whose totals are known. Random parts draw their seeds from a generator whose seed is printed
 * on failure; the expected draw comes from SplitMix64's finaliser on BigInt.
 */
import { describe, expect, it } from "vitest";
import { Prng } from "../../../../src/base/prng.ts";
import { maxScorePicker } from "../../../../src/plugins/pickers/max-score.ts";
import { kvCacheUtilizationScorer } from "../../../../src/plugins/scorers/kv-cache-utilization.ts";
import { layout } from "../../../../src/wasm/layout.ts";
import type { PickRequest } from "../../../../src/wasm/shard-memory.ts";
import { tieDraw } from "../../../support/decision-model.ts";
import { type EndpointLoad, endpoint, type TestFleet, testFleet } from "../../../support/fleet.ts";
import { KERNEL_BUILDS } from "../../../support/kernel.ts";
import { createPlugin, scorerProgram } from "../../../support/plugins.ts";

/** 1 − k is a score that no pick changes, so totals stay as they are over many picks. */
const scorers = [{ program: scorerProgram(kvCacheUtilizationScorer), weight: 1 }];
const withUsages = (...fractions: number[]): EndpointLoad[] =>
  fractions.map((kvCacheUsageFraction) => endpoint({ kvCacheUsageFraction }));

/** The slots picked for these seeds, each as if alone. */
function picksOf(fleet: TestFleet, seeds: readonly (readonly [low: number, high: number])[]): number[] {
  const [shard] = fleet.shards;
  return seeds.map(([seedLow, seedHigh]) => {
    const request: PickRequest = { ...fleet.request(), seedLow, seedHigh };
    const [picked] = fleet.decide([request]);
    if (picked === undefined) throw new Error("no endpoint was picked");
    shard?.release(picked);
    return picked.slot;
  });
}

/** Σ (seen − expected)² / expected for equally likely slots 0 … count − 1. */
function chiSquare(slots: readonly number[], count: number): number {
  const expected = slots.length / count;
  const seen = Array.from({ length: count }, (_, slot) => slots.filter((picked) => picked === slot).length);
  return seen.reduce((sum, times) => sum + (times - expected) ** 2 / expected, 0);
}

describe.each(KERNEL_BUILDS)("max-score-picker (%s build)", (build) => {
  it.each([
    { name: "the best one is last", usages: [0.5, 0.25, 0.125], slot: 2 },
    { name: "the best one is first", usages: [0.125, 0.25, 0.5], slot: 0 },
    { name: "there is one candidate", usages: [1], slot: 0 },
  ])("the highest total wins whatever the seed: $name", ({ usages, slot }) => {
    const fleet = testFleet(build, withUsages(...usages), scorers);
    const seeds = [0, 1, 2, 3, 0xffff_ffff].flatMap((low) => [0, 0xffff_ffff].map((high) => [low, high] as const));
    expect(new Set(picksOf(fleet, seeds))).toEqual(new Set([slot]));
    expect(fleet.pick()).toMatchObject({ slot, tieCount: 1, total: 1 - (usages[slot] ?? 0) });
  });

  it("only candidates with the best total share it", () => {
    const fleet = testFleet(build, withUsages(0.25, 0.5, 0.25, 0.75, 0.25), scorers);
    const seeds = Array.from({ length: 200 }, (_, seed) => [seed, 0] as const);
    expect(new Set(picksOf(fleet, seeds))).toEqual(new Set([0, 2, 4]));
    expect(fleet.pick()).toMatchObject({ tieCount: 3, candidateCount: 5, total: 0.75 });
  });

  it.each([2, 3, 7, 64])("%i equal candidates are picked equally often", (count) => {
    const fleet = testFleet(build, withUsages(...new Array<number>(count).fill(0)), scorers);
    const draws = 100 * count;
    const prng = new Prng(20_261_120 + count);
    const random = Array.from({ length: draws }, () => [prng.nextU32(), prng.nextU32()] as const);
    // Seeds that differ in few bits must spread as well as random ones.
    const counting = Array.from({ length: draws }, (_, seed) => [seed, 0] as const);
    const high = Array.from({ length: draws }, (_, seed) => [7, seed] as const);
    // Chi-square has mean count − 1 and variance 2 × (count − 1); five standard deviations are exceeded once in
    // millions.
    const bound = count - 1 + 5 * Math.sqrt(2 * (count - 1)) + 5;
    for (const [name, seeds] of Object.entries({ random, counting, high })) {
      const picks = picksOf(fleet, seeds);
      expect(picks).toHaveLength(draws);
      expect(chiSquare(picks, count), `${name} seeds, generator seed ${20_261_120 + count}`).toBeLessThan(bound);
    }
  });

  it("among equal ones the seed alone decides, by the documented draw", () => {
    const seed = 20_261_121;
    const prng = new Prng(seed);
    const fleet = testFleet(build, withUsages(0.5, 0, 0.5, 0, 0, 0.5, 0), scorers);
    const best = [1, 3, 4, 6];
    const seeds = Array.from({ length: 500 }, () => [prng.nextU32(), prng.nextU32()] as const);
    const expected = seeds.map(([low, high]) => best[tieDraw((BigInt(high) << 32n) | BigInt(low), best.length)]);
    expect(picksOf(fleet, seeds), `generator seed ${seed}`).toEqual(expected);
  });

  it("a decision is a function of snapshot, request, policy and seed, whatever happened before and on whichever shard", () => {
    const seed = 20_261_122;
    const prng = new Prng(seed);
    const usages = Array.from({ length: 40 }, () => prng.nextBelow(3) / 4);
    const fresh = testFleet(build, withUsages(...usages), scorers, { shape: { shardCount: 2 } });
    const used = testFleet(build, withUsages(...usages), scorers, { shape: { shardCount: 2 } });
    for (let before = 0; before < 50; before++) {
      const picked = used.pick(undefined, { seed: prng.nextU32(), shard: before % 2 });
      if (picked !== undefined) used.shards[before % 2]?.release(picked);
    }
    const requests = Array.from({ length: 100 }, () => fresh.request(undefined, prng.nextU32()));
    const expected = fresh.decide(requests);
    expect(used.decide(requests, { shard: 1 }), `seed ${seed}`).toEqual(expected);
  });
});

describe.each(KERNEL_BUILDS)("fallback targets (%s build)", (build) => {
  const ports = (slots: readonly number[]): string[] => slots.map((slot) => `10.0.0.${slot}:8000`);

  it.each([
    { targetsMax: 1, slots: [2] },
    { targetsMax: 3, slots: [2, 0, 3] },
    { targetsMax: 16, slots: [2, 0, 3, 1] },
  ])("a pick names the best $targetsMax, best first", ({ targetsMax, slots }) => {
    const fleet = testFleet(build, withUsages(0.25, 0.75, 0, 0.5), scorers, { policy: { targetsMax } });
    expect(fleet.pick()).toMatchObject({ slot: 2, hostPort: "10.0.0.2:8000", targets: ports(slots) });
  });

  it("equal ones are drawn without repetition, and the picked one stays first", () => {
    const fleet = testFleet(build, withUsages(0, 0, 0, 0, 0.5), scorers, { policy: { targetsMax: 5 } });
    const firsts = new Set<string | undefined>();
    for (let seed = 0; seed < 100; seed++) {
      const picked = fleet.pick(undefined, { seed });
      const targets = picked?.targets ?? [];
      expect([...targets].toSorted(), `seed ${seed}`).toEqual(ports([0, 1, 2, 3, 4]));
      expect(targets[0], `seed ${seed}`).toBe(picked?.hostPort);
      expect(targets[4], `seed ${seed}`).toBe("10.0.0.4:8000");
      firsts.add(targets[0]);
    }
    expect(firsts.size).toBe(4);
  });

  it("only the picked endpoint is charged", () => {
    const fleet = testFleet(build, withUsages(0, 0.5, 0.75), scorers, { policy: { targetsMax: 3 } });
    fleet.pick();
    expect([0, 1, 2].map((slot) => fleet.kernel.inFlightRequests(slot))).toEqual([1, 0, 0]);
  });
});

describe("max-score-picker parameters", () => {
  it.each([
    { given: {}, targetsMax: 1 },
    { given: { maxNumOfEndpoints: 3 }, targetsMax: 3 },
    { given: { maxNumOfEndpoints: 0 }, targetsMax: 1 },
    { given: { maxNumOfEndpoints: -2 }, targetsMax: 1 },
    { given: { maxNumOfEndpoints: layout.TARGETS_MAX }, targetsMax: layout.TARGETS_MAX },
  ])("$given gives up to $targetsMax endpoints", ({ given, targetsMax }) => {
    expect(createPlugin(maxScorePicker, given).picker).toEqual({ op: "maxScore", targetsMax });
  });

  it.each([
    { given: { maxNumOfEndpoints: layout.TARGETS_MAX + 1 } },
    { given: { maxNumOfEndpoints: 1.5 } },
    { given: { maxEndpoints: 2 } },
  ])("$given is refused", ({ given }) => {
    expect(maxScorePicker.parameters.safeParse(given).success).toBe(false);
  });
});
