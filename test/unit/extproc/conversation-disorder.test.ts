import { describe, expect, it } from "vitest";
import type { ProcessingRequestInput } from "../../../src/wire/ext-proc/request-encoder.ts";
import { testShard } from "../../support/conversation.ts";
import { bodyMessages, chatBody, readRequestAnswer, requestHeaders } from "../../support/ext-proc-messages.ts";

const BODY = bodyMessages("requestBody", chatBody("hello"));
const TRAILERS: ProcessingRequestInput = { kind: "requestTrailers", headers: [] };

const OUT_OF_ORDER: readonly { name: string; messages: ProcessingRequestInput[]; failure: string }[] = [
  {
    name: "headers that come twice",
    messages: [requestHeaders(), requestHeaders()],
    failure: "request headers came twice",
  },
  { name: "a body before headers", messages: BODY, failure: "a request body came without headers, or after its end" },
  {
    name: "a body after its end",
    messages: [requestHeaders(), ...BODY, ...BODY],
    failure: "a request body came without headers, or after its end",
  },
  {
    name: "a body after headers that ended the stream",
    messages: [requestHeaders({ endOfStream: true }), ...BODY],
    failure: "a request body came without headers, or after its end",
  },
  {
    name: "trailers before headers",
    messages: [TRAILERS],
    failure: "request trailers came without headers, or after the end",
  },
  {
    name: "trailers that come twice",
    messages: [requestHeaders(), TRAILERS, TRAILERS],
    failure: "request trailers came without headers, or after the end",
  },
  {
    name: "trailers after a body that said its end",
    messages: [requestHeaders(), ...BODY, TRAILERS],
    failure: "request trailers came without headers, or after the end",
  },
];

describe.each([
  { when: "before the decision", decideFirst: false },
  { when: "after the decision", decideFirst: true },
])("a message out of order, $when", ({ decideFirst }) => {
  it.each(OUT_OF_ORDER)("fails the stream: $name", ({ messages, failure }) => {
    const shard = testShard();
    const stream = shard.open();
    stream.send(...messages.slice(0, -1));
    if (decideFirst) shard.turn();
    stream.send(...messages.slice(-1));
    expect([stream.state, stream.failure]).toEqual(["failed", failure]);
    expect(shard.protocolErrors).toEqual([failure]);
    shard.turn();
    expect(shard.freeWindowCount()).toBe(16);
    expect(shard.streamsOpen).toBe(0);
  });
});

describe("a message that is malformed", () => {
  it.each([
    { name: "a length that goes beyond the message", bytes: Buffer.from([0x12, 0x7f, 0x00]) },
    { name: "a field number of 0", bytes: Buffer.from([0x02, 0x00]) },
    { name: "a number that does not end", bytes: Buffer.alloc(12, 0xff) },
    { name: "a header whose length goes beyond its map", bytes: Buffer.from([0x12, 0x04, 0x0a, 0x02, 0x0a, 0x7f]) },
  ])("fails the stream and returns what it held: $name", ({ bytes }) => {
    const shard = testShard();
    const fresh = shard.open();
    fresh.sendBytes(bytes);
    expect(fresh.state).toBe("failed");
    expect(fresh.failure).toMatch(/^malformed message: /);
    const other = shard.open();
    other.send(requestHeaders(), { kind: "requestBody", body: Buffer.from("{") });
    other.sendBytes(bytes);
    expect(other.state).toBe("failed");
    expect(shard.freeWindowCount()).toBe(16);
  });

  it("does not harm another stream in progress", () => {
    const shard = testShard();
    const stream = shard.open();
    const [start, end] = bodyMessages("requestBody", chatBody("hello"), { pieceSize: 40 });
    if (start === undefined || end === undefined) throw new Error("the body has two pieces");
    stream.send(requestHeaders(), start);
    shard.open().sendBytes(Buffer.alloc(64, 0xff));
    stream.send(end);
    shard.turn();
    expect(readRequestAnswer(stream.answers)).toMatchObject({ kind: "routed" });
  });
});

it("a message of a kind that is not known is passed over", () => {
  const shard = testShard();
  const stream = shard.open();
  stream.sendBytes(Buffer.alloc(0));
  stream.send(requestHeaders());
  stream.sendBytes(Buffer.from([0xfa, 0x7f, 0x01, 0x00]));
  stream.send(...BODY);
  shard.turn();
  expect(readRequestAnswer(stream.answers)).toMatchObject({ kind: "routed" });
});

describe("a proxy that half-closes", () => {
  const messages = bodyMessages("requestBody", chatBody("hello"), { endOfStream: false });

  it("before headers ends the stream without an answer", () => {
    const stream = testShard().open();
    stream.halfClose();
    expect([stream.state, stream.answers.length]).toEqual(["ended", 0]);
  });

  it.each([
    { name: "after headers has sent a request without a body", messages: [requestHeaders()], pieces: 0 },
    { name: "within the body has ended it", messages: [requestHeaders(), ...messages], pieces: 1 },
  ])("$name: the stream ends with the answer", ({ messages: sent, pieces }) => {
    const shard = testShard();
    const stream = shard.open();
    stream.send(...sent);
    stream.halfClose();
    expect([stream.state, stream.answers.length]).toEqual(["open", 0]);
    shard.turn();
    expect(readRequestAnswer(stream.answers)).toMatchObject({ kind: "routed" });
    expect([stream.state, stream.answers.length]).toEqual(["ended", 1 + pieces]);
    expect(shard.freeWindowCount()).toBe(16);
  });

  it("within a body that is cut gets 400", () => {
    const shard = testShard();
    const stream = shard.open();
    stream.send(requestHeaders(), { kind: "requestBody", body: Buffer.from("{") });
    stream.halfClose();
    expect(readRequestAnswer(stream.answers)).toMatchObject({ kind: "refused", status: 400 });
    expect([stream.state, shard.freeWindowCount()]).toEqual(["ended", 16]);
  });
});
