import { describe, expect, it } from "vitest";
import { type TestShardOptions, type TestStream, testShard } from "../../support/conversation.ts";
import {
  bodyMessages,
  CHAT_PATH,
  COMPLETIONS_PATH,
  chatBody,
  readRequestAnswer,
  requestHeaders,
} from "../../support/ext-proc-messages.ts";

const DEPTH = 100_000;

// The statuses and the form of the texts are those of the Go picker; what is wrong is said in our own words.
const BODIES: readonly { name: string; path?: string; body: string; text: string }[] = [
  { name: "that is not JSON", body: "hello", text: "request body is not JSON (at byte 0)" },
  { name: "that is empty", body: "", text: "request body ends in the middle of its JSON document (at byte 0)" },
  {
    name: "that is cut",
    body: '{"model":"m","mess',
    text: "request body ends in the middle of its JSON document (at byte 18)",
  },
  { name: "that is a list", body: "[1]", text: "request body is not a JSON object (at byte 0)" },
  { name: "with more after its end", body: '{"model":"m"} x', text: "request body is not JSON (at byte 14)" },
  {
    name: "that nests 100,000 deep",
    body: `{"model":"m","messages":${"[".repeat(DEPTH)}${"]".repeat(DEPTH)}}`,
    text: "request body nests more than 1024 arrays and objects (at byte 1047)",
  },
  {
    name: "without a model",
    body: '{"messages":[{"role":"user","content":"x"}]}',
    text: "model not found in request body",
  },
  {
    name: "with an empty model",
    body: '{"model":"","messages":[{"role":"user","content":"x"}]}',
    text: "model not found in request body",
  },
  {
    name: "whose model is a number",
    body: '{"model":1}',
    text: "request body has a field of the wrong type (at byte 9)",
  },
  {
    name: "without messages",
    body: '{"model":"m"}',
    text: "request body has no messages: at least one is required",
  },
  {
    name: "without a prompt",
    path: COMPLETIONS_PATH,
    body: '{"model":"m"}',
    text: "request body has no prompt: a text, a list of texts or a list of token ids is required",
  },
];

function refused(stream: TestStream): unknown {
  expect(stream.answers).toHaveLength(1);
  return readRequestAnswer(stream.answers);
}

describe("a body", () => {
  it.each(BODIES)("$name gets 400 with the reason, and the stream ends", ({ path = CHAT_PATH, body, text }) => {
    const shard = testShard();
    const stream = shard.open();
    stream.send(requestHeaders({ path }), ...bodyMessages("requestBody", Buffer.from(body), { pieceSize: 40_000 }));
    shard.turn();
    expect(refused(stream)).toEqual({
      kind: "refused",
      status: 400,
      text: `inference error: BadRequest - ${text}`,
      headers: {},
    });
    expect(stream.state).toBe("ended");
    expect(shard.refusals.map(({ code }) => code)).toEqual(["BadRequest"]);
    expect(shard.freeWindowCount()).toBe(16);
  });

  it("gets 400 as soon as it cannot become right, and what follows is not read", () => {
    const shard = testShard();
    const stream = shard.open();
    stream.send(requestHeaders(), { kind: "requestBody", body: Buffer.from('{"model" "m"') });
    expect(refused(stream)).toMatchObject({ status: 400 });
    stream.send({ kind: "requestBody", body: Buffer.from("}"), endOfStream: true });
    expect(stream.answers).toHaveLength(1);
    expect(shard.protocolErrors).toEqual([]);
  });

  it("that trailers end too early gets 400", () => {
    const shard = testShard();
    const stream = shard.open();
    stream.send(requestHeaders(), { kind: "requestBody", body: Buffer.from('{"model":') });
    stream.send({ kind: "requestTrailers", headers: [] });
    expect(refused(stream)).toMatchObject({
      status: 400,
      text: "inference error: BadRequest - request body ends in the middle of its JSON document (at byte 9)",
    });
  });

  it("that is larger than the limit gets 413 at the piece that passes it", () => {
    const shard = testShard({ requestBodySizeMax: 1_000 });
    const stream = shard.open();
    const [first, second] = bodyMessages("requestBody", chatBody("x".repeat(2_000)), { pieceSize: 1_000 });
    if (first === undefined || second === undefined) throw new Error("the body has two pieces");
    stream.send(requestHeaders(), first);
    expect(stream.answers).toEqual([]);
    stream.send(second);
    expect(refused(stream)).toEqual({
      kind: "refused",
      status: 413,
      text: "inference error: PayloadTooLarge - request body is larger than 1000 bytes",
      headers: {},
    });
    expect(stream.state).toBe("ended");
  });

  it("of exactly the limit is taken", () => {
    const body = chatBody("hello");
    const shard = testShard({ requestBodySizeMax: body.length });
    const stream = shard.open();
    stream.send(requestHeaders(), ...bodyMessages("requestBody", body));
    shard.turn();
    expect(readRequestAnswer(stream.answers)).toMatchObject({ kind: "routed" });
  });
});

describe("too many bodies at once", () => {
  it("get 429 with the reason; the next one is taken when one has been decided", () => {
    const shard = testShard({ windowCount: 2 });
    const [first, second, third, fourth] = Array.from({ length: 4 }, () => shard.open());
    if (!first || !second || !third || !fourth) throw new Error("there are four streams");
    const [start, end] = bodyMessages("requestBody", chatBody("hello"), { pieceSize: 40 });
    if (start === undefined || end === undefined) throw new Error("the body has two pieces");
    for (const stream of [first, second, third]) stream.send(requestHeaders(), start);
    expect(first.answers).toEqual([]);
    expect(refused(third)).toEqual({
      kind: "refused",
      status: 429,
      text: "inference error: ResourceExhausted - too many request bodies are arriving at once; try again",
      headers: { "x-llm-d-request-dropped-reason": "rejected-saturated" },
    });
    first.send(end);
    shard.turn();
    expect(readRequestAnswer(first.answers)).toMatchObject({ kind: "routed" });
    fourth.send(requestHeaders(), start, end);
    shard.turn();
    expect(readRequestAnswer(fourth.answers)).toMatchObject({ kind: "routed" });
  });

  it("do not keep requests without a body out", () => {
    const shard = testShard({ windowCount: 1 });
    shard.open().send(requestHeaders(), { kind: "requestBody", body: Buffer.from("{") });
    const stream = shard.open();
    stream.send(requestHeaders({ path: "/v1/models", endOfStream: true }));
    shard.turn();
    expect(readRequestAnswer(stream.answers)).toMatchObject({ kind: "routed" });
  });
});

describe("a pool without endpoints", () => {
  const empty: TestShardOptions = { endpointCount: 0 };
  const noEndpoints = {
    kind: "refused",
    status: 503,
    text: "inference error: ServiceUnavailable - failed to find endpoint candidates for serving the request",
    headers: { "x-llm-d-request-dropped-reason": "rejected-no-endpoints" },
  };

  it("answers a request with 503 and the reason", () => {
    const shard = testShard(empty);
    const stream = shard.open();
    stream.send(requestHeaders(), ...bodyMessages("requestBody", chatBody("hello")));
    shard.turn();
    expect(refused(stream)).toEqual(noEndpoints);
    expect(stream.state).toBe("ended");
    expect(shard.freeWindowCount()).toBe(16);
  });

  // The Go picker says 500 here; the protocol's text asks for 503 when no endpoint is ready.
  it("answers a request without a body the same way", () => {
    const shard = testShard(empty);
    const stream = shard.open();
    stream.send(requestHeaders({ method: "GET", endOfStream: true }));
    shard.turn();
    expect(refused(stream)).toEqual(noEndpoints);
  });

  it("still refuses a bad body for what it is", () => {
    const shard = testShard(empty);
    const stream = shard.open();
    stream.send(requestHeaders(), ...bodyMessages("requestBody", Buffer.from("hello")));
    shard.turn();
    expect(refused(stream)).toMatchObject({ status: 400 });
  });
});
