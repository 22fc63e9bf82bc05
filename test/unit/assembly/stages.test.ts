/**
 * Decisions in batches, one by one and step by step: the same result by all three ways; and custom parts in TypeScript
 * at their place between the steps.
 */
import { describe, expect, it } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { SharedCounters } from "../../../src/wasm/counters.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { FILTER_OPS, PICKER_OPS, SCORER_OPS } from "../../../src/wasm/policies.ts";
import type { Decided, PickRequest, Stages } from "../../../src/wasm/shard-memory.ts";
import { endpoint, NOW_MS, type TestFleet, testFleet } from "../../support/fleet.ts";
import { KERNEL_BUILDS, type KernelBuild } from "../../support/kernel.ts";
import { promptKeys, userText } from "../../support/prompt-keys.ts";
import { drawProfile, oneOf, RandomFleet } from "../../support/random-fleet.ts";

const PROMPTS = ["a".repeat(700), "b".repeat(2_000), "c".repeat(90)];
const NO_STAGES: Stages = {};

/** A random fleet, its policy and requests: the same each time for one seed. */
function prepare(build: KernelBuild, seed: number, count: number): { bench: RandomFleet; requests: PickRequest[] } {
  const prng = new Prng(seed);
  const bench = new RandomFleet(build, 256);
  const keys = PROMPTS.map((prompt) => promptKeys({ prompt: userText(prompt) }, 256));
  const fleet = bench.draw(prng, { prompts: keys, counts: [1, 8, 100, 300] });
  const profiles = [0, 1].map(() => drawProfile(prng));
  const policy = bench.publish(profiles, fleet, 1.5, 1_000);
  const requests = Array.from({ length: count }, (): PickRequest => {
    const prompt = oneOf(prng, [undefined, ...PROMPTS]);
    const slots = fleet.endpoints.filter(() => prng.nextBelow(3) === 0).map(({ slot }) => slot);
    return {
      window: prompt === undefined ? undefined : scan(bench, prompt, policy),
      policy,
      profile: prng.nextBelow(2),
      seedLow: prng.nextU32(),
      seedHigh: prng.nextU32(),
      masks: [slots, undefined, slots.slice(2)],
      sessions: [{ key: `s${prng.nextBelow(5)}`, secondsMax: 300, binds: true }],
      recordsPrompt: prng.nextBelow(3) > 0,
    };
  });
  return { bench, requests };
}

function scan({ shard }: RandomFleet, content: string, policy: number): number {
  const window = shard.acquireWindow(layout.API_OPENAI_CHAT, policy);
  if (window === undefined) throw new Error("no window is free");
  const body = JSON.stringify({ model: "test-model", messages: [{ role: "user", content }] });
  expect(shard.feed(window, Buffer.from(body), true)).toBeUndefined();
  return window;
}

const withScores = { withScores: true };

describe.each(KERNEL_BUILDS)("the same decisions (%s build)", (build) => {
  it.each([1, 8, 64, 256])("in a batch of %i and one by one", (count) => {
    let picked = 0;
    for (const seed of [11, 12, 13, 14]) {
      const together = prepare(build, seed, count);
      const alone = prepare(build, seed, count);
      const batch = together.bench.shard.decide(together.requests, NOW_MS, withScores);
      const single = alone.requests.flatMap((request) => alone.bench.shard.decide([request], NOW_MS, withScores));
      expect(batch, `seed ${seed}`).toEqual(single);
      picked += batch.filter(({ kind }) => kind === "picked").length;
    }
    expect(picked).toBeGreaterThan(0);
  });

  it("one by one and step by step", () => {
    const kinds = new Set<string>();
    for (let seed = 100; seed < 125; seed++) {
      const whole = prepare(build, seed, 8);
      const staged = prepare(build, seed, 8);
      for (const [index, request] of whole.requests.entries()) {
        const note = `seed ${seed} request ${index}`;
        const [expected] = whole.bench.shard.decide([request], NOW_MS, withScores) as [Decided];
        const twin = staged.requests[index] as PickRequest;
        expect(staged.bench.shard.decideStaged(twin, NOW_MS, NO_STAGES, withScores), note).toEqual(expected);
        kinds.add(expected.kind);
        if (expected.kind !== "picked") continue;
        const { candidateCount } = expected;
        expect(staged.bench.column(layout.TOTALS, candidateCount), note).toEqual(
          whole.bench.column(layout.TOTALS, candidateCount),
        );
        expect(staged.bench.candidateSlots(candidateCount), note).toEqual(whole.bench.candidateSlots(candidateCount));
      }
    }
    expect(kinds).toEqual(new Set(["picked", "filtered-out"]));
  });
});

const CUSTOM_FILTER = { op: FILTER_OPS.custom };
const CUSTOM_SCORER = { program: { op: SCORER_OPS.custom }, weight: 2 };
const BY_USAGE = { program: { op: SCORER_OPS.kvCacheUtilization }, weight: 1 };

function decideStaged(fleet: TestFleet, stages: Stages, request: Partial<PickRequest> = {}): Decided {
  const [shard] = fleet.shards;
  if (shard === undefined) throw new Error("the test fleet has no shard");
  return shard.decideStaged({ ...fleet.request(), ...request }, NOW_MS, stages, withScores);
}

const chargedRequests = (fleet: TestFleet, slot: number): number =>
  new SharedCounters(fleet.memory, fleet.kernel).inFlightRequests(slot);

describe.each(KERNEL_BUILDS)("the index writer's doorbell (%s build)", (build) => {
  const WAYS = ["in a batch", "step by step"] as const;
  const doorbell = (fleet: TestFleet): Int32Array =>
    new Int32Array(fleet.memory.buffer, layout.INDEX + layout.INDEX_SLEEPING, 1);

  it.each(WAYS)("rings when the index is told something, and only then: decided %s", (way) => {
    const fleet = testFleet(build, [endpoint()], []);
    const decide = (request: PickRequest): void => {
      if (way === "in a batch")
        fleet.shards[0]?.decide([fleet.request(), request, fleet.request()], NOW_MS, withScores);
      else decideStaged(fleet, NO_STAGES, request);
    };
    doorbell(fleet)[0] = 1;
    decide(fleet.request());
    expect(doorbell(fleet)[0], "no prompt").toBe(1);
    const window = fleet.scan("p".repeat(700));
    decide({ ...fleet.request(window), recordsPrompt: false });
    expect(doorbell(fleet)[0], "a prompt that is not to be remembered").toBe(1);
    decide({ ...fleet.request(window), recordsPrompt: true });
    expect(doorbell(fleet)[0], "a prompt").toBe(0);
  });
});

describe.each(KERNEL_BUILDS)("custom parts (%s build)", (build) => {
  const endpoints = [0.5, 0.25, 0, 0.75].map((kvCacheUsageFraction, slot) =>
    endpoint({ kvCacheUsageFraction, labelMasks: slot === 2 ? [] : [0], inFlightRequests: slot }),
  );

  it("run in the order of the profile, each on what is left", () => {
    const filters = [{ op: FILTER_OPS.labels, mask: 0 }, CUSTOM_FILTER, CUSTOM_FILTER];
    const scorers = [CUSTOM_SCORER, BY_USAGE, CUSTOM_SCORER];
    const fleet = testFleet(build, endpoints, scorers, { policy: { filters, picker: PICKER_OPS.custom } });
    const calls: unknown[] = [];
    const decided = decideStaged(fleet, {
      filter(number, candidates, keep) {
        calls.push([
          "filter",
          number,
          Array.from({ length: candidates.count }, (_, at) => candidates.slotAt(at)),
          [...keep],
        ]);
        keep[number === 1 ? 0 : 9] = 0;
      },
      score(number, candidates, scores) {
        calls.push(["score", number, candidates.count, [...scores]]);
        scores.set(number === 0 ? [1, 0] : [0.5, 0.25]);
      },
      pick(candidates, totals) {
        calls.push(["pick", candidates.count, [...totals]]);
        return [1, 0];
      },
    });
    expect(calls).toEqual([
      ["filter", 1, [0, 1, 3], [1, 1, 1]],
      ["filter", 2, [1, 3], [1, 1]],
      ["score", 0, 2, [Number.NaN, Number.NaN]],
      ["score", 2, 2, [Number.NaN, Number.NaN]],
      ["pick", 2, [2 + 0.75 + 1, 0.25 + 0.5]],
    ]);
    expect(decided).toMatchObject({ slot: 3, candidateCount: 2, scores: [0, 0.25, 0.25], total: 0.75, tieCount: 1 });
    expect(decided).toMatchObject({ targets: ["10.0.0.3:8000", "10.0.0.1:8000"] });
    expect(chargedRequests(fleet, 3)).toBe(4);
  });

  it("see the load of each candidate at its position", () => {
    const loads = [
      endpoint({ queueDepthRequests: 3, runningRequests: 7, kvCacheUsageFraction: 0.5, inFlightRequests: 2 }),
      { inFlightTokens: 90, attributeColumns: [4, 5] },
    ];
    const fleet = testFleet(build, loads, [], { policy: { filters: [CUSTOM_FILTER] } });
    const prompt = "p".repeat(700);
    fleet.hold(1, promptKeys({ prompt: userText(prompt) }, 256).slice(0, 2));
    const seen: unknown[] = [];
    decideStaged(
      fleet,
      {
        filter(_number, candidates) {
          for (const at of [0, 1]) {
            seen.push([
              candidates.queueDepthRequests(at),
              candidates.runningRequests(at),
              candidates.kvCacheUsageFraction(at),
              candidates.inFlightRequests(at),
              candidates.inFlightTokens(at),
              candidates.matchedBlocks(at),
              candidates.attribute(1, at),
            ]);
          }
          seen.push(candidates.blockCount);
        },
      },
      { window: fleet.scan(prompt) },
    );
    const unknown = [undefined, undefined, undefined];
    expect(seen).toEqual([[3, 7, 0.5, 2, 0, 0, undefined], [...unknown, 0, 90, 2, 5], 3]);
  });

  it("a score that is left unknown is the mean of the others", () => {
    const fleet = testFleet(build, endpoints, [CUSTOM_SCORER]);
    decideStaged(fleet, { score: (_number, _candidates, scores) => scores.set([1, 0.5], 1) });
    const base = fleet.shardBase(0) + layout.SCORES;
    expect([...new Float64Array(fleet.memory.buffer, base, 4)]).toEqual([0.75, 1, 0.5, 0.75]);
  });

  it("a filter that leaves nothing ends the decision, and no scorer runs", () => {
    const fleet = testFleet(build, endpoints, [CUSTOM_SCORER], { policy: { filters: [CUSTOM_FILTER] } });
    const decided = decideStaged(fleet, {
      filter: (_number, _candidates, keep) => keep.fill(0),
      score: () => expect.unreachable(),
    });
    expect(decided).toEqual({ kind: "filtered-out", filter: 0 });
  });

  it("nothing runs for a request without endpoints", () => {
    const fleet = testFleet(build, endpoints, [CUSTOM_SCORER], { policy: { filters: [CUSTOM_FILTER] } });
    expect(decideStaged(fleet, { filter: () => expect.unreachable() }, { addresses: [] })).toEqual({
      kind: "no-endpoints",
    });
  });

  it("what one throws ends the decision, and nothing is charged or told to the index", () => {
    const fleet = testFleet(build, endpoints, [CUSTOM_SCORER]);
    const window = fleet.scan("x".repeat(1_000));
    const fail = (): never => {
      throw new Error("custom fault");
    };
    expect(() => decideStaged(fleet, { score: fail }, { window })).toThrow("custom fault");
    expect([0, 1, 2, 3].map((slot) => chargedRequests(fleet, slot))).toEqual([0, 1, 2, 3]);
    expect(fleet.view.getUint32(fleet.shardBase(0) + layout.SHARD_RING_HEAD, true)).toBe(0);
    expect(decideStaged(fleet, { score: (_number, _candidates, scores) => scores.fill(1) })).toMatchObject({
      kind: "picked",
    });
  });

  it.each([
    { name: "no position", chosen: [], message: "named 0 targets" },
    { name: "too many", chosen: Array<number>(17).fill(0), message: "named 17 targets" },
    { name: "one that is none", chosen: [4], message: "position 4 of 4" },
    { name: "a fraction", chosen: [0.5], message: "position 0.5 of 4" },
  ])("a picker that names $name is refused", ({ chosen, message }) => {
    const fleet = testFleet(build, endpoints, [], { policy: { picker: PICKER_OPS.custom } });
    expect(() => decideStaged(fleet, { pick: () => chosen })).toThrow(message);
    expect(chargedRequests(fleet, 0)).toBe(0);
  });

  it("a profile with custom parts does not run without them", () => {
    const fleet = testFleet(build, endpoints, [], { policy: { filters: [CUSTOM_FILTER] } });
    expect(() => decideStaged(fleet, {})).toThrow("custom filter");
  });

  it("a profile with custom parts is refused in a batch", () => {
    const fleet = testFleet(build, endpoints, [CUSTOM_SCORER]);
    expect(() => fleet.decide([fleet.request()])).toThrow("custom parts in a batch");
    const others = [{ filters: [CUSTOM_FILTER] }, { picker: PICKER_OPS.custom }, {}];
    const staged = others.map((policy) => fleet.shards[0]?.isStaged({ policy: fleet.publish([], policy) }));
    expect(staged).toEqual([true, true, false]);
  });

  it("a look at the candidates decides nothing", () => {
    const fleet = testFleet(build, endpoints, [], { policy: { filters: [{ op: FILTER_OPS.labels, mask: 0 }] } });
    const candidates = fleet.shards[0]?.look(fleet.request(), NOW_MS);
    expect([0, 1, 2, 3].map((at) => candidates?.inFlightRequests(at))).toEqual([0, 1, 2, 3]);
    expect(candidates?.count).toBe(4);
    expect(fleet.shards[0]?.look({ ...fleet.request(), addresses: [] }, NOW_MS).count).toBe(0);
    const counters = new SharedCounters(fleet.memory, fleet.kernel);
    expect(counters.shards(layout.SHARD_COUNTER_NO_ENDPOINTS)).toBe(0);
    expect(counters.shards(layout.SHARD_COUNTER_PICKS)).toBe(0);
    expect(chargedRequests(fleet, 0)).toBe(0);
  });
});
