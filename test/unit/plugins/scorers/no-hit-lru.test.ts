/** no-hit-lru-scorer through its definition: expected scores are worked out by hand from its formula. */
import { describe, expect, it } from "vitest";
import { noHitLruScorer } from "../../../../src/plugins/scorers/no-hit-lru.ts";
import { endpoint } from "../../../support/fleet.ts";
import { KERNEL_BUILDS, type KernelBuild } from "../../../support/kernel.ts";
import { type PluginBed, part, pluginBed, promptOfTokens } from "../../../support/plugin-bed.ts";

const bedOf = (build: KernelBuild, count: number, parameters = {}): PluginBed =>
  pluginBed(
    build,
    Array.from({ length: count }, () => endpoint()),
    { scorers: [part(noHitLruScorer, parameters)] },
  );

/** Prompts of three blocks that have nothing in common. */
const cold = (number: number): string => promptOfTokens(192, String.fromCharCode(97 + number));

/** The slot that a cold request goes to, which then is the most recent one. */
function coldPick(bed: PluginBed, number: number): number {
  const decided = bed.decide({ prompt: cold(number) });
  if (decided.kind !== "picked") throw new Error("nothing was picked");
  bed.fleet.shards[0]?.release(decided);
  return decided.slot;
}

describe.each(KERNEL_BUILDS)("no-hit-lru-scorer (%s build)", (build) => {
  it("a single candidate scores 1", () => {
    expect(bedOf(build, 1).scores({ prompt: cold(0) })).toEqual([1]);
  });

  it("endpoints that never had a cold request score 1 − i / (N − 1), in random order", () => {
    const firsts = new Set<number>();
    for (let seed = 0; seed < 50; seed++) {
      const scores = bedOf(build, 5).scores({ prompt: cold(0), seed });
      expect(scores.toSorted(), `seed ${seed}`).toEqual([0, 0.25, 0.5, 0.75, 1]);
      firsts.add(scores.indexOf(1));
    }
    expect(firsts.size).toBe(5);
  });

  it("those that had one come after them, the least recent first", () => {
    const bed = bedOf(build, 5);
    const used = [coldPick(bed, 0), coldPick(bed, 1)];
    expect(new Set(used).size).toBe(2);
    const scores = bed.scores({ prompt: cold(2) });
    // Three unused ones: 1, 0.75, 0.5. Then 1 − (3 + 0) / 4 and 1 − (3 + 1) / 4.
    expect(used.map((slot) => scores[slot])).toEqual([0.25, 0]);
    expect(scores.filter((_, slot) => !used.includes(slot)).toSorted()).toEqual([0.5, 0.75, 1]);
  });

  it("cold requests go round", () => {
    const bed = bedOf(build, 4);
    const round = [0, 1, 2, 3].map((number) => coldPick(bed, number));
    expect(new Set(round).size).toBe(4);
    expect([4, 5, 6, 7].map((number) => coldPick(bed, number))).toEqual(round);
  });

  it("a block on any candidate makes all score 0.5, and such a request does not count as cold", () => {
    const bed = bedOf(build, 3);
    bed.hold(1, cold(0), 1);
    expect(bed.scores({ prompt: cold(0) })).toEqual([0.5, 0.5, 0.5]);
    // Nobody has had a cold request yet.
    expect(bed.scores({ prompt: cold(1) }).toSorted()).toEqual([0, 0.5, 1]);
  });

  it("the order forgets all but the last lruSize endpoints", () => {
    const bed = bedOf(build, 3, { lruSize: 1 });
    const first = coldPick(bed, 0);
    const second = coldPick(bed, 1);
    const scores = bed.scores({ prompt: cold(2) });
    // The first one counts as unused again: two unused ones, then 1 − (2 + 0) / 2.
    expect(scores[second]).toBe(0);
    expect([1, 0.5]).toContain(scores[first]);
  });

  it("a request without a prompt is cold", () => {
    const bed = bedOf(build, 2);
    expect(bed.scores().toSorted()).toEqual([0, 1]);
  });
});
