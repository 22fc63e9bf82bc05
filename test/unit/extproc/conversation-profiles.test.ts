/** Policies with several profiles: rounds of picks, what is charged, and whose result is the answer. */
import { describe, expect, it } from "vitest";
import { EppError } from "../../../src/base/errors.ts";
import { ROUNDS_MAX } from "../../../src/director/schedule.ts";
import type { PluginDefinition, ProfileHandler } from "../../../src/framework/plugin.ts";
import { type TestShard, testShard } from "../../support/conversation.ts";
import {
  bodyMessages,
  chatBody,
  type RequestAnswer,
  readRequestAnswer,
  requestHeaders,
} from "../../support/ext-proc-messages.ts";
import { KERNEL_BUILDS, type KernelBuild } from "../../support/kernel.ts";
import { configOf, testPlugin } from "../../support/plugins.ts";

const ROLES = [{ "llm-d.ai/role": "prefill" }, { "llm-d.ai/role": "decode" }];
const PROMPT = "p".repeat(1_000);

/** Decides on a decode endpoint first and then, in a second round, on one that prefills. */
const decodeFirst: ProfileHandler = {
  checkProfiles: () => undefined,
  nextProfiles: (_request, _names, results) => {
    if (results.size === 0) return ["decode"];
    return results.size === 1 && results.get("decode") !== undefined ? ["prefill"] : [];
  },
  finish: (_request, results) => ({
    primaryProfile: "decode",
    headers: [{ name: "x-prefiller-host-port", value: results.get("prefill")?.targets[0] ?? "none" }],
  }),
};

function shardWith(handler: ProfileHandler, options: { build?: KernelBuild; labels?: typeof ROLES } = {}): TestShard {
  const definition: PluginDefinition = testPlugin("two-rounds", ["profile-handler"], () => ({
    profileHandler: handler,
  }));
  const types = ["two-rounds", "prefill-filter", "decode-filter", "queue-scorer", "prefix-cache-scorer"];
  const scorers = ["queue-scorer", "prefix-cache-scorer"];
  const config = configOf(types, { prefill: ["prefill-filter", ...scorers], decode: ["decode-filter", ...scorers] });
  const labels = options.labels ?? ROLES;
  return testShard({
    plugins: [definition],
    config,
    labels,
    endpointCount: labels.length,
    build: options.build ?? "debug",
  });
}

function ask(shard: TestShard, prompt = PROMPT): { answer: RequestAnswer; end: () => void } {
  const stream = shard.open();
  stream.send(requestHeaders(), ...bodyMessages("requestBody", chatBody(prompt)));
  for (let turn = 0; turn <= ROUNDS_MAX; turn++) shard.turn();
  return { answer: readRequestAnswer(stream.answers), end: () => stream.halfClose() };
}

const inFlight = (shard: TestShard): number[] => [0, 1].map((slot) => shard.counters.inFlightRequests(slot));

describe.each(KERNEL_BUILDS)("a handler of two profiles (%s build)", (build) => {
  it("gets the results of each round, names the answer, and tells the server of the other", () => {
    const shard = shardWith(decodeFirst, { build });
    const { answer } = ask(shard);
    expect(answer).toMatchObject({
      kind: "routed",
      destination: "10.0.0.1:8000",
      headers: { "x-prefiller-host-port": "10.0.0.0:8000" },
    });
    expect(shard.decisions).toMatchObject([{ profile: 1, pick: { slot: 1 } }]);
  });

  it("has every profile's first endpoint charged, and all charges returned at the end", () => {
    const shard = shardWith(decodeFirst, { build });
    const { end } = ask(shard);
    expect(inFlight(shard)).toEqual([1, 1]);
    expect([0, 1].map((slot) => shard.counters.inFlightTokens(slot) > 0)).toEqual([true, true]);
    end();
    expect(inFlight(shard)).toEqual([0, 0]);
    expect([0, 1].map((slot) => shard.counters.inFlightTokens(slot))).toEqual([0, 0]);
    expect(shard.freeWindowCount()).toBe(16);
  });

  it.each([
    { name: "everywhere", handler: decodeFirst, held: "4 blocks" },
    {
      name: "not where the handler says so",
      handler: { ...decodeFirst, recordsPrompt: () => false },
      held: "0 blocks",
    },
  ])("has the prompt recorded $name", ({ handler, held }) => {
    const finish: ProfileHandler["finish"] = (_request, results) => {
      const prefill = results.get("prefill");
      return { primaryProfile: "decode", headers: [{ name: "x-held", value: `${prefill?.matchedBlocks} blocks` }] };
    };
    const shard = shardWith({ ...handler, finish }, { build });
    ask(shard).end();
    expect(ask(shard).answer.headers["x-held"]).toBe(held);
  });
});

describe("a handler of two profiles", () => {
  it("decides itself what becomes of a profile without a result", () => {
    const shard = shardWith(decodeFirst, { labels: [{ "llm-d.ai/role": "decode" }, { "llm-d.ai/role": "decode" }] });
    expect(ask(shard).answer).toMatchObject({ kind: "routed", headers: { "x-prefiller-host-port": "none" } });
  });

  it("that chooses a profile without a result is answered as that profile would be: 429", () => {
    const shard = shardWith(decodeFirst, { labels: [{ "llm-d.ai/role": "prefill" }, { "llm-d.ai/role": "prefill" }] });
    expect(ask(shard).answer).toMatchObject({
      status: 429,
      text: "inference error: ResourceExhausted - no endpoints available for the given request",
    });
    expect(inFlight(shard)).toEqual([0, 0]);
  });

  it("may have all profiles of a round decided together", () => {
    const shard = shardWith({
      checkProfiles: () => undefined,
      nextProfiles: (_request, names, results) => (results.size === 0 ? names : []),
      finish: () => ({ primaryProfile: "prefill" }),
    });
    expect(ask(shard).answer).toMatchObject({ destination: "10.0.0.0:8000" });
    expect(shard.decisions).toMatchObject([{ profile: 0, batchSize: 2 }]);
  });

  it("that only finishes runs the first profile, and may set headers", () => {
    const shard = shardWith({
      checkProfiles: () => undefined,
      finish: (_request, results) => ({
        primaryProfile: "prefill",
        headers: [{ name: "x-data-parallel-host-port", value: results.get("prefill")?.targets[0] ?? "" }],
      }),
    });
    expect(ask(shard).answer).toMatchObject({
      destination: "10.0.0.0:8000",
      headers: { "x-data-parallel-host-port": "10.0.0.0:8000" },
    });
    expect(inFlight(shard)).toEqual([1, 0]);
  });

  it("may name another way to the picked endpoint", () => {
    const shard = shardWith({
      ...decodeFirst,
      finish: (_request, results) => ({
        primaryProfile: "decode",
        headers: [{ name: "x-gateway-destination-endpoint", value: `via ${results.get("decode")?.targets[0]}` }],
      }),
    });
    expect(ask(shard).answer).toMatchObject({ destination: "via 10.0.0.1:8000" });
  });

  it("may refuse a request with an error of its own", () => {
    const shard = shardWith({
      ...decodeFirst,
      nextProfiles: () => {
        throw new EppError("NotFound", "no such profile");
      },
    });
    expect(ask(shard).answer).toMatchObject({ status: 404, text: "inference error: NotFound - no such profile" });
  });

  it.each([
    {
      name: "throws",
      next: () => {
        throw new Error("lost");
      },
      text: "the profile handler failed",
    },
    {
      name: "names an unknown profile",
      next: () => ["encode"],
      text: 'the profile handler names a profile "encode"; there is none',
    },
    {
      name: "runs a profile twice",
      next: () => ["decode"],
      text: 'the profile handler runs the profile "decode" twice',
    },
    { name: "chooses nothing", next: () => [], finish: () => undefined, text: "the profile handler chose no profile" },
    { name: "chooses what did not run", next: () => [], text: 'the profile handler chose "decode", which did not run' },
  ])("that $name is answered with 429, and nothing stays charged", ({ next, finish, text }) => {
    const handler = { ...decodeFirst, nextProfiles: next, ...(finish && { finish }) } as unknown as ProfileHandler;
    const shard = shardWith(handler);
    expect(ask(shard).answer).toMatchObject({
      status: 429,
      text: `inference error: ResourceExhausted - failed to find target endpoint: ${text}`,
    });
    expect(inFlight(shard)).toEqual([0, 0]);
    expect(shard.freeWindowCount()).toBe(16);
  });

  it("is not asked for a further round when the request is gone, and what was charged comes back", () => {
    let calls = 0;
    const shard = shardWith({
      ...decodeFirst,
      nextProfiles(request, names, soFar) {
        calls++;
        return decodeFirst.nextProfiles?.(request, names, soFar) ?? [];
      },
    });
    const stream = shard.open();
    stream.send(requestHeaders(), ...bodyMessages("requestBody", chatBody(PROMPT)));
    stream.cancel();
    for (let turn = 0; turn < 3; turn++) shard.turn();
    expect(calls).toBe(1);
    expect(inFlight(shard)).toEqual([0, 0]);
    expect(shard.freeWindowCount()).toBe(16);
  });
});
