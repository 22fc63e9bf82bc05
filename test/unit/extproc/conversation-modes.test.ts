/** Proxies that send bodies otherwise than in full duplex, and clients that differ from Envoy. */
import { describe, expect, it } from "vitest";
import { BODY_SEND_MODE } from "../../../src/wire/ext-proc/fields.ts";
import type { ProcessingRequestInput } from "../../../src/wire/ext-proc/request-encoder.ts";
import type { ProcessingResponse } from "../../../src/wire/ext-proc/response-decoder.ts";
import { type TestShard, type TestStream, testShard } from "../../support/conversation.ts";
import {
  bodyMessages,
  chatBody,
  readRequestAnswer,
  requestHeaders,
  setHeaders,
} from "../../support/ext-proc-messages.ts";

const DESTINATION = "x-gateway-destination-endpoint";
const REWRITE = "x-llm-d-model-name-rewrite";

type Mode = keyof typeof BODY_SEND_MODE;

/** A stream whose proxy says its body modes in its first message. */
function openIn(
  shard: TestShard,
  mode: Mode,
  options: { more?: readonly { name: string; value: string }[] } = {},
): TestStream {
  const stream = shard.open();
  const protocolConfig = { requestBodyMode: BODY_SEND_MODE[mode], responseBodyMode: BODY_SEND_MODE[mode] };
  stream.send({ ...requestHeaders(options), protocolConfig });
  shard.turn();
  return stream;
}

const body = (bytes: Buffer, endOfStream = true): ProcessingRequestInput => ({
  kind: "requestBody",
  body: bytes,
  endOfStream,
});
const mutationOf = (answer: ProcessingResponse | undefined) =>
  answer !== undefined && "common" in answer ? answer.common.bodyMutation : undefined;

describe("a buffered body", () => {
  it("is waited for with an empty answer, and its answer sets the destination", () => {
    const shard = testShard();
    const stream = openIn(shard, "buffered");
    expect(stream.answers.map(setHeaders)).toEqual([{}]);
    stream.send(body(chatBody("hello")));
    shard.turn();
    const answer = stream.answers[1];
    expect(answer?.kind).toBe("requestBody");
    expect(setHeaders(answer)).toEqual({ [DESTINATION]: shard.decisions[0]?.pick.hostPort });
    expect(mutationOf(answer)).toBeUndefined();
    expect(answer?.dynamicMetadata).toEqual({ "envoy.lb": { [DESTINATION]: shard.decisions[0]?.pick.hostPort } });
  });

  it("that trailers follow is complete all the same, and the trailers are answered", () => {
    const shard = testShard();
    const stream = openIn(shard, "buffered");
    stream.send(body(chatBody("hello"), false));
    shard.turn();
    stream.send({ kind: "requestTrailers", headers: [] });
    expect(stream.answers.map(({ kind }) => kind)).toEqual(["requestHeaders", "requestBody", "requestTrailers"]);
  });

  it("leaves with the model's new name, and its length said again", () => {
    const shard = testShard();
    const stream = openIn(shard, "buffered", { more: [{ name: REWRITE, value: "other" }] });
    stream.send(body(chatBody("hello")));
    shard.turn();
    const expected = chatBody("hello", "other");
    expect(mutationOf(stream.answers[1])).toEqual({ kind: "replace", body: expected });
    expect(setHeaders(stream.answers[1])).toMatchObject({ "content-length": String(expected.length) });
  });

  it("that is not JSON is refused", () => {
    const shard = testShard();
    const stream = openIn(shard, "buffered");
    stream.send(body(Buffer.from("{")));
    expect(stream.answers.at(-1)).toMatchObject({ kind: "immediateResponse", immediate: { status: 400 } });
    expect(stream.state).toBe("ended");
  });
});

describe("a partially buffered body", () => {
  it("that is cut is decided on what was shown", () => {
    const shard = testShard();
    const whole = chatBody("a long prompt ".repeat(200));
    for (let round = 0; round < 2; round++) {
      const stream = openIn(shard, "bufferedPartial");
      stream.send(body(whole.subarray(0, 2_000), false));
      shard.turn();
      expect(setHeaders(stream.answers[1])).toHaveProperty(DESTINATION);
      stream.cancel();
    }
    expect(shard.decisions[1]?.pick).toMatchObject({ blockCount: 7, matchedBlocks: 7 });
    expect(shard.decisions[1]?.model).toBe("simulated-8b");
  });

  it("that is whole and cut all the same is refused", () => {
    const shard = testShard();
    const stream = openIn(shard, "bufferedPartial");
    stream.send(body(Buffer.from('{"model":'), true));
    expect(stream.answers.at(-1)?.kind).toBe("immediateResponse");
  });
});

describe("a streamed body", () => {
  it("leaves the pick to the headers, and each piece is passed on unchanged", () => {
    const shard = testShard();
    const stream = openIn(shard, "streamed");
    expect(setHeaders(stream.answers[0])).toHaveProperty(DESTINATION);
    stream.send(body(Buffer.from("a"), false), body(Buffer.from("b"), false), { kind: "requestTrailers", headers: [] });
    const answers = stream.answers.slice(1);
    expect(answers.map(({ kind }) => kind)).toEqual(["requestBody", "requestBody", "requestTrailers"]);
    expect(answers.map(mutationOf)).toEqual([undefined, undefined, undefined]);
  });

  it("whose pieces do not wait for the pick is answered after it, in order", () => {
    const shard = testShard();
    const stream = shard.open();
    stream.send({ ...requestHeaders(), protocolConfig: { requestBodyMode: BODY_SEND_MODE.streamed } });
    stream.send(body(Buffer.from("a"), false), body(Buffer.from("b"), true));
    expect(stream.answers).toEqual([]);
    shard.turn();
    expect(stream.answers.map(({ kind }) => kind)).toEqual(["requestHeaders", "requestBody", "requestBody"]);
  });

  it("cannot have its model renamed, which is counted", () => {
    const shard = testShard();
    openIn(shard, "streamed", { more: [{ name: REWRITE, value: "other" }] });
    expect(shard.rewritesSkipped).toBe(1);
  });
});

it("a proxy that sends no bodies gets its answer at the headers", () => {
  const shard = testShard();
  const stream = openIn(shard, "none");
  expect(readRequestAnswer(stream.answers).kind).toBe("routed");
  expect(shard.decisions[0]?.pick.blockCount).toBe(0);
});

describe.each(["buffered", "streamed"] as const)("a %s response body", (mode) => {
  it("is passed on without being sent back", () => {
    const shard = testShard();
    const stream = openIn(shard, mode);
    stream.send(...(mode === "buffered" ? [body(chatBody("hello"))] : []));
    shard.turn();
    stream.send({ kind: "responseHeaders", headers: [{ name: ":status", value: "200" }] });
    stream.send(...bodyMessages("responseBody", Buffer.from("answer")));
    expect(stream.answers.slice(-2).map(({ kind }) => kind)).toEqual(["responseHeaders", "responseBody"]);
    expect(mutationOf(stream.answers.at(-1))).toBeUndefined();
  });
});

describe("clients that differ from Envoy", () => {
  it("without pseudo headers, with values in `value` and a half-close, as NGINX Gateway Fabric", () => {
    const shard = testShard();
    const stream = shard.open();
    const headers = [{ name: "content-type", value: "application/json", isInValue: true }];
    stream.send({ kind: "requestHeaders", headers });
    stream.send(body(Buffer.from(JSON.stringify({ model: "m", prompt: "hello" }))));
    stream.halfClose();
    expect(stream.state).toBe("open");
    shard.turn();
    expect(readRequestAnswer(stream.answers)).toMatchObject({ kind: "routed" });
    expect(setHeaders(stream.answers[0])).toHaveProperty("x-request-id", "made-0");
    expect(stream.state).toBe("ended");
    expect(shard.fleet.kernel.inFlightRequests(shard.decisions[0]?.pick.slot ?? -1)).toBe(0);
  });

  it("with a trailing empty message that ends the body, as agentgateway", () => {
    const shard = testShard();
    const stream = shard.open();
    const chat = chatBody("hello");
    stream.send(requestHeaders(), body(chat, false), body(Buffer.alloc(0), true));
    shard.turn();
    const answer = readRequestAnswer(stream.answers);
    expect(answer.kind === "routed" && answer.body.equals(chat)).toBe(true);
  });

  it("that send headers alone and half-close get a pick", () => {
    const shard = testShard();
    const stream = shard.open();
    stream.send(requestHeaders());
    stream.halfClose();
    shard.turn();
    expect(setHeaders(stream.answers[0])).toHaveProperty(DESTINATION);
    expect(stream.state).toBe("ended");
  });
});
