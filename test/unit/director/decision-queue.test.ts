import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { BATCH_SIZE_MAX, type Decision, DecisionQueue, type QueuedPick } from "../../../src/director/decision-queue.ts";
import { queueDepthScorer } from "../../../src/plugins/scorers/queue-depth.ts";
import type { Decided, PickRequest } from "../../../src/wasm/shard-memory.ts";
import { type EndpointLoad, endpoint, type TestFleet, testFleet } from "../../support/fleet.ts";
import { scorerProgram } from "../../support/plugins.ts";

interface TestQueue {
  readonly fleet: TestFleet;
  readonly queue: DecisionQueue;
  readonly clock: ManualClock;
  readonly deferred: (() => void)[];
}

function testQueue(endpoints: readonly EndpointLoad[], { withScores = false } = {}): TestQueue {
  const fleet = testFleet("debug", endpoints, [{ program: scorerProgram(queueDepthScorer), weight: 1 }]);
  const [memory] = fleet.shards;
  if (memory === undefined) throw new Error("the test fleet has no shard");
  const clock = new ManualClock();
  const deferred: (() => void)[] = [];
  const queue = new DecisionQueue({
    memory,
    clock,
    withScores,
    withCandidates: false,
    defer: (task) => deferred.push(task),
  });
  return { fleet, queue, clock, deferred };
}

/** A pick that the kernel makes alone. */
const plain = (request: PickRequest, onDecided: QueuedPick["onDecided"]): QueuedPick => {
  return { request, stages: undefined, onDecided };
};

const slotOf = (decided: Decided): number | undefined => (decided.kind === "picked" ? decided.slot : undefined);

function runDeferred(deferred: (() => void)[]): void {
  for (const task of deferred.splice(0)) task();
}

describe("a decision queue", () => {
  it("decides nothing before the end of the turn, and defers once per turn", () => {
    const { fleet, queue, deferred } = testQueue([endpoint()]);
    const decided: Decision[] = [];
    for (let index = 0; index < 3; index++) queue.push(plain(fleet.request(), (decision) => decided.push(decision)));
    expect([decided.length, deferred.length]).toEqual([0, 1]);
    runDeferred(deferred);
    expect(decided.map(({ batchSize }) => batchSize)).toEqual([3, 3, 3]);
    queue.push(plain(fleet.request(), (decision) => decided.push(decision)));
    expect(deferred).toHaveLength(1);
    runDeferred(deferred);
    expect(decided.at(-1)?.batchSize).toBe(1);
  });

  it("answers in order of arrival, each with its own pick", () => {
    // Queues of 0, 1 and 2: the first picks fill the shortest until all are equal.
    const { fleet, queue, deferred } = testQueue(
      [0, 1, 2].map((queueDepthRequests) => endpoint({ queueDepthRequests })),
    );
    const slots: (number | undefined)[] = [];
    for (let index = 0; index < 3; index++)
      queue.push(plain(fleet.request(), ({ decided }) => slots.push(slotOf(decided))));
    runDeferred(deferred);
    expect(slots[0]).toBe(0);
    expect(slots.toSorted()).toEqual([0, 0, 1]);
  });

  it("decides more than one crossing takes in several, and keeps the order", () => {
    const { fleet, queue, deferred } = testQueue([endpoint(), endpoint()]);
    const count = 3 * BATCH_SIZE_MAX + 5;
    const order: number[] = [];
    const batchSizes: number[] = [];
    for (let index = 0; index < count; index++) {
      const onDecided = ({ batchSize }: Decision): void => {
        order.push(index);
        batchSizes.push(batchSize);
      };
      queue.push(plain(fleet.request(undefined, index), onDecided));
    }
    runDeferred(deferred);
    expect(order).toEqual(Array.from({ length: count }, (_, index) => index));
    expect(batchSizes).toEqual([...Array.from({ length: count - 5 }, () => BATCH_SIZE_MAX), 5, 5, 5, 5, 5]);
    const [first, second] = [0, 1].map((slot) => fleet.kernel.inFlightRequests(slot));
    expect([first, second].toSorted()).toEqual([Math.floor(count / 2), Math.ceil(count / 2)].toSorted());
  });

  it.each([
    { answerMs: 0.01, largestMs: 1.08 },
    { answerMs: 0.09, largestMs: 1.44 },
    { answerMs: 0.5, largestMs: BATCH_SIZE_MAX * 0.5 },
  ])("works off a burst in slices of a millisecond and a batch at most ($answerMs ms per answer)", (pace) => {
    const { fleet, queue, deferred, clock } = testQueue([endpoint()]);
    const order: number[] = [];
    const push = (index: number): void => {
      const onDecided = (): void => {
        order.push(index);
        clock.advance(pace.answerMs);
      };
      queue.push(plain(fleet.request(), onDecided));
    };
    for (let index = 0; index < 2_000; index++) push(index);
    let sliceCount = 0;
    while (deferred.length > 0) {
      const startMs = clock.nowMs();
      const answeredBefore = order.length;
      runDeferred(deferred);
      expect(clock.nowMs() - startMs).toBeLessThan(pace.largestMs + 1e-9);
      expect(order.length).toBeGreaterThan(answeredBefore);
      sliceCount++;
      // What comes between two slices has its turn behind all that came before.
      if (sliceCount <= 3) push(1_999 + sliceCount);
    }
    expect(order).toEqual(Array.from({ length: 2_003 }, (_, index) => index));
    expect(sliceCount).toBeGreaterThan((2_003 * pace.answerMs) / pace.largestMs - 1);
  });

  it("decides late picks on what is known then", () => {
    const { fleet, queue, deferred, clock } = testQueue([endpoint(), endpoint({ queueDepthRequests: 50 })]);
    const slots: (number | undefined)[] = [];
    for (let index = 0; index < BATCH_SIZE_MAX + 1; index++) {
      const onDecided = ({ decided }: Decision): void => {
        slots.push(slotOf(decided));
        clock.advance(1);
      };
      queue.push(plain(fleet.request(undefined, index), onDecided));
    }
    runDeferred(deferred);
    expect(slots).toEqual(Array.from({ length: BATCH_SIZE_MAX }, () => 0));
    fleet.columns.remove(0);
    runDeferred(deferred);
    expect(slots.at(-1)).toBe(1);
  });

  it("leaves what is pushed while it decides to the next turn", () => {
    const { fleet, queue, deferred } = testQueue([endpoint()]);
    const batchSizes: number[] = [];
    const note = ({ batchSize }: Decision): number => batchSizes.push(batchSize);
    const onDecided = (decision: Decision): void => {
      note(decision);
      queue.push(plain(fleet.request(), note));
    };
    queue.push(plain(fleet.request(), onDecided));
    runDeferred(deferred);
    expect([batchSizes.length, deferred.length]).toEqual([1, 1]);
    runDeferred(deferred);
    expect(batchSizes).toEqual([1, 1]);
    expect(deferred).toHaveLength(0);
  });

  it("says that there is no pick when no endpoint is known", () => {
    const { fleet, queue, deferred } = testQueue([]);
    const decided: Decision[] = [];
    queue.push(plain(fleet.request(), (decision) => decided.push(decision)));
    runDeferred(deferred);
    expect(decided).toEqual([{ decided: { kind: "no-endpoints" }, batchSize: 1, batchMs: 0 }]);
  });

  it.each([
    { withScores: true, scores: [1] },
    { withScores: false, scores: [] },
  ])("reads scores back only when decisions are explained ($withScores)", ({ withScores, scores }) => {
    const { fleet, queue, deferred } = testQueue([endpoint()], { withScores });
    const decided: Decision[] = [];
    queue.push(plain(fleet.request(), (decision) => decided.push(decision)));
    runDeferred(deferred);
    expect(decided[0]?.decided).toMatchObject({ scores });
  });
});
