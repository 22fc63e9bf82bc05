import { describe, expect, it } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { DELIVERIES, type Delivery, testShard } from "../../support/conversation.ts";
import { BLOCK_SIZE } from "../../support/fleet.ts";
import { KERNEL_BUILDS } from "../../support/kernel.ts";
import { type End, type ModelLimits, ReleaseModel } from "../../support/release-model.ts";

const LIMITS: Omit<ModelLimits, "cutsMessages"> = {
  endpointCount: 3,
  windowCount: 4,
  bodySizeMax: 2_000,
  blockSize: BLOCK_SIZE,
};
const SEEDS_COUNT = 20;
const STEPS_COUNT = 1_000;
const STREAMS_MAX = 10;

const ENDS: readonly End[] = [
  "refused 400",
  "refused 413",
  "refused 429",
  "answered",
  "half-closed",
  "cancelled",
  "failed",
];

// Strategy: up to 10 streams over one shard with 4 windows, in random order, each following a random plan (valid, bad,
// cut, too large, unread, without body; in random pieces, whose messages come whole or cut in turn; ended by its last
// piece or by trailers), disturbed at random by cancellation, half-close, garbage and messages out of order.
// Invariants, after every step: windows and slabs taken, requests and tokens in flight per endpoint, and open streams
// are those of the plain account in `release-model.ts`.
const RUNS = KERNEL_BUILDS.flatMap((build) => DELIVERIES.map((delivery) => ({ build, delivery })));

describe.each(RUNS)("what conversations claim ($build build, messages $delivery)", ({ build, delivery }) => {
  it(`is returned on every way out (${SEEDS_COUNT} seeds, ${STEPS_COUNT} steps each)`, () => {
    const ends = new Map<End, number>();
    for (let seed = 1; seed <= SEEDS_COUNT; seed++) {
      try {
        for (const [end, count] of run(build, delivery, seed)) ends.set(end, (ends.get(end) ?? 0) + count);
      } catch (error) {
        throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
      }
    }
    const conversations = [...ends.values()].reduce((sum, count) => sum + count, 0);
    expect(conversations, "conversations").toBeGreaterThan(2_000);
    for (const end of ENDS) expect(ends.get(end), `conversations that ended ${end}`).toBeGreaterThan(20);
  });
});

function run(build: (typeof KERNEL_BUILDS)[number], delivery: Delivery, seed: number): ReadonlyMap<End, number> {
  const prng = new Prng(seed);
  const { endpointCount, windowCount, bodySizeMax } = LIMITS;
  const shard = testShard({ build, delivery, endpointCount, windowCount, requestBodySizeMax: bodySizeMax, seed });
  const model = new ReleaseModel(shard, { ...LIMITS, cutsMessages: delivery === "in pieces" }, prng.fork("model"));
  const steps = prng.fork("steps");
  for (let step = 0; step < STEPS_COUNT; step++) {
    const draw = steps.nextBelow(100);
    if (draw < 20 && model.openCount < STREAMS_MAX) model.open();
    else if (draw < 30) model.turn();
    else if (draw < 31) model.cancelAll();
    else model.step();
    model.check();
  }
  model.cancelAll();
  model.turn();
  expect(model.openCount).toBe(0);
  model.check();
  return model.ends;
}
