/** Who is let in: priorities, saturated pools, admitters, filters that leave nothing, cached prompts only. */
import { describe, expect, it } from "vitest";
import { EppError } from "../../../src/base/errors.ts";
import type { Admitter, PluginDefinition } from "../../../src/framework/plugin.ts";
import type { PolicyConfig } from "../../../src/scheduling/policy.ts";
import { type TestShard, type TestShardOptions, testShard } from "../../support/conversation.ts";
import {
  bodyMessages,
  chatBody,
  type RequestAnswer,
  readRequestAnswer,
  requestHeaders,
} from "../../support/ext-proc-messages.ts";
import { endpoint } from "../../support/fleet.ts";
import { configOf, testPlugin } from "../../support/plugins.ts";

const OBJECTIVES = [
  { name: "batch", priority: -1 },
  { name: "chat", priority: 10 },
];

/** A queue scorer behind the Go picker's detector: full at 5 waiting requests or 80 % of the KV cache. */
const DETECTED: PolicyConfig = {
  ...configOf(["single-profile-handler", "queue-scorer", "utilization-detector"], { default: ["queue-scorer"] }),
  saturationDetector: "utilization-detector",
};

const full = endpoint({ queueDepthRequests: 5 });
const idle = endpoint();

interface AskOptions {
  readonly more?: readonly { name: string; value: string }[];
  readonly prompt?: string;
}

function ask(shard: TestShard, { more = [], prompt = "hello" }: AskOptions = {}): RequestAnswer {
  const stream = shard.open();
  stream.send(requestHeaders({ more }), ...bodyMessages("requestBody", chatBody(prompt)));
  shard.turn();
  const answer = readRequestAnswer(stream.answers);
  stream.halfClose();
  return answer;
}

const objective = (value: string, name = "x-llm-d-inference-objective"): AskOptions => ({ more: [{ name, value }] });

function saturated(options: TestShardOptions = {}): TestShard {
  return testShard({ config: DETECTED, objectives: OBJECTIVES, loads: [full, full], ...options });
}

const SHED = {
  kind: "refused",
  status: 429,
  text: "inference error: ResourceExhausted - system saturated, sheddable request dropped",
};

describe("a saturated pool", () => {
  it.each([
    { name: "below 0 is shed", options: objective("batch"), answer: SHED },
    {
      name: "below 0, by the old name of the header, is shed",
      options: objective("batch", "x-gateway-inference-objective"),
      answer: SHED,
    },
    { name: "above 0 passes", options: objective("chat"), answer: { kind: "routed" } },
    { name: "of an unknown objective is 0 and passes", options: objective("unheard-of"), answer: { kind: "routed" } },
    { name: "of no objective is 0 and passes", options: {}, answer: { kind: "routed" } },
  ])("a priority $name", ({ options, answer }) => {
    expect(ask(saturated(), options)).toMatchObject(answer);
  });

  it("a shed request has no reason header, is charged to nobody, and gives its window back", () => {
    const shard = saturated({ windowCount: 1 });
    expect(ask(shard, objective("batch")).headers).toEqual({});
    expect([0, 1].map((slot) => shard.counters.inFlightRequests(slot))).toEqual([0, 0]);
    expect(shard.freeWindowCount()).toBe(1);
  });

  it("is one whose endpoints are full on the mean: an idle one beside a full one has room", () => {
    expect(ask(saturated({ loads: [full, idle] }), objective("batch")).kind).toBe("routed");
  });

  it("without a detector is never full", () => {
    const config = configOf(["single-profile-handler", "queue-scorer"], { default: ["queue-scorer"] });
    expect(ask(saturated({ config }), objective("batch")).kind).toBe("routed");
  });

  it("that has no endpoint is not full, but empty: 503", () => {
    expect(ask(saturated({ loads: [] }), objective("batch"))).toMatchObject({
      status: 503,
      headers: { "x-llm-d-request-dropped-reason": "rejected-no-endpoints" },
    });
  });
});

describe("filters", () => {
  it("that leave nobody are answered with 429, not 503: there are endpoints", () => {
    const config = configOf(["single-profile-handler", "queue-scorer", "prefill-filter"], {
      default: ["prefill-filter", "queue-scorer"],
    });
    const shard = testShard({ config, labels: [{ "llm-d.ai/role": "decode" }] });
    expect(ask(shard)).toEqual({
      kind: "refused",
      status: 429,
      text: "inference error: ResourceExhausted - no endpoints available for the given request",
      headers: { "x-llm-d-request-dropped-reason": "rejected-saturated" },
    });
    expect(shard.freeWindowCount()).toBe(16);
  });

  it("keep those whose labels pass", () => {
    const config = configOf(["single-profile-handler", "queue-scorer", "prefill-filter"], {
      default: ["prefill-filter", "queue-scorer"],
    });
    const role = (value: string): Record<string, string> => ({ "llm-d.ai/role": value });
    const shard = testShard({ config, labels: [role("decode"), role("prefill"), {}] });
    for (let count = 0; count < 5; count++) expect(ask(shard)).toMatchObject({ destination: "10.0.0.1:8000" });
  });
});

describe("admitters", () => {
  function shardWith(...admitters: Admitter["admit"][]): TestShard {
    const plugins = admitters.map(
      (admit, index): PluginDefinition =>
        testPlugin(`admitter-${index}`, ["admitter"], () => ({ admitter: { admit } })),
    );
    const types = ["single-profile-handler", "queue-scorer", ...plugins.map(({ type }) => type)];
    return testShard({ plugins, config: configOf(types, { default: ["queue-scorer"] }), loads: [full, idle] });
  }

  it("refuse with their own error; the first refusal is the answer", () => {
    const shard = shardWith(
      () => undefined,
      () => new EppError("Forbidden", "not here"),
      () => new EppError("NotFound", "not asked"),
    );
    expect(ask(shard)).toMatchObject({ status: 403, text: "inference error: Forbidden - not here" });
  });

  it("may refuse with a plain object", () => {
    const shard = shardWith(() => ({ code: "Unauthorized", message: "who is it?" }) as EppError);
    expect(ask(shard)).toMatchObject({ status: 401, text: "inference error: Unauthorized - who is it?" });
  });

  it.each(["no", { code: "Teapot", message: "x" }, { code: "Internal", message: "x" }, { message: 7 }])(
    "that return %j let the request pass, and that is counted",
    (returned) => {
      const shard = shardWith(() => returned as unknown as EppError);
      expect(ask(shard).kind).toBe("routed");
      expect(shard.pluginReports).toEqual([expect.stringMatching(/^admitter-0 bad-result: admit returned neither /)]);
    },
  );

  it("see the request and the pool", () => {
    const seen: unknown[] = [];
    const shard = shardWith((request, pool) => {
      seen.push(request.priority, request.fairnessId, pool.endpointCount, pool.meanUtilization(5, 0.8));
      return undefined;
    });
    ask(shard, { more: [{ name: "x-llm-d-inference-fairness-id", value: "tenant-a" }] });
    expect(seen).toEqual([0, "tenant-a", 2, 0.5]);
  });

  it("the Go picker's lets a priority of 0 pass a full pool, and refuses most below", () => {
    const types = ["single-profile-handler", "queue-scorer", "probabilistic-admitter"];
    const config = configOf(types, { default: ["queue-scorer"] });
    const shard = testShard({ config, objectives: OBJECTIVES, loads: [full, full] });
    expect(ask(shard).kind).toBe("routed");
    // Full twice: the probability is min(300 × 1^5, 1), whatever is drawn.
    expect(ask(shard, objective("batch"))).toMatchObject({ status: 429 });
  });
});

describe("the fairness id of a request", () => {
  const types = ["single-profile-handler", "queue-scorer", "agent-identity", "noting"];

  it.each([
    { name: "its header", more: [{ name: "x-llm-d-inference-fairness-id", value: "a" }], id: "a" },
    { name: "the old name of the header", more: [{ name: "x-gateway-inference-fairness-id", value: "b" }], id: "b" },
    { name: "the session of its agent", more: [{ name: "x-claude-code-session-id", value: "s" }], id: "s" },
    {
      name: "its header rather than its session",
      more: [
        { name: "x-claude-code-session-id", value: "s" },
        { name: "x-llm-d-inference-fairness-id", value: "a" },
      ],
      id: "a",
    },
    { name: "the common one", more: [], id: "default-flow" },
  ])("is $name", ({ more, id }) => {
    const seen: string[] = [];
    const noting = testPlugin("noting", ["hook"], () => ({
      hooks: {
        onPicked({ fairnessId }) {
          seen.push(fairnessId);
          return undefined;
        },
      },
    }));
    ask(testShard({ plugins: [noting], config: configOf(types, { default: ["queue-scorer"] }) }), { more });
    expect(seen).toEqual([id]);
  });
});

describe("a request that prefers what is cached", () => {
  const prefer = (value: string): AskOptions => ({ more: [{ name: "prefer", value }], prompt: "p".repeat(2_000) });
  const MISS = {
    status: 412,
    text: "inference error: PreconditionFailed - no decode worker has the requested KV cache",
  };

  it.each([
    { value: "if-available", answer: MISS },
    { value: "IF-Available; wait=1", answer: MISS },
    { value: "respond-async, if-available", answer: MISS },
    { value: "if-available-later", answer: { kind: "routed" } },
    { value: "", answer: { kind: "routed" } },
  ])('"$value" for a prompt that nobody holds', ({ value, answer }) => {
    const shard = testShard();
    expect(ask(shard, prefer(value))).toMatchObject(answer);
    expect([0, 1, 2].map((slot) => shard.counters.inFlightRequests(slot))).toEqual([0, 0, 0]);
  });

  it("is routed where its prompt was sent before, and does not pretend that it was sent elsewhere", () => {
    const shard = testShard();
    expect(ask(shard, prefer("if-available")).kind).toBe("refused");
    expect(ask(shard, prefer("if-available")).kind).toBe("refused");
    expect(ask(shard, { prompt: "p".repeat(2_000) }).kind).toBe("routed");
    expect(ask(shard, prefer("if-available"))).toMatchObject({
      kind: "routed",
      destination: `10.0.0.${shard.decisions[0]?.pick.slot}:8000`,
    });
  });
});
