/** Random and weighted pickers: how often each candidate comes first, and what targets they name. */
import { describe, expect, it } from "vitest";
import { PICKER_OPS, SCORER_OPS } from "../../../src/wasm/policies.ts";
import { endpoint, type PolicyChanges, type TestFleet, testFleet } from "../../support/fleet.ts";
import { KERNEL_BUILDS, type KernelBuild } from "../../support/kernel.ts";

const byUsage = [{ program: { op: SCORER_OPS.kvCacheUtilization }, weight: 1 }];

/** Endpoints whose only score is `total`. */
const fleetOf = (build: KernelBuild, totals: readonly number[], policy: PolicyChanges, weight = 1): TestFleet =>
  testFleet(
    build,
    totals.map((total) => endpoint({ kvCacheUsageFraction: 1 - total })),
    byUsage.map((scorer) => ({ ...scorer, weight })),
    { policy },
  );

/** Slots picked for seeds 0, 1, …, and the targets named with them. */
function draws(fleet: TestFleet, count: number): { first: number[]; targets: string[][] } {
  const picks = Array.from({ length: count }, (_, seed) => {
    const pick = fleet.pick(undefined, { seed });
    if (pick === undefined) throw new Error("nothing was picked");
    fleet.shards[0]?.release(pick);
    return pick;
  });
  return { first: picks.map(({ slot }) => slot), targets: picks.map(({ targets }) => [...targets]) };
}

/** Σ (seen − expected)² / expected. */
function chiSquare(slots: readonly number[], shares: readonly number[]): number {
  const sum = shares.reduce((total, share) => total + share, 0);
  return shares.reduce((chi, share, slot) => {
    const expected = (slots.length * share) / sum;
    return chi + (slots.filter((one) => one === slot).length - expected) ** 2 / expected;
  }, 0);
}

describe.each(KERNEL_BUILDS)("random picker (%s build)", (build) => {
  const policy = { picker: PICKER_OPS.random, targetsMax: 3 };

  it("each candidate comes first equally often, whatever its total", () => {
    const { first } = draws(fleetOf(build, [1, 0.5, 0, 0.25], policy), 4_000);
    // 99.9 % point of χ² with 3 degrees of freedom.
    expect(chiSquare(first, [1, 1, 1, 1])).toBeLessThan(16.27);
  });

  it("every order of the targets is as likely", () => {
    const { targets } = draws(fleetOf(build, [1, 0.5, 0], policy), 6_000);
    const orders = new Map<string, number>();
    for (const order of targets) orders.set(order.join(), (orders.get(order.join()) ?? 0) + 1);
    const chi = [...orders.values()].reduce((sum, seen) => sum + (seen - 1_000) ** 2 / 1_000, 0);
    expect(orders.size).toBe(6);
    // 99.9 % point of χ² with 5 degrees of freedom.
    expect(chi).toBeLessThan(20.52);
  });

  it("all candidates share the draw, and the total is told as it is", () => {
    const fleet = fleetOf(build, [0.25, 0.25, 0.25], policy);
    expect(fleet.pick()).toMatchObject({ tieCount: 3, total: 0.25 });
  });
});

describe.each(KERNEL_BUILDS)("weighted-random picker (%s build)", (build) => {
  const policy = { picker: PICKER_OPS.weightedRandom, targetsMax: 2 };

  it.each([{ totals: [0.5, 0.25, 0.125, 0.125] }, { totals: [1, 1, 1] }])(
    "candidates come first in proportion to their totals $totals",
    ({ totals }) => {
      const { first } = draws(fleetOf(build, totals, policy), 6_000);
      // 99.9 % points of χ² by degrees of freedom.
      expect(chiSquare(first, totals)).toBeLessThan([0, 10.83, 13.82, 16.27][totals.length - 1] ?? 0);
    },
  );

  it("the second target is drawn in proportion among the others", () => {
    const { first, targets } = draws(fleetOf(build, [0.5, 0.25, 0.125], policy), 9_000);
    const seconds = targets.filter((_, index) => first[index] === 0).map(([, second]) => second);
    const share = seconds.filter((second) => second === "10.0.0.1:8000").length / seconds.length;
    expect(share).toBeGreaterThan(0.64);
    expect(share).toBeLessThan(0.69);
  });

  it("a candidate without a positive total comes last", () => {
    const { first, targets } = draws(fleetOf(build, [0, 0.001, 0], policy), 500);
    expect(new Set(first)).toEqual(new Set([1]));
    // And those without one in random order.
    const seconds = targets.map(([, second]) => second);
    expect(new Set(seconds)).toEqual(new Set(["10.0.0.0:8000", "10.0.0.2:8000"]));
  });

  it("without any positive total the pick is random", () => {
    const { first } = draws(fleetOf(build, [0.25, 0.5, 1], policy, -1), 3_000);
    // 99.9 % point of χ² with 2 degrees of freedom.
    expect(chiSquare(first, [1, 1, 1])).toBeLessThan(13.82);
  });

  it("totals near the end of the numbers still name each target once", () => {
    const { targets } = draws(fleetOf(build, [0.75, 0.5, 0.25], { ...policy, targetsMax: 3 }, 1e-308), 200);
    expect(targets.every((named) => new Set(named).size === 3)).toBe(true);
  });

  it.each([1e-300, 1e300])("totals of any size keep their proportion: weight %d", (weight) => {
    const { first } = draws(fleetOf(build, [0.75, 0.25], policy, weight), 2_000);
    const share = first.filter((slot) => slot === 0).length / first.length;
    expect(share).toBeGreaterThan(0.71);
    expect(share).toBeLessThan(0.79);
  });
});

describe.each([
  ["random", PICKER_OPS.random],
  ["weighted-random", PICKER_OPS.weightedRandom],
] as const)("%s picker", (_name, picker) => {
  it("draws from the seed alone: both builds pick the same", () => {
    const totals = Array.from({ length: 40 }, (_, slot) => ((slot * 7) % 40) / 40);
    const [debug, release] = KERNEL_BUILDS.map((build) =>
      draws(fleetOf(build, totals, { picker, targetsMax: 16 }), 200),
    );
    expect(debug).toEqual(release);
    expect(debug?.targets.every((targets) => new Set(targets).size === 16)).toBe(true);
  });
});
