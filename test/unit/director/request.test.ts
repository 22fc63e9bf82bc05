import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { EppError } from "../../../src/base/errors.ts";
import { Prng } from "../../../src/base/prng.ts";
import { BUILTIN_PLUGINS } from "../../../src/builtins.ts";
import type { DecisionRecord } from "../../../src/director/context.ts";
import { DecisionQueue } from "../../../src/director/decision-queue.ts";
import { Director } from "../../../src/director/director.ts";
import { KnownFleet } from "../../../src/director/known-fleet.ts";
import { ObjectiveTable } from "../../../src/director/objectives.ts";
import { PolicySet, type ShardPolicy } from "../../../src/director/policy-set.ts";
import type { InferenceRequest, Outcome } from "../../../src/director/request.ts";
import { PluginRegistry } from "../../../src/framework/registry.ts";
import { openaiChatParser } from "../../../src/parsing/openai-chat.ts";
import { passthroughParser } from "../../../src/parsing/passthrough.ts";
import { queueDepthScorer } from "../../../src/plugins/scorers/queue-depth.ts";
import { compilePolicy } from "../../../src/scheduling/policy.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { NameTable } from "../../../src/wasm/name-table.ts";
import { PolicyTable } from "../../../src/wasm/policies.ts";
import { DEFAULT_CONFIG } from "../../support/default-config.ts";
import { CHAT_PATH, chatBody } from "../../support/ext-proc-messages.ts";
import { endpoint, type TestFleet, testFleet } from "../../support/fleet.ts";
import { scorerProgram } from "../../support/plugins.ts";

const BODY = chatBody("hello", "model-a");

interface TestDirector {
  readonly fleet: TestFleet;
  readonly clock: ManualClock;
  readonly records: readonly DecisionRecord[];
  readonly unknownNames: readonly string[];
  readonly policies: PolicySet;
  /** Numbers of policies that are held. */
  readonly held: readonly number[];
  open(path?: string): InferenceRequest;
  turn(): void;
}

function testDirector(): TestDirector {
  const fleet = testFleet("debug", [endpoint()], [{ program: scorerProgram(queueDepthScorer), weight: 1 }], {
    shape: { streamWindowCount: 1 },
  });
  const [memory] = fleet.shards;
  if (memory === undefined) throw new Error("the test fleet has no shard");
  const clock = new ManualClock();
  const deferred: (() => void)[] = [];
  const records: DecisionRecord[] = [];
  const unknownNames: string[] = [];
  const held: number[] = [];
  const policies = new PolicySet(shardPolicy(memory.activePolicy), {
    hold: (number) => held.push(number),
    release: (number) => held.splice(held.indexOf(number), 1),
  });
  const director = new Director({
    memory,
    policies,
    fleet: new KnownFleet(),
    objectives: new ObjectiveTable(),
    decisions: new DecisionQueue({
      memory,
      clock,
      withScores: false,
      withCandidates: false,
      defer: (task) => deferred.push(task),
    }),
    clock,
    prng: new Prng(1),
    limits: { requestBodySizeMax: 1_000, modelSizeMax: layout.MODEL_SIZE_MAX },
    onUnknownName: (name) => unknownNames.push(name),
    onDecision: (record) => records.push(record),
    onFinished: () => undefined,
  });
  return {
    fleet,
    clock,
    records,
    unknownNames,
    policies,
    held,
    open: (path = CHAT_PATH) => director.open({ path, requestId: "request-1" }),
    turn() {
      for (const task of deferred.splice(0)) task();
    },
  };
}

function shardPolicy(number: number): ShardPolicy {
  const compiled = compilePolicy(DEFAULT_CONFIG, new PluginRegistry(BUILTIN_PLUGINS));
  return { number, compiled, parsers: [openaiChatParser, passthroughParser] };
}

/** What a request's answer was, as often as it came. */
function complete(request: InferenceRequest): Outcome[] {
  const outcomes: Outcome[] = [];
  request.complete(undefined, (outcome) => outcomes.push(outcome));
  return outcomes;
}

const inFlight = ({ fleet }: TestDirector): number => fleet.kernel.inFlightRequests(0);

/** True while the only stream window can be taken: another request's first byte is not refused. */
function isWindowFree(director: TestDirector): boolean {
  const request = director.open();
  const refusal = request.feed(Buffer.from("{"), "more");
  request.finish(false);
  return refusal === undefined;
}

describe("a request", () => {
  it("holds a window from its first byte to its decision, and a charge from then to its end", () => {
    const director = testDirector();
    const request = director.open();
    expect(isWindowFree(director)).toBe(true);
    expect(request.feed(BODY, "last")).toBeUndefined();
    expect([isWindowFree(director), inFlight(director)]).toEqual([false, 0]);
    const outcomes = complete(request);
    expect([isWindowFree(director), inFlight(director)]).toEqual([false, 0]);
    director.turn();
    expect(outcomes).toMatchObject([{ pick: { slot: 0, hostPort: "10.0.0.0:8000" } }]);
    expect([isWindowFree(director), inFlight(director)]).toEqual([true, 1]);
    request.finish(false);
    expect(inFlight(director)).toBe(0);
  });

  it("is read by the parser of its own path under its own policy, whatever the request before it was", () => {
    const director = testDirector();
    const isRead = (path?: string): boolean => {
      const request = director.open(path);
      const refusal = request.feed(Buffer.from("no JSON"), "last");
      request.finish(false);
      return refusal !== undefined;
    };
    expect([CHAT_PATH, CHAT_PATH, "/other", CHAT_PATH, "/other"].map(isRead)).toEqual([true, true, false, true, false]);
    const { active } = director.policies;
    director.policies.replace({ ...active, parsers: [passthroughParser] });
    expect(isRead(CHAT_PATH)).toBe(false);
    director.policies.replace(active);
    expect(isRead(CHAT_PATH)).toBe(true);
  });

  it("may be finished more than once", () => {
    const director = testDirector();
    const [first, second] = [director.open(), director.open()];
    for (const request of [first, second]) {
      request.feed(BODY, "last");
      complete(request);
      director.turn();
    }
    first.finish(false);
    first.finish(false);
    expect(inFlight(director)).toBe(1);
    second.finish(false);
    expect(inFlight(director)).toBe(0);
  });

  it("that is finished before it is decided is not answered, and its charge is returned with the decision", () => {
    const director = testDirector();
    const request = director.open();
    request.feed(BODY, "last");
    const outcomes = complete(request);
    request.finish(false);
    expect(isWindowFree(director)).toBe(false);
    director.turn();
    expect([outcomes.length, inFlight(director), isWindowFree(director)]).toEqual([0, 0, true]);
    expect(director.records).toEqual([]);
  });

  it("that is finished while its body arrives gives its window back", () => {
    const director = testDirector();
    const request = director.open();
    request.feed(BODY.subarray(0, 10), "more");
    request.finish(false);
    expect(isWindowFree(director)).toBe(true);
  });

  it("takes nothing more once it is refused", () => {
    const director = testDirector();
    const request = director.open();
    expect(request.feed(Buffer.from("x"), "more")).toBeInstanceOf(EppError);
    expect(isWindowFree(director)).toBe(true);
    expect(request.feed(BODY, "last")).toBeUndefined();
    expect(complete(request)).toEqual([]);
    director.turn();
    expect([inFlight(director), isWindowFree(director)]).toEqual([0, true]);
  });

  it("is decided once, however often it is completed", () => {
    const director = testDirector();
    const request = director.open();
    request.feed(BODY, "last");
    const first = complete(request);
    const second = complete(request);
    director.turn();
    expect([first.length, second.length, inFlight(director)]).toEqual([1, 0, 1]);
  });

  it("that lacks a required field is refused without a decision", () => {
    const director = testDirector();
    const request = director.open();
    request.feed(Buffer.from("{}"), "last");
    expect(complete(request)).toMatchObject([{ code: "BadRequest", message: "model not found in request body" }]);
    director.turn();
    expect([inFlight(director), isWindowFree(director)]).toEqual([0, true]);
  });

  it("that is not read needs no window", () => {
    const director = testDirector();
    const holder = director.open();
    holder.feed(Buffer.from("{"), "more");
    const request = director.open("/v1/other");
    expect(request.feed(Buffer.from("anything"), "last")).toBeUndefined();
    const outcomes = complete(request);
    director.turn();
    expect(outcomes).toMatchObject([{ pick: { slot: 0 } }]);
  });

  it("keeps the policy that was active when it began, and the policy is held until then", () => {
    const director = testDirector();
    const { program } = compilePolicy(DEFAULT_CONFIG, new PluginRegistry(BUILTIN_PLUGINS));
    const table = new PolicyTable(director.fleet.memory);
    const begun = [program, program].map((policy) => {
      const number = table.publish(policy) as number;
      director.policies.replace(shardPolicy(number));
      return { number, request: director.open() };
    });
    const numbers = begun.map(({ number }) => number);
    expect(new Set(numbers).size).toBe(2);
    expect(director.held).toEqual(numbers);
    for (const { request } of begun) {
      request.feed(BODY, "last");
      complete(request);
      director.turn();
    }
    expect(director.records.map(({ policy }) => policy)).toEqual(numbers);
    for (const { request } of begun) {
      request.finish(false);
      request.finish(true);
    }
    expect(director.held).toEqual(numbers.slice(1));
  });

  it("holds its policy until the decision comes, when it ends before", () => {
    const director = testDirector();
    const [first] = director.held;
    const request = director.open();
    request.feed(BODY, "last");
    const outcomes = complete(request);
    director.policies.replace(shardPolicy(5));
    request.finish(true);
    expect(director.held).toEqual([first, 5]);
    director.turn();
    expect(director.held).toEqual([5]);
    expect(outcomes).toEqual([]);
  });
});

describe("the record of a decision", () => {
  it("has the times from headers and from the body's end", () => {
    const director = testDirector();
    const request = director.open();
    director.clock.advance(30);
    request.feed(BODY, "last");
    complete(request);
    director.clock.advance(5);
    director.turn();
    expect(director.records).toMatchObject([
      { requestId: "request-1", model: "model-a", batchSize: 1, decisionMs: 0, pickMs: 5, requestMs: 35 },
    ]);
  });

  it("comes with a report of the model until the model has a number", () => {
    const director = testDirector();
    const names = new NameTable(director.fleet.memory, director.fleet.kernel);
    const ask = (): void => {
      const request = director.open();
      request.feed(BODY, "last");
      complete(request);
      director.turn();
      request.finish(false);
    };
    ask();
    expect(director.unknownNames).toEqual(["model-a"]);
    const number = names.add("model-a");
    ask();
    expect(director.unknownNames).toEqual(["model-a"]);
    expect(director.records.map(({ pick }) => pick.nameNumber)).toEqual([0, number]);
  });
});
