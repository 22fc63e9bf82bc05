/** What plugins do over the life of a request, seen from a conversation. */
import { describe, expect, it } from "vitest";
import type { DataKey } from "../../../src/framework/attributes.ts";
import type { Hooks, Plugin, PluginDefinition } from "../../../src/framework/plugin.ts";
import { type TestShard, type TestStream, testShard } from "../../support/conversation.ts";
import {
  bodyMessages,
  chatBody,
  readRequestAnswer,
  requestHeaders,
  setHeaders,
} from "../../support/ext-proc-messages.ts";
import { configOf, testPlugin } from "../../support/plugins.ts";

const HANDLER = "single-profile-handler";
const KEY: DataKey = { name: "colour", unit: "text", source: "A test." };

/** A shard whose policy has these plugins beside a queue scorer, in this order. */
function shardWith(
  plugins: Readonly<Record<string, Plugin>>,
  facets: PluginDefinition["facets"] = ["hook"],
): TestShard {
  const definitions = Object.entries(plugins).map(([type, plugin]) => testPlugin(type, facets, () => plugin));
  const types = [HANDLER, "queue-scorer", ...Object.keys(plugins)];
  return testShard({ plugins: definitions, config: configOf(types, { default: ["queue-scorer"] }) });
}

const hooked = (hooks: Hooks, headers: readonly string[] = []): Plugin => ({ hooks, headers });

interface AskOptions {
  readonly more?: readonly { name: string; value: string }[];
  readonly model?: string;
}

function ask(shard: TestShard, { more = [], model = "m" }: AskOptions = {}): TestStream {
  const stream = shard.open();
  stream.send(requestHeaders({ more }), ...bodyMessages("requestBody", chatBody("hello", model, { stream: true })));
  shard.turn();
  return stream;
}

describe("hooks", () => {
  it("run in the order of the configuration, stage by stage, and each ends once", () => {
    const calls: string[] = [];
    const noting = (name: string): Plugin =>
      hooked({
        onRequest: (request) => void calls.push(`${name} request ${request.path} model=${request.model}`),
        onPicked(request, { hostPort, id }) {
          calls.push(`${name} picked ${id} ${hostPort} model=${request.model} stream=${request.isStream}`);
          return undefined;
        },
        onResponse(_request, { status }) {
          calls.push(`${name} response ${status}`);
          return undefined;
        },
        onEnd: (_request, { cause }) => void calls.push(`${name} end ${cause}`),
      });
    const shard = shardWith({ zebra: noting("zebra"), ant: noting("ant") });
    const stream = shard.open();
    stream.send(requestHeaders());
    expect(calls).toEqual(["zebra", "ant"].map((name) => `${name} request /v1/chat/completions model=undefined`));
    stream.send(...bodyMessages("requestBody", chatBody("hello", "m", { stream: true })));
    shard.turn();
    stream.send({ kind: "responseHeaders", headers: [{ name: ":status", value: "200" }] });
    stream.send({ kind: "responseBody", body: Buffer.from("data: [DONE]\n\n"), endOfStream: true });
    stream.halfClose();
    stream.cancel();
    const slot = shard.decisions[0]?.pick.slot;
    const picked = `picked default/endpoint-${slot} 10.0.0.${slot}:8000 model=m stream=true`;
    expect(calls.slice(2)).toEqual(
      [picked, "response 200", "end natural"].flatMap((call) => [`zebra ${call}`, `ant ${call}`]),
    );
  });

  it("see the headers that they declare, and no others", () => {
    const seen: unknown[] = [];
    const onRequest: Hooks["onRequest"] = (request) => {
      for (const name of ["x-tenant", "x-other", "cookie"]) seen.push(request.header(name));
    };
    const shard = shardWith({ reader: hooked({ onRequest }, ["X-Tenant"]) });
    ask(shard, {
      more: [
        { name: "X-Tenant", value: "blue" },
        { name: "x-other", value: "1" },
      ],
    });
    expect(seen).toEqual(["blue", undefined, undefined]);
  });

  it("set headers on the request to the server and on the response", () => {
    const shard = shardWith({
      one: hooked({ onPicked: (_, { slot }) => [{ name: "x-slot", value: `${slot}` }] }),
      two: hooked({
        onPicked: () => [{ name: "x-two", value: "2" }],
        onResponse: (_, { servedBy }, fleet) => [
          { name: "x-served", value: `${servedBy} of ${fleet.endpoints.length}` },
        ],
      }),
    });
    const stream = ask(shard);
    const answer = readRequestAnswer(stream.answers);
    expect(answer.headers).toMatchObject({ "x-slot": `${shard.decisions[0]?.pick.slot}`, "x-two": "2" });
    stream.send({
      kind: "responseHeaders",
      headers: [{ name: ":status", value: "200" }],
      metadataContext: { "envoy.lb": { "x-gateway-destination-endpoint-served": "10.0.0.1:8000" } },
    });
    expect(setHeaders(stream.answers.at(-1))).toEqual({
      "x-went-into-resp-headers": "true",
      "x-served": "10.0.0.1:8000 of 3",
    });
  });

  it.each([
    { name: "the destination", change: { name: "x-gateway-destination-endpoint", value: "evil:1" } },
    { name: "a length", change: { name: "content-length", value: "1" } },
    { name: "a pseudo header", change: { name: ":path", value: "/" } },
    { name: "a name in upper case", change: { name: "X-Up", value: "1" } },
    { name: "a value that begins another header", change: { name: "x-a", value: "1\r\nx-b: 2" } },
    { name: "a value that is no text", change: { name: "x-a", value: 7 } },
  ])("may not set $name; the request goes on without", ({ change }) => {
    const shard = shardWith({ bad: hooked({ onPicked: () => [change as { name: string; value: string }] }) });
    const answer = readRequestAnswer(ask(shard).answers);
    const slot = shard.decisions[0]?.pick.slot;
    expect(answer).toMatchObject({ kind: "routed", destination: `10.0.0.${slot}:8000` });
    expect(answer.headers[change.name] ?? "").not.toBe(change.value);
    expect(shard.pluginReports).toEqual([expect.stringMatching(/^bad bad-result: a hook returned /)]);
  });

  it("that throw are left out, and the others run", () => {
    const calls: string[] = [];
    const fail = (): never => {
      throw new Error("no luck");
    };
    const shard = shardWith({
      broken: hooked({ onRequest: fail, onPicked: fail, onResponse: fail, onEnd: fail }),
      sound: hooked({ onEnd: (_, { cause }) => void calls.push(cause) }),
    });
    const stream = ask(shard);
    stream.send({ kind: "responseHeaders", headers: [{ name: ":status", value: "200" }] });
    stream.cancel();
    expect(calls).toEqual(["client-disconnect"]);
    expect(shard.pluginReports).toEqual(Array.from({ length: 4 }, () => "broken threw: no luck"));
  });

  it("learn how a request ended: refused, and with the usage of its response", () => {
    const ends: unknown[] = [];
    const shard = shardWith({ noting: hooked({ onEnd: (_, end) => void ends.push(end) }) });
    const refused = shard.open();
    refused.send(requestHeaders(), ...bodyMessages("requestBody", Buffer.from("{")));
    const stream = ask(shard);
    const usage = { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 };
    stream.send(
      {
        kind: "responseHeaders",
        headers: [
          { name: ":status", value: "200" },
          { name: "content-type", value: "application/json" },
        ],
      },
      { kind: "responseBody", body: Buffer.from(JSON.stringify({ usage })), endOfStream: true },
    );
    stream.halfClose();
    expect(ends).toEqual([
      { cause: "refused", promptTokens: undefined, completionTokens: undefined },
      { cause: "natural", promptTokens: 5, completionTokens: 7 },
    ]);
  });

  it("end a request that is gone before its decision, and have it picked for nobody", () => {
    const calls: string[] = [];
    const shard = shardWith({
      noting: hooked({
        onPicked() {
          calls.push("picked");
          return undefined;
        },
        onEnd: (_, { cause }) => void calls.push(cause),
      }),
    });
    const stream = shard.open();
    stream.send(requestHeaders(), ...bodyMessages("requestBody", chatBody("hello")));
    stream.cancel();
    shard.turn();
    expect(calls).toEqual(["client-disconnect"]);
    expect([0, 1, 2].map((slot) => shard.counters.inFlightRequests(slot))).toEqual([0, 0, 0]);
  });
});

describe("producers", () => {
  it("run in the order of the data graph before the decision, and what one sets others see", () => {
    const seen: unknown[] = [];
    const giver = testPlugin(
      "giver",
      ["producer"],
      () => ({ producer: { produce: (request) => request.setAttribute(KEY, `${request.model}-red`) } }),
      { produces: () => [KEY] },
    );
    const taker = testPlugin(
      "taker",
      ["producer"],
      () => ({
        producer: {
          produce: (request, candidates) =>
            void seen.push(request.attribute(KEY), candidates.count, candidates.at(0).endpoint.id),
        },
      }),
      { consumes: () => ({ required: [{ key: KEY }] }) },
    );
    const types = [HANDLER, "queue-scorer", "taker", "giver"];
    const shard = testShard({ plugins: [taker, giver], config: configOf(types, { default: ["queue-scorer"] }) });
    ask(shard, { model: "m" });
    expect(seen).toEqual(["m-red", 3, "default/endpoint-0"]);
  });

  it("that throw leave their data unset, and those after them run", () => {
    const seen: unknown[] = [];
    const shard = shardWith(
      {
        broken: {
          producer: {
            produce() {
              throw new Error("no data");
            },
          },
        },
        sound: { producer: { produce: ({ promptTokens, bodySize }) => void seen.push(promptTokens, bodySize > 0) } },
      },
      ["producer"],
    );
    expect(readRequestAnswer(ask(shard).answers).kind).toBe("routed");
    // "user" and "hello" are 9 bytes, 4 of which count as a token.
    expect(seen).toEqual([3, true]);
    expect(shard.pluginReports).toEqual(["broken threw: no data"]);
  });
});
