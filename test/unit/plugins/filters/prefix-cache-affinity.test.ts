/** prefix-cache-affinity-filter through its definition: what it keeps is worked out by hand from its rules. */
import { describe, expect, it } from "vitest";
import { prefixCacheAffinityFilter } from "../../../../src/plugins/filters/prefix-cache-affinity.ts";
import { endpoint } from "../../../support/fleet.ts";
import { KERNEL_BUILDS, type KernelBuild } from "../../../support/kernel.ts";
import { part, pluginBed, promptOfTokens } from "../../../support/plugin-bed.ts";

interface Case {
  readonly name: string;
  readonly parameters?: object;
  /** Blocks of the prompt's ten that each endpoint holds. */
  readonly held: readonly number[];
  /** Tokens in flight of each endpoint. */
  readonly tokens?: readonly number[];
  readonly kept: readonly number[];
}

/** Ten blocks of 64 tokens. */
const PROMPT = promptOfTokens(640);

const CASES: readonly Case[] = [
  { name: "those that hold 0.8 of the prompt", held: [10, 8, 7, 0], kept: [0, 1] },
  { name: "nobody does, all", held: [7, 7, 0], kept: [0, 1, 2] },
  { name: "all do, all", held: [10, 9, 8], kept: [0, 1, 2] },
  { name: "another threshold", parameters: { affinityThreshold: 0.35 }, held: [3, 4, 0], kept: [1] },
  { name: "the whole prompt", parameters: { affinityThreshold: 1 }, held: [9, 10], kept: [1] },
  { name: "a threshold of 0 keeps all", parameters: { affinityThreshold: 0 }, held: [10, 0], kept: [0, 1] },
  // TTFT = tokens / 1000 per second. Penalty 500 ms: sticky at 1500 tokens takes 1.5 s, others at 1000 take 1 s.
  {
    name: "sticky ones that are slower by no more than the penalty",
    parameters: { peakPrefillThroughput: 1_000, maxTTFTPenaltyMs: 500 },
    held: [10, 0],
    tokens: [1_500, 1_000],
    kept: [0],
  },
  {
    name: "sticky ones that are slower by more, all",
    parameters: { peakPrefillThroughput: 1_000, maxTTFTPenaltyMs: 500 },
    held: [10, 0],
    tokens: [1_501, 1_000],
    kept: [0, 1],
  },
  {
    name: "the best of each side counts",
    parameters: { peakPrefillThroughput: 1_000, maxTTFTPenaltyMs: 500 },
    held: [10, 10, 0, 0],
    tokens: [9_000, 700, 200, 8_000],
    kept: [0, 1],
  },
  {
    name: "a penalty of 0 sticks at any price",
    parameters: { peakPrefillThroughput: 1_000, maxTTFTPenaltyMs: 0 },
    held: [10, 0],
    tokens: [60_000, 0],
    kept: [0],
  },
  // By default 18 s × 15928 tokens per second = 286704 tokens.
  { name: "the default penalty", held: [10, 0], tokens: [286_704, 0], kept: [0] },
  { name: "a token beyond it", held: [10, 0], tokens: [286_705, 0], kept: [0, 1] },
];

function keptOf(build: KernelBuild, { parameters = {}, held, tokens = [] }: Case, seed = 1): number[] {
  const bed = pluginBed(
    build,
    held.map(() => endpoint()),
    { filters: [part(prefixCacheAffinityFilter, parameters)] },
  );
  for (const [slot, blocks] of held.entries()) if (blocks > 0) bed.hold(slot, PROMPT, blocks);
  for (const [slot, count] of tokens.entries()) if (count > 0) bed.charge(slot, count);
  return bed.kept({ prompt: PROMPT, seed });
}

describe.each(KERNEL_BUILDS)("prefix-cache-affinity-filter (%s build)", (build) => {
  it.each(CASES)("$name", (given) => {
    expect(keptOf(build, given)).toEqual(given.kept);
  });

  it("a request without a prompt keeps all", () => {
    const bed = pluginBed(build, [endpoint(), endpoint()], { filters: [part(prefixCacheAffinityFilter)] });
    bed.hold(0, PROMPT, 10);
    expect(bed.kept()).toEqual([0, 1]);
  });

  it("explores as often as it is told, by the seed", () => {
    const given: Case = { name: "", parameters: { explorationProbability: 0.25 }, held: [10, 0], kept: [] };
    const seeds = Array.from({ length: 400 }, (_, seed) => seed);
    const explored = seeds.filter((seed) => keptOf(build, given, seed).length === 2).length;
    // Five standard deviations of a binomial draw.
    expect(Math.abs(explored - 100)).toBeLessThan(5 * Math.sqrt(400 * 0.25 * 0.75));
    for (const seed of seeds.slice(0, 20)) {
      const always = { ...given, parameters: { explorationProbability: 1 } };
      expect(keptOf(build, always, seed), `seed ${seed}`).toEqual([0, 1]);
      expect(keptOf(build, { ...given, parameters: {} }, seed), `seed ${seed}`).toEqual([0]);
    }
  });
});
