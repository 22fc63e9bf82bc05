/** What decides where a request goes beside its prompt, and what of it reaches the model server. */
import { describe, expect, it } from "vitest";
import type { StructObject, StructValue } from "../../../src/wire/ext-proc/struct.ts";
import { type TestShard, testShard } from "../../support/conversation.ts";
import {
  bodyMessages,
  chatBody,
  readRequestAnswer,
  requestHeaders,
  setHeaders,
} from "../../support/ext-proc-messages.ts";

const DESTINATION = "x-gateway-destination-endpoint";

const subset = (value: StructValue): Record<string, StructObject> => ({
  "envoy.lb.subset_hint": { "x-gateway-destination-endpoint-subset": value },
});

/** Sends one chat request, with metadata on its headers or on the message that ends its body. */
function ask(
  shard: TestShard,
  options: {
    metadata?: Record<string, StructObject>;
    onBody?: boolean;
    more?: readonly { name: string; value: string }[];
    bodyless?: boolean;
  } = {},
) {
  const stream = shard.open();
  const metadata = options.metadata === undefined ? {} : { metadataContext: options.metadata };
  const headers = requestHeaders({ more: options.more ?? [], endOfStream: options.bodyless === true });
  stream.send({ ...headers, ...(options.onBody === true ? {} : metadata) });
  if (options.bodyless !== true) {
    const [message] = bodyMessages("requestBody", chatBody("hello"));
    if (message !== undefined) stream.send({ ...message, ...(options.onBody === true ? metadata : {}) });
  }
  shard.turn();
  return { stream, answer: readRequestAnswer(stream.answers) };
}

describe("the subset hint", () => {
  // Endpoints are 10.0.0.0:8000 … 10.0.0.2:8000.
  const CASES: readonly { name: string; value: StructValue; destinations: readonly string[] }[] = [
    { name: "a list", value: ["10.0.0.1:8000"], destinations: ["10.0.0.1:8000"] },
    { name: "another port at the same address", value: ["10.0.0.2:9"], destinations: ["10.0.0.2:8000"] },
    { name: "an address without port", value: ["10.0.0.2"], destinations: ["10.0.0.2:8000"] },
    {
      name: "items that are no texts, which do not count",
      value: [7, "10.0.0.0:8000"],
      destinations: ["10.0.0.0:8000"],
    },
    {
      name: "a text with commas",
      value: "10.0.0.1:8000, 10.0.0.2:8000",
      destinations: ["10.0.0.1:8000", "10.0.0.2:8000"],
    },
  ];

  it.each(CASES)("restricts the candidates: $name", ({ value, destinations }) => {
    for (const onBody of [false, true]) {
      const shard = testShard();
      const { answer } = ask(shard, { metadata: subset(value), onBody });
      expect(destinations).toContain(answer.kind === "routed" ? answer.destination : answer.text);
      expect(shard.decisions[0]?.pick.candidateCount).toBe(destinations.length);
    }
  });

  it("holds for a request without a body", () => {
    const { answer } = ask(testShard(), { metadata: subset(["10.0.0.1:8000"]), bodyless: true });
    expect(answer).toMatchObject({ kind: "routed", destination: "10.0.0.1:8000" });
  });

  it.each([[[]], [["10.9.9.9:8000"]]])("that no endpoint matches (%j) refuses with 503", (value) => {
    const { answer } = ask(testShard(), { metadata: subset(value) });
    expect(answer).toEqual({
      kind: "refused",
      status: 503,
      text: "inference error: ServiceUnavailable - failed to find endpoint candidates for serving the request",
      headers: { "x-llm-d-request-dropped-reason": "rejected-no-endpoints" },
    });
  });

  it("can be turned off", () => {
    const { answer } = ask(testShard({ honoursSubsetHint: false }), { metadata: subset([]) });
    expect(answer.kind).toBe("routed");
  });
});

describe("the answer", () => {
  it("names the endpoints to fall back to, best first, in header and metadata", () => {
    const { stream, answer } = ask(testShard({ targetsMax: 2 }));
    const targets = answer.kind === "routed" ? answer.destination.split(",") : [];
    expect(new Set(targets).size).toBe(2);
    expect(stream.answers[0]?.dynamicMetadata).toEqual({ "envoy.lb": { [DESTINATION]: targets.join(",") } });
  });

  it("tells every candidate's score where that is asked for", () => {
    const { stream } = ask(testShard({ emitEndpointScores: true }));
    const scores = { "10.0.0.0:8000": 4, "10.0.0.1:8000": 4, "10.0.0.2:8000": 4 };
    expect(stream.answers[0]?.dynamicMetadata).toMatchObject({
      "envoy.lb": { "x-gateway-destination-endpoint-scores": scores },
    });
  });

  it("removes control headers that a client sent, and no others", () => {
    const more = [
      "x-prefiller-host-port",
      "X-Gateway-Destination-Endpoint-Subset",
      "x-llm-d-inference-objective",
      "accept",
    ];
    const { stream } = ask(testShard(), { more: more.map((name) => ({ name, value: "1" })) });
    const [answer] = stream.answers;
    const removed = answer !== undefined && "common" in answer ? answer.common.headerMutation.removeHeaders : [];
    expect([...removed].sort()).toEqual([
      "x-gateway-destination-endpoint-subset",
      "x-llm-d-inference-objective",
      "x-prefiller-host-port",
    ]);
  });
});

describe("a model rewrite", () => {
  const rewrite = [{ name: "x-llm-d-model-name-rewrite", value: 'ada"pter' }];

  it("splices the new name into the body, says its length, and counts as the model", () => {
    const shard = testShard();
    const { answer } = ask(shard, { more: rewrite });
    const expected = chatBody("hello", 'ada"pter');
    expect(answer).toMatchObject({ kind: "routed", headers: { "content-length": String(expected.length) } });
    expect(answer.kind === "routed" && answer.body.toString()).toBe(expected.toString());
    expect(shard.decisions[0]?.model).toBe('ada"pter');
    expect(shard.unknownNames).toEqual(['ada"pter']);
  });

  it("puts the client's name back into the response, wherever it is cut, and drops its length", () => {
    const text = '{"id":1,"model":"ada\\"pter","choices":[]}';
    for (let cut = 0; cut <= text.length; cut++) {
      const shard = testShard();
      const { stream } = ask(shard, { more: rewrite });
      const before = stream.answers.length;
      stream.send({ kind: "responseHeaders", headers: [{ name: ":status", value: "200" }] });
      stream.send({ kind: "responseBody", body: Buffer.from(text.slice(0, cut)), endOfStream: false });
      stream.send({ kind: "responseBody", body: Buffer.from(text.slice(cut)), endOfStream: true });
      const [headers, ...pieces] = stream.answers.slice(before);
      const removed = headers !== undefined && "common" in headers ? headers.common.headerMutation.removeHeaders : [];
      expect(removed).toEqual(["content-length"]);
      const sent = pieces.map((piece) =>
        "common" in piece && piece.common.bodyMutation?.kind === "streamed" ? piece.common.bodyMutation : undefined,
      );
      expect(Buffer.concat(sent.map((piece) => piece?.body ?? Buffer.alloc(0))).toString()).toBe(
        '{"id":1,"model":"simulated-8b","choices":[]}',
      );
      expect(sent.at(-1)?.endOfStream).toBe(true);
    }
  });

  it("puts the client's name back when trailers end the response", () => {
    const { stream } = ask(testShard(), { more: rewrite });
    stream.send({ kind: "responseHeaders", headers: [] });
    stream.send({ kind: "responseBody", body: Buffer.from('{"model":"ada\\"pt'), endOfStream: false });
    stream.send({ kind: "responseTrailers", headers: [] });
    expect(stream.answers.slice(-2).map(({ kind }) => kind)).toEqual(["responseBody", "responseTrailers"]);
  });

  it("to the name that the body has changes nothing", () => {
    const { answer } = ask(testShard(), { more: [{ name: "x-gateway-model-name-rewrite", value: "simulated-8b" }] });
    expect(answer.kind === "routed" && answer.body.equals(chatBody("hello"))).toBe(true);
  });

  it("to a name that is too long is refused", () => {
    const { answer } = ask(testShard(), { more: [{ name: "x-llm-d-model-name-rewrite", value: "x".repeat(257) }] });
    expect(answer).toMatchObject({ kind: "refused", status: 400 });
  });
});

describe("the end of a request", () => {
  const respond = (shard: TestShard, endOfStream: boolean) => {
    const { stream } = ask(shard);
    stream.send({
      kind: "responseHeaders",
      headers: [
        { name: ":status", value: "200" },
        { name: "content-type", value: "text/event-stream" },
      ],
    });
    const text = 'data: {"usage":{"prompt_tokens":5,"completion_tokens":2}}\n\ndata: [DONE]\n\n';
    stream.send(...bodyMessages("responseBody", Buffer.from(text), { pieceSize: 10, endOfStream }));
    return stream;
  };

  it("is natural when the response is complete, and tells what it cost", () => {
    const shard = testShard();
    respond(shard, true).halfClose();
    expect(shard.finished).toMatchObject([
      {
        cause: "natural",
        response: {
          status: 200,
          eventCount: 1,
          isComplete: true,
          usage: { promptTokens: 5, completionTokens: 2, totalTokens: 7 },
        },
      },
    ]);
  });

  it("is the client's when the proxy cancels before that, and an error when it ends the stream before that", () => {
    const shard = testShard();
    respond(shard, false).cancel();
    respond(shard, false).halfClose();
    expect(shard.finished.map(({ cause }) => cause)).toEqual(["client-disconnect", "error"]);
  });

  it("is a refusal when the picker answered", () => {
    const shard = testShard({ endpointCount: 0 });
    ask(shard);
    expect(shard.finished.map(({ cause }) => cause)).toEqual(["refused"]);
  });

  it("counts a request that the proxy sent elsewhere than picked", () => {
    const shard = testShard({ endpointCount: 1 });
    for (const served of ["10.0.0.0:8000", "10.9.9.9:8000"]) {
      const { stream } = ask(shard);
      const metadataContext = { "envoy.lb": { "x-gateway-destination-endpoint-served": served } };
      stream.send({ kind: "responseHeaders", headers: [], metadataContext });
      expect(setHeaders(stream.answers.at(-1))).toEqual({ "x-went-into-resp-headers": "true" });
    }
    expect(shard.servedElsewhere).toBe(1);
  });
});
