import { describe, expect, it } from "vitest";
import { type TestStream, testShard } from "../../support/conversation.ts";
import { bodyMessages, chatBody, requestHeaders, setHeaders, streamedPiece } from "../../support/ext-proc-messages.ts";

/** A stream whose request was routed, with its answers so far left out. */
function routedStream(): { stream: TestStream; answersFrom: number } {
  const shard = testShard();
  const stream = shard.open();
  stream.send(requestHeaders(), ...bodyMessages("requestBody", chatBody("hello")));
  shard.turn();
  return { stream, answersFrom: stream.answers.length };
}

describe.each([
  { name: "after a request", open: routedStream },
  { name: "on a stream that carries the response only", open: () => ({ stream: testShard().open(), answersFrom: 0 }) },
])("a response $name", ({ open }) => {
  it("has its headers answered at once, marked, and otherwise unchanged", () => {
    const { stream, answersFrom } = open();
    stream.send({ kind: "responseHeaders", headers: [{ name: ":status", value: "200" }] });
    const [answer, ...rest] = stream.answers.slice(answersFrom);
    expect(rest).toEqual([]);
    expect(answer).toMatchObject({
      kind: "responseHeaders",
      common: { clearRouteCache: false, bodyMutation: undefined, headerMutation: { removeHeaders: [] } },
    });
    expect(setHeaders(answer)).toEqual({ "x-went-into-resp-headers": "true" });
  });

  it("has each piece of its body answered with that piece, at once", () => {
    const { stream, answersFrom } = open();
    stream.send({ kind: "responseHeaders", headers: [{ name: "content-type", value: "text/event-stream" }] });
    const events = ["data: 1\n\n", "data: 2\n\n", "", "data: [DONE]\n\n"];
    for (const [index, event] of events.entries()) {
      const endOfStream = index === events.length - 1;
      stream.send({ kind: "responseBody", body: Buffer.from(event), endOfStream });
      expect(stream.answers).toHaveLength(answersFrom + index + 2);
      const piece = streamedPiece(stream.answers.at(-1));
      expect(stream.answers.at(-1)?.kind).toBe("responseBody");
      expect([piece?.body.toString(), piece?.endOfStream]).toEqual([event, endOfStream]);
    }
  });

  it("has a large piece cut, with the end at the last part only", () => {
    const { stream, answersFrom } = open();
    const body = Buffer.alloc(150_000, "b");
    stream.send({ kind: "responseHeaders", headers: [] });
    stream.send({ kind: "responseBody", body, endOfStream: true });
    const pieces = stream.answers.slice(answersFrom + 1).map((answer) => streamedPiece(answer));
    expect(pieces.map((piece) => [piece?.body.length, piece?.endOfStream])).toEqual([
      [62_000, false],
      [62_000, false],
      [26_000, true],
    ]);
  });

  it("has its trailers answered", () => {
    const { stream } = open();
    stream.send({ kind: "responseHeaders", headers: [] }, { kind: "responseBody", body: Buffer.from("x") });
    stream.send({ kind: "responseTrailers", headers: [{ name: "grpc-status", value: "0" }] });
    expect(stream.answers.at(-1)).toMatchObject({
      kind: "responseTrailers",
      headerMutation: { setHeaders: [], removeHeaders: [] },
    });
    expect(stream.state).toBe("open");
  });

  it("ends with status OK when the proxy half-closes", () => {
    const { stream } = open();
    stream.send({ kind: "responseHeaders", headers: [], endOfStream: true });
    stream.halfClose();
    expect(stream.state).toBe("ended");
  });
});
