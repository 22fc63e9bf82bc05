/** Built-in plugins over whole conversations: from the headers that come to the endpoint and the headers that leave. */
import { describe, expect, it } from "vitest";
import { type TestShard, type TestShardOptions, testShard } from "../../support/conversation.ts";
import {
  bodyMessages,
  chatBody,
  type RequestAnswer,
  readRequestAnswer,
  requestHeaders,
  setHeaders,
} from "../../support/ext-proc-messages.ts";
import { KERNEL_BUILDS } from "../../support/kernel.ts";
import { configOf } from "../../support/plugins.ts";

type Headers = Readonly<Record<string, string>>;

/** A shard whose only profile lists these types, in this order; further types stand beside it. */
function shardOf(
  profile: readonly string[],
  { parameters = {}, beside = [], ...options }: TestShardOptions & PartOptions = {},
): TestShard {
  const types = ["single-profile-handler", ...beside, ...profile];
  return testShard({ endpointCount: 4, ...options, config: configOf(types, { default: profile }, parameters) });
}

interface PartOptions {
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly beside?: readonly string[];
}

interface Exchange {
  readonly answer: RequestAnswer;
  readonly destination: string;
  /** Headers that are set on the response. */
  readonly responseHeaders: Headers;
}

/** A request and its response, to the end. */
function exchange(shard: TestShard, headers: Headers = {}, { prompt = "hello", servedBy = "" } = {}): Exchange {
  const stream = shard.open();
  const more = Object.entries(headers).map(([name, value]) => ({ name, value }));
  stream.send(requestHeaders({ more }), ...bodyMessages("requestBody", chatBody(prompt)));
  shard.turn();
  const answer = readRequestAnswer(stream.answers);
  if (answer.kind === "refused") return { answer, destination: "", responseHeaders: {} };
  const asked = stream.answers.length;
  const served = { "envoy.lb": { "x-gateway-destination-endpoint-served": servedBy } };
  stream.send({
    kind: "responseHeaders",
    headers: [{ name: ":status", value: "200" }],
    endOfStream: false,
    ...(servedBy !== "" && { metadataContext: served }),
  });
  const responseHeaders = setHeaders(stream.answers[asked]);
  stream.send(...bodyMessages("responseBody", Buffer.from("{}")));
  stream.halfClose();
  return { answer, destination: answer.destination, responseHeaders };
}

describe.each(KERNEL_BUILDS)("sessions (%s build)", (build) => {
  const TYPES = ["session-affinity-scorer", "session-affinity-filter"] as const;

  it.each(TYPES)("%s: a client that sends its token back stays at its endpoint", (type) => {
    const shard = shardOf([type], { build });
    const first = exchange(shard);
    const token = first.responseHeaders["x-session-token"] ?? "";
    expect(Buffer.from(token, "base64").toString()).toMatch(/^default\/endpoint-[0-3]$/);
    for (let request = 0; request < 10; request++) {
      const next = exchange(shard, { "x-session-token": token });
      expect(next.destination).toBe(first.destination);
      expect(next.responseHeaders["x-session-token"]).toBe(token);
    }
  });

  it.each(TYPES)("%s: a client with an id of its own stays at its endpoint, and gets no token", (type) => {
    const shard = shardOf([type], { build, parameters: { [type]: { strategy: "session_id" } } });
    const alice = { "x-session-id": "alice" };
    const { destination, responseHeaders } = exchange(shard, alice);
    expect(responseHeaders["x-session-token"]).toBeUndefined();
    for (let request = 0; request < 10; request++) expect(exchange(shard, alice).destination).toBe(destination);
  });

  it("the id may come from a cookie, by a producer", () => {
    const sources = [{ attribute: "SessionID", producer: "session-id-producer" }];
    const shard = shardOf(["session-affinity-filter"], {
      build,
      beside: ["session-id-producer"],
      parameters: {
        "session-id-producer": { cookieName: "sid" },
        "session-affinity-filter": { strategy: "session_id", sessionIdConfig: { sources } },
      },
    });
    const alice = { cookie: "theme=dark; sid=alice" };
    const { destination } = exchange(shard, alice);
    for (let request = 0; request < 10; request++) expect(exchange(shard, alice).destination).toBe(destination);
    const others = Array.from({ length: 40 }, (_, user) => exchange(shard, { cookie: `sid=user-${user}` }).destination);
    expect(new Set(others).size).toBe(4);
  });

  it("a filter and a scorer by the same id bind it each for itself, and agree", () => {
    const byId = { strategy: "session_id" };
    const parameters = Object.fromEntries(TYPES.map((type) => [type, byId]));
    const shard = shardOf(TYPES, { build, parameters });
    const alice = { "x-session-id": "alice" };
    const { destination } = exchange(shard, alice);
    for (let request = 0; request < 5; request++) expect(exchange(shard, alice).destination).toBe(destination);
    expect(shard.decisions.at(-1)?.pick.scores).toEqual([1]);
  });
});

describe.each(KERNEL_BUILDS)("filters by header and label (%s build)", (build) => {
  it("the testing header chooses the endpoint; without it there is none", () => {
    const shard = shardOf(["header-based-testing-filter"], { build });
    for (const slot of [2, 0, 3]) {
      const headers = { "test-epp-endpoint-selection": `10.0.0.${slot}:8000` };
      expect(exchange(shard, headers).destination).toBe(`10.0.0.${slot}:8000`);
    }
    expect(exchange(shard).answer).toMatchObject({ kind: "refused", status: 429 });
  });

  it("labels filter, and a label that a header names is preferred", () => {
    const labels = [
      { tier: "gold", zone: "a" },
      { tier: "gold", zone: "b" },
      { tier: "lead", zone: "b" },
      { tier: "gold", zone: "b", "llm-d.ai/role": "prefill" },
    ];
    const shard = shardOf(["label-selector-filter", "decode-filter", "header-label-affinity-scorer"], {
      build,
      labels,
      parameters: {
        "label-selector-filter": { matchLabels: { tier: "gold" } },
        "header-label-affinity-scorer": { headerName: "x-zone", labelKey: "zone" },
      },
    });
    for (let request = 0; request < 5; request++) {
      expect(exchange(shard, { "x-zone": "b" }).destination).toBe("10.0.0.1:8000");
      expect(exchange(shard, { "x-zone": "a" }).destination).toBe("10.0.0.0:8000");
    }
  });

  it("prompts go where their length belongs", () => {
    const range = (text: string): Record<string, string> => ({ "llm-d.ai/context-length-range": text });
    const shard = shardOf(["context-length-aware"], {
      build,
      labels: [range("0-100"), range("101-100000"), range("none"), range("none")],
      parameters: { "context-length-aware": { enableFiltering: true } },
    });
    expect(exchange(shard, {}, { prompt: "p".repeat(100) }).destination).toBe("10.0.0.0:8000");
    expect(exchange(shard, {}, { prompt: "p".repeat(4_000) }).destination).toBe("10.0.0.1:8000");
  });
});

describe("destination-endpoint-served-verifier", () => {
  it.each([
    { servedBy: "10.0.0.3:8000", value: "10.0.0.3:8000" },
    { servedBy: "", value: "fail: the proxy does not say which endpoint served the request" },
  ])("served by '$servedBy': the client is told '$value'", ({ servedBy, value }) => {
    const shard = shardOf(["queue-scorer"], { beside: ["destination-endpoint-served-verifier"] });
    const { responseHeaders } = exchange(shard, {}, { servedBy });
    expect(responseHeaders["x-conformance-test-served-endpoint"]).toBe(value);
  });
});
