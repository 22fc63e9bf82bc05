import { describe, expect, it } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { testShard } from "../../support/conversation.ts";
import {
  bodyMessages,
  CHAT_PATH,
  COMPLETIONS_PATH,
  chatBody,
  type RequestHeadersOptions,
  readRequestAnswer,
  requestHeaders,
  streamedPiece,
} from "../../support/ext-proc-messages.ts";

/** A chat body of exactly this many bytes. */
function chatBodyOfSize(size: number): Buffer {
  return chatBody("x".repeat(size - chatBody("").length));
}

/** Sends a whole request and returns what the proxy would do. */
function ask(body: Buffer, options: RequestHeadersOptions & { pieceSize?: number } = {}) {
  const shard = testShard();
  const stream = shard.open();
  stream.send(requestHeaders(options), ...bodyMessages("requestBody", body, options));
  shard.turn();
  return { shard, stream, answer: readRequestAnswer(stream.answers) };
}

describe("a request with a body", () => {
  it("is answered only when the body is complete and the decision is made", () => {
    const shard = testShard();
    const stream = shard.open();
    const body = chatBody("hello");
    const [first, second] = bodyMessages("requestBody", body, { pieceSize: Math.ceil(body.length / 2) });
    if (first === undefined || second === undefined) throw new Error("the body has two pieces");
    stream.send(requestHeaders());
    shard.turn();
    stream.send(first);
    shard.turn();
    stream.send(second);
    expect(stream.answers).toEqual([]);
    shard.turn();
    expect(stream.answers.map(({ kind }) => kind)).toEqual(["requestHeaders", "requestBody"]);
    expect(stream.state).toBe("open");
  });

  it("goes to the picked endpoint, in header and load-balancer metadata, with its length said again", () => {
    const body = chatBody("hello");
    const { shard, stream, answer } = ask(body);
    const destination = shard.decisions[0]?.pick.hostPort;
    expect(destination).toMatch(/^10\.0\.0\.[012]:8000$/);
    expect(answer).toMatchObject({
      kind: "routed",
      headers: { "x-gateway-destination-endpoint": destination, "content-length": String(body.length) },
    });
    expect(Object.keys(answer.headers)).toEqual(["x-gateway-destination-endpoint", "content-length"]);
    const [headers] = stream.answers;
    expect(headers?.dynamicMetadata).toEqual({ "envoy.lb": { "x-gateway-destination-endpoint": destination } });
    expect(headers).toMatchObject({ kind: "requestHeaders", common: { clearRouteCache: true, status: 0 } });
  });

  it.each([1, 7, 16_384, 61_999, 62_000, 62_001, 65_536])(
    "arrives byte for byte when it came in pieces of %i bytes",
    (pieceSize) => {
      const prng = new Prng(pieceSize);
      const prompt = Array.from({ length: 2_000 }, () => String.fromCodePoint(0x20 + prng.nextBelow(0x5000))).join("");
      const body = chatBody(prompt);
      const { answer } = ask(body, { pieceSize });
      expect(answer).toMatchObject({ kind: "routed", headers: { "content-length": String(body.length) } });
      expect(answer.kind === "routed" && answer.body.equals(body)).toBe(true);
    },
  );

  it.each([
    [61_999, [61_999]],
    [62_000, [62_000]],
    [62_001, [62_000, 1]],
    [124_000, [62_000, 62_000]],
    [200_000, [62_000, 62_000, 62_000, 14_000]],
  ])("of %i bytes leaves in pieces of %j, the end said with the last one only", (size, pieceSizes) => {
    const { stream, answer } = ask(chatBodyOfSize(size), { pieceSize: 30_011 });
    expect(answer).toMatchObject({ kind: "routed", pieceSizes });
    const ends = stream.answers.slice(1).map((piece) => streamedPiece(piece)?.endOfStream);
    expect(ends).toEqual(pieceSizes.map((_, index) => index === pieceSizes.length - 1));
  });

  it("may end with an empty piece", () => {
    const shard = testShard();
    const stream = shard.open();
    const body = chatBody("hello");
    stream.send(requestHeaders(), ...bodyMessages("requestBody", body, { endOfStream: false }));
    stream.send({ kind: "requestBody", body: Buffer.alloc(0), endOfStream: true });
    shard.turn();
    expect(readRequestAnswer(stream.answers)).toMatchObject({ kind: "routed", pieceSizes: [body.length] });
  });

  it("may end with trailers: no piece then ends the stream, and the answer to the trailers is last", () => {
    const shard = testShard();
    const stream = shard.open();
    const body = chatBodyOfSize(70_000);
    stream.send(requestHeaders(), ...bodyMessages("requestBody", body, { endOfStream: false }));
    stream.send({ kind: "requestTrailers", headers: [{ name: "x-checksum", value: "1" }] });
    shard.turn();
    expect(stream.answers.map(({ kind }) => kind)).toEqual([
      "requestHeaders",
      "requestBody",
      "requestBody",
      "requestTrailers",
    ]);
    const pieces = stream.answers.slice(1, 3).map((answer) => streamedPiece(answer));
    expect(pieces.map((piece) => piece?.endOfStream)).toEqual([false, false]);
    expect(Buffer.concat(pieces.map((piece) => piece?.body ?? Buffer.alloc(0))).equals(body)).toBe(true);
  });

  it("may come as one message and a half-closed stream, which ends with the answer", () => {
    const shard = testShard();
    const stream = shard.open();
    const body = chatBodyOfSize(200_000);
    stream.send(requestHeaders(), ...bodyMessages("requestBody", body, { pieceSize: body.length }));
    stream.halfClose();
    expect(stream.state).toBe("open");
    shard.turn();
    const answer = readRequestAnswer(stream.answers);
    expect(answer.kind === "routed" && answer.body.equals(body)).toBe(true);
    expect(stream.state).toBe("ended");
  });

  it("passes unread when no parser claims its path, whatever is in it", () => {
    const body = Buffer.from([0, 255, 1, 2, 3]);
    const { answer } = ask(body, { path: "/v2/unknown" });
    expect(answer).toMatchObject({ kind: "routed", body });
  });
});

describe("a request without a body", () => {
  it("is decided at once, without a length and without an answer to a body", () => {
    const shard = testShard();
    const stream = shard.open();
    stream.send(requestHeaders({ method: "GET", path: "/v1/models", endOfStream: true }));
    shard.turn();
    expect(stream.answers).toHaveLength(1);
    const answer = readRequestAnswer(stream.answers);
    expect(answer).toMatchObject({ kind: "routed", destination: shard.decisions[0]?.pick.hostPort });
    expect(answer.headers).not.toHaveProperty("content-length");
  });

  it("that ends with trailers has its trailers answered", () => {
    const shard = testShard();
    const stream = shard.open();
    stream.send(requestHeaders({ path: "/v1/models" }), { kind: "requestTrailers", headers: [] });
    shard.turn();
    expect(stream.answers.map(({ kind }) => kind)).toEqual(["requestHeaders", "requestTrailers"]);
  });
});

describe("the request's headers", () => {
  it("keep a request id, which the decision carries", () => {
    const { shard, answer } = ask(chatBody("hello"), { requestId: "given" });
    expect(answer.headers).not.toHaveProperty("x-request-id");
    expect(shard.decisions.map(({ requestId }) => requestId)).toEqual(["given"]);
  });

  it("get a request id when they have none", () => {
    const shard = testShard();
    const stream = shard.open();
    stream.send({ kind: "requestHeaders", headers: [{ name: ":path", value: CHAT_PATH }] });
    stream.send(...bodyMessages("requestBody", chatBody("hello")));
    shard.turn();
    expect(readRequestAnswer(stream.answers).headers).toMatchObject({ "x-request-id": "made-0" });
    expect(shard.decisions.map(({ requestId }) => requestId)).toEqual(["made-0"]);
  });

  // A completions body on a chat path lacks messages, and a chat body on a completions path lacks a prompt.
  const COMPLETION = Buffer.from(JSON.stringify({ model: "m", prompt: "once" }));
  it.each([
    { name: "in raw_value", headers: [{ name: ":path", value: CHAT_PATH }], body: chatBody("hello") },
    { name: "in value", headers: [{ name: ":path", value: CHAT_PATH, isInValue: true }], body: chatBody("hello") },
    { name: "with a query", headers: [{ name: ":path", value: `${CHAT_PATH}?beta=1` }], body: chatBody("hello") },
    {
      name: "in an upper-case header",
      headers: [{ name: "X-Original-Path", value: CHAT_PATH }],
      body: chatBody("hello"),
    },
    { name: "in x-forwarded-path", headers: [{ name: "x-forwarded-path", value: CHAT_PATH }], body: chatBody("hello") },
    {
      name: "in :path rather than in x-original-path",
      headers: [
        { name: "x-original-path", value: COMPLETIONS_PATH },
        { name: ":path", value: CHAT_PATH },
      ],
      body: chatBody("hello"),
    },
    { name: "nowhere, which means completions", headers: [], body: COMPLETION },
  ])("say the path $name", ({ headers, body }) => {
    const shard = testShard();
    const stream = shard.open();
    stream.send({ kind: "requestHeaders", headers }, ...bodyMessages("requestBody", body));
    shard.turn();
    expect(readRequestAnswer(stream.answers)).toMatchObject({ kind: "routed" });
    expect(shard.decisions.map(({ model }) => model)).toEqual([body === COMPLETION ? "m" : "simulated-8b"]);
  });
});

describe("decisions", () => {
  it("of bodies that complete in one turn are made together, in order of completion", () => {
    const shard = testShard();
    const streams = ["a", "b", "c"].map((requestId) => {
      const stream = shard.open();
      stream.send(requestHeaders({ requestId }));
      return stream;
    });
    for (const stream of streams.toReversed()) stream.send(...bodyMessages("requestBody", chatBody("hello")));
    shard.turn();
    expect(shard.decisions.map(({ requestId, batchSize }) => [requestId, batchSize])).toEqual([
      ["c", 3],
      ["b", 3],
      ["a", 3],
    ]);
  });

  it("send the same long prefix to the same endpoint, also when it grows", () => {
    const shard = testShard({ endpointCount: 8 });
    const prefix = "All about birds. ".repeat(200);
    const destinations = [prefix, `${prefix} More.`, `${prefix} More. And more.`].map((prompt) => {
      const stream = shard.open();
      stream.send(requestHeaders(), ...bodyMessages("requestBody", chatBody(prompt)));
      shard.turn();
      const answer = readRequestAnswer(stream.answers);
      stream.cancel();
      return answer.kind === "routed" ? answer.destination : answer.kind;
    });
    expect(new Set(destinations).size).toBe(1);
    expect(shard.decisions.map(({ pick }) => pick.matchedBlocks > 0)).toEqual([false, true, true]);
  });

  it("report a model that has no number yet", () => {
    const { shard } = ask(chatBody("hello", "model-of-nobody"));
    expect(shard.unknownNames).toEqual(["model-of-nobody"]);
  });
});
