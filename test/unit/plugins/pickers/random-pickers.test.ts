/**
 * random-picker and weighted-random-picker through their definitions. Expected shares are those of the definitions:
 * each candidate as likely, or in proportion to its total. Seeds are counted up, so that a failure repeats.
 */
import { describe, expect, it } from "vitest";
import type { Plugin, PluginDefinition } from "../../../../src/framework/plugin.ts";
import type { PickerParameters } from "../../../../src/plugins/pickers/picker-parameters.ts";
import { randomPicker } from "../../../../src/plugins/pickers/random.ts";
import { weightedRandomPicker } from "../../../../src/plugins/pickers/weighted-random.ts";
import { kvCacheUtilizationScorer } from "../../../../src/plugins/scorers/kv-cache-utilization.ts";
import { layout } from "../../../../src/wasm/layout.ts";
import { endpoint } from "../../../support/fleet.ts";
import { KERNEL_BUILDS, type KernelBuild } from "../../../support/kernel.ts";
import { part, pluginBed } from "../../../support/plugin-bed.ts";
import { createPlugin } from "../../../support/plugins.ts";

interface Drawn {
  readonly slot: number;
  readonly targets: readonly string[];
}

/** Picks of one request per seed, over endpoints whose totals are these. */
function picksOf(build: KernelBuild, totals: readonly number[], picker: Plugin, draws: number): Drawn[] {
  const endpoints = totals.map((total) => endpoint({ kvCacheUsageFraction: 1 - total }));
  const bed = pluginBed(build, endpoints, { scorers: [part(kvCacheUtilizationScorer)], picker });
  return Array.from({ length: draws }, (_, seed) => {
    const decided = bed.decide({ seed });
    if (decided.kind !== "picked") throw new Error("nothing was picked");
    bed.fleet.shards[0]?.release(decided);
    return { slot: decided.slot, targets: decided.targets };
  });
}

const hostPort = (slot: number): string => `10.0.0.${slot}:8000`;

/** Fails when the slots are not drawn in these shares: beyond five standard deviations. */
function expectShares(slots: readonly number[], shares: readonly number[]): void {
  for (const [slot, share] of shares.entries()) {
    const seen = slots.filter((drawn) => drawn === slot).length;
    const spread = 5 * Math.sqrt(slots.length * share * (1 - share));
    expect(Math.abs(seen - slots.length * share), `slot ${slot} was drawn ${seen} times`).toBeLessThanOrEqual(spread);
  }
}

const DRAWS = 4_000;

describe.each(KERNEL_BUILDS)("random-picker (%s build)", (build) => {
  it.each([{ totals: [1, 0, 0.5] }, { totals: [0, 0] }, { totals: [0.25, 0.25, 0.25, 1, 0] }])(
    "totals of $totals make no difference",
    ({ totals }) => {
      const slots = picksOf(build, totals, part(randomPicker), DRAWS).map(({ slot }) => slot);
      expectShares(
        slots,
        totals.map(() => 1 / totals.length),
      );
    },
  );

  it("names as many different endpoints as it is told, the picked one first", () => {
    for (const { slot, targets } of picksOf(build, [1, 0, 0.5], part(randomPicker, { maxNumOfEndpoints: 5 }), 200)) {
      expect(targets[0]).toBe(hostPort(slot));
      expect([...targets].toSorted()).toEqual([0, 1, 2].map(hostPort));
    }
  });

  it("each one is second as often as the other that is left", () => {
    const picks = picksOf(build, [1, 0, 0.5], part(randomPicker, { maxNumOfEndpoints: 2 }), DRAWS);
    const seconds = picks.filter(({ slot }) => slot === 0).map(({ targets }) => (targets[1] === hostPort(1) ? 0 : 1));
    expectShares(seconds, [0.5, 0.5]);
  });
});

describe.each(KERNEL_BUILDS)("weighted-random-picker (%s build)", (build) => {
  it.each([
    { totals: [0.5, 0.25, 0.25], shares: [0.5, 0.25, 0.25] },
    { totals: [1, 0.5], shares: [2 / 3, 1 / 3] },
    { totals: [0.5, 0, 0.5], shares: [0.5, 0, 0.5] },
    { totals: [0, 0, 0], shares: [1 / 3, 1 / 3, 1 / 3] },
    { totals: [0.0078125, 0.0078125], shares: [0.5, 0.5] },
    { totals: [1], shares: [1] },
  ])("totals of $totals are drawn in shares of $shares", ({ totals, shares }) => {
    const slots = picksOf(build, totals, part(weightedRandomPicker), DRAWS).map(({ slot }) => slot);
    expectShares(slots, shares);
  });

  it("totals of 0 come last among the targets", () => {
    const picker = part(weightedRandomPicker, { maxNumOfEndpoints: 3 });
    for (const { targets } of picksOf(build, [0.25, 0, 0.5], picker, 200)) expect(targets[2]).toBe(hostPort(1));
  });

  it("the second is drawn in proportion among those that are left", () => {
    const picker = part(weightedRandomPicker, { maxNumOfEndpoints: 2 });
    const picks = picksOf(build, [0.5, 0.25, 0.25, 0.5], picker, DRAWS);
    // After slot 0, of 0.25 : 0.25 : 0.5.
    const seconds = picks
      .filter(({ slot }) => slot === 0)
      .map(({ targets }) => [1, 2, 3].findIndex((slot) => targets[1] === hostPort(slot)));
    expectShares(seconds, [0.25, 0.25, 0.5]);
  });
});

describe.each([
  { definition: randomPicker, op: "random" },
  { definition: weightedRandomPicker, op: "weightedRandom" },
] as const)("$definition.type parameters", ({ definition, op }) => {
  const picker: PluginDefinition<PickerParameters> = definition;

  it.each([
    { given: {}, targetsMax: 1 },
    { given: { maxNumOfEndpoints: 3 }, targetsMax: 3 },
    { given: { maxNumOfEndpoints: 0 }, targetsMax: 1 },
    { given: { maxNumOfEndpoints: -2 }, targetsMax: 1 },
    { given: { maxNumOfEndpoints: layout.TARGETS_MAX }, targetsMax: layout.TARGETS_MAX },
  ])("$given gives up to $targetsMax endpoints", ({ given, targetsMax }) => {
    expect(createPlugin(picker, given).picker).toEqual({ op, targetsMax });
  });

  it.each([{ maxNumOfEndpoints: layout.TARGETS_MAX + 1 }, { maxNumOfEndpoints: 1.5 }, { maxNumOfEndpoints: "2" }])(
    "%j is refused",
    (given) => {
      expect(picker.parameters.safeParse(given).success).toBe(false);
    },
  );
});
