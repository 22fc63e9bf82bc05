/** The order of cold picks, which all shards share: who gets a prompt that nobody holds. */
import { describe, expect, it } from "vitest";
import { SCORER_OPS } from "../../../src/wasm/policies.ts";
import { BLOCK_SIZE, endpoint, type TestFleet, testFleet } from "../../support/fleet.ts";
import { KERNEL_BUILDS, type KernelBuild } from "../../support/kernel.ts";
import { promptKeys, userText } from "../../support/prompt-keys.ts";

function fleetOf(build: KernelBuild, endpointCount: number, { remembered = 0, shardCount = 1 } = {}): TestFleet {
  const endpoints = Array.from({ length: endpointCount }, () => endpoint());
  const program = { op: SCORER_OPS.noHitLru, parameters: [remembered] };
  return testFleet(build, endpoints, [{ program, weight: 1 }], { shape: { shardCount } });
}

/** Slots of cold picks for seeds from `seed` on. */
function pickCold(fleet: TestFleet, count: number, seed = 0, shard = 0): number[] {
  return Array.from({ length: count }, (_, index) => {
    const pick = fleet.pick(undefined, { seed: seed + index, shard });
    if (pick === undefined) throw new Error("nothing was picked");
    fleet.shards[shard]?.release(pick);
    return pick.slot;
  });
}

const sorted = (slots: readonly number[]): number[] => slots.toSorted((one, other) => one - other);

describe.each(KERNEL_BUILDS)("no-hit LRU scores (%s build)", (build) => {
  it("endpoints that were never picked come first, in random order", () => {
    const fleet = fleetOf(build, 3);
    const orders = new Set<string>();
    for (let round = 0; round < 60; round++) {
      for (const slot of [0, 1, 2]) {
        fleet.columns.remove(slot);
        fleet.columns.add(slot, `10.0.0.${slot}:8000`);
      }
      const scores = fleet.decide([fleet.request(undefined, round)]).map((pick) => pick?.scores);
      expect(scores).toEqual([[1]]);
      orders.add(pickCold(fleet, 2, 100 + round).join());
    }
    expect(orders.size).toBe(6);
  });

  it("they score 1 − i / (N − 1)", () => {
    const fleet = fleetOf(build, 5);
    pickCold(fleet, 1);
    expect(sorted(fleet.scores().map((score) => score * 4))).toEqual([0, 1, 2, 3, 4]);
  });

  it("after them come the others, the least recent first", () => {
    const fleet = fleetOf(build, 5);
    const [first = -1, second = -1, third = -1] = pickCold(fleet, 3);
    const scores = fleet.scores();
    expect([scores[first], scores[second], scores[third]]).toEqual([0.5, 0.25, 0]);
    const fresh = [0, 1, 2, 3, 4].filter((slot) => ![first, second, third].includes(slot));
    expect(sorted(fresh.map((slot) => scores[slot] ?? -1))).toEqual([0.75, 1]);
  });

  it("so cold requests go round, in the order of the first round, on whatever shard", () => {
    const fleet = fleetOf(build, 7, { shardCount: 2 });
    const first = pickCold(fleet, 7);
    expect(sorted(first)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(pickCold(fleet, 7, 100, 1)).toEqual(first);
    expect(pickCold(fleet, 7, 200, 0)).toEqual(first);
  });

  it("one candidate scores 1, however recent", () => {
    const fleet = fleetOf(build, 1);
    pickCold(fleet, 2);
    expect(fleet.scores()).toEqual([1]);
  });

  it("a candidate that holds some of the prompt makes all score 0.5, and the pick is not noted", () => {
    const fleet = fleetOf(build, 3);
    const [first, second] = pickCold(fleet, 2);
    const prompt = "x".repeat(3 * BLOCK_SIZE);
    fleet.hold(1, promptKeys({ prompt: userText(prompt) }, BLOCK_SIZE).slice(0, 1));
    for (let round = 0; round < 5; round++) expect(fleet.scores(fleet.scan(prompt))).toEqual([0.5, 0.5, 0.5]);
    // The third one is still the one that was never picked.
    expect(pickCold(fleet, 3, 60)).toEqual([3 - (first ?? 9) - (second ?? 9), first, second]);
  });

  it("candidates that are few score by their places among all, not below 0", () => {
    const fleet = fleetOf(build, 4);
    const order = pickCold(fleet, 4);
    const lastTwo = order.slice(2);
    const addresses = lastTwo.map((slot) => `10.0.0.${slot}`);
    const [pick] = fleet.decide([{ ...fleet.request(), addresses }]);
    // Places 2 and 3 of N − 1 = 1: both at the floor.
    expect(pick).toMatchObject({ candidateCount: 2, total: 0, tieCount: 2 });
  });

  it("only as many as the order remembers have a place in it; older ones count as never picked", () => {
    const fleet = fleetOf(build, 4, { remembered: 2 });
    const order = pickCold(fleet, 4, 5);
    const scores = fleet.scores();
    expect([scores[order[2] ?? -1], scores[order[3] ?? -1]]).toEqual([1 - 2 / 3, 0]);
  });

  it("a new endpoint of a slot was never picked", () => {
    const fleet = fleetOf(build, 3);
    const order = pickCold(fleet, 3);
    const recent = order[2] ?? -1;
    fleet.columns.remove(recent);
    fleet.columns.add(recent, "10.0.0.99:8000");
    expect(pickCold(fleet, 1, 90)).toEqual([recent]);
  });

  it("a pick that is not to be remembered is not noted", () => {
    const fleet = fleetOf(build, 2);
    const [first = -1] = pickCold(fleet, 1);
    for (let seed = 0; seed < 5; seed++) {
      const [pick] = fleet.decide([{ ...fleet.request(undefined, seed), recordsPrompt: false }]);
      expect(pick?.slot).toBe(1 - first);
    }
  });

  it("the order survives a shard that is replaced", () => {
    const fleet = fleetOf(build, 6);
    const order = pickCold(fleet, 6);
    fleet.kernel.resetShard(0);
    expect(pickCold(fleet, 6, 300)).toEqual(order);
  });
});
