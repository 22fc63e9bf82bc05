import { describe, expect, it } from "vitest";
import { AnswerReader } from "../../../../bench/load/answer-reader.ts";
import { PROCESSING_RESPONSE } from "../../../../src/wire/ext-proc/fields.ts";
import {
  encodeBodyResponse,
  encodeHeadersResponse,
  encodeImmediateResponse,
  encodeStreamedBodyResponse,
} from "../../../../src/wire/ext-proc/response-encoder.ts";

type Heard = readonly [field: number, isEnd: boolean, httpStatus: number] | "unreadable";

/** Reads the messages as one stream, cut at these offsets. */
function read(messages: readonly Buffer[], cuts: readonly number[] = []): Heard[] {
  const heard: Heard[] = [];
  const reader = new AnswerReader({
    onAnswer: (...answer) => heard.push(answer),
    onUnreadable: () => heard.push("unreadable"),
  });
  const stream = Buffer.concat(messages.map(grpcFrame));
  const ends = [...cuts, stream.length];
  for (const [index, end] of ends.entries()) reader.push(stream, ends[index - 1] ?? 0, end);
  return heard;
}

function grpcFrame(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const LB = { "envoy.lb": { "x-gateway-destination-endpoint": "10.0.0.1:8000" } };
const MANY_HEADERS = Array.from({ length: 60 }, (_, index) => ({ name: `x-header-${index}`, value: "v".repeat(40) }));
const { requestHeaders, requestBody, responseHeaders, responseBody, immediateResponse } = PROCESSING_RESPONSE;

describe("an answer reader", () => {
  it.each([
    ["the request's headers", encodeHeadersResponse("request", { setHeaders: MANY_HEADERS }), [requestHeaders, false]],
    ["a short piece", encodeStreamedBodyResponse("request", Buffer.from("{}"), false), [requestBody, false]],
    ["a long piece", encodeStreamedBodyResponse("request", Buffer.alloc(62_000), false), [requestBody, false]],
    ["a long last piece", encodeStreamedBodyResponse("request", Buffer.alloc(62_000), true), [requestBody, true]],
    ["an empty end", encodeStreamedBodyResponse("response", Buffer.alloc(0), true), [responseBody, true]],
    ["the response's headers", encodeHeadersResponse("response", {}), [responseHeaders, false]],
    [
      "an end that metadata follows",
      encodeStreamedBodyResponse("response", Buffer.alloc(5_000), true, { dynamicMetadata: LB }),
      [responseBody, true],
    ],
    [
      "a piece whose text ends as an end would",
      encodeStreamedBodyResponse("response", Buffer.from([0x41, 0x10, 0x01]), false),
      [responseBody, false],
    ],
  ])("tells %s", (_what, message, [field, isEnd]) => {
    expect(read([message])).toEqual([[field, isEnd, 0]]);
  });

  it("tells a refusal and its status", () => {
    const refusal = encodeImmediateResponse({ status: 429, body: "full".repeat(100), setHeaders: MANY_HEADERS });
    expect(read([refusal])).toEqual([[immediateResponse, false, 429]]);
  });

  it("hears the same wherever the stream is cut", () => {
    const messages = [
      encodeHeadersResponse("request", { setHeaders: MANY_HEADERS.slice(0, 3), dynamicMetadata: LB }),
      encodeStreamedBodyResponse("request", Buffer.alloc(300, "a"), false),
      encodeStreamedBodyResponse("request", Buffer.alloc(90, "b"), true),
    ];
    const whole = read(messages);
    expect(whole).toEqual([
      [requestHeaders, false, 0],
      [requestBody, false, 0],
      [requestBody, true, 0],
    ]);
    const size = Buffer.concat(messages.map(grpcFrame)).length;
    for (let cut = 1; cut < size; cut++) expect(read(messages, [cut]), `cut at ${cut}`).toEqual(whole);
    const everywhere = Array.from({ length: size - 1 }, (_, index) => index + 1);
    expect(read(messages, everywhere), "cut everywhere").toEqual(whole);
  });

  it.each([
    ["a body that replaces", encodeBodyResponse("request", { bodyMutation: { kind: "clear", clear: true } })],
    ["a body answer without a body", encodeBodyResponse("request", {})],
    ["an empty message with a tag cut off", Buffer.from([0x80])],
    [
      "a body whose end is too far from both ends",
      encodeStreamedBodyResponse("request", Buffer.alloc(5_000), true, { dynamicMetadata: { a: "v".repeat(2_000) } }),
    ],
  ])("does not take %s for an answer in full duplex, and reads nothing after it", (_what, message) => {
    expect(read([message, encodeHeadersResponse("request", {})])).toEqual(["unreadable"]);
  });

  it("does not take a compressed message for one", () => {
    const reader = new AnswerReader({
      onAnswer: () => expect.unreachable(),
      onUnreadable: () => heard.push("unreadable"),
    });
    const heard: Heard[] = [];
    reader.push(Buffer.from([1, 0, 0, 0, 1, 0]), 0, 6);
    expect(heard).toEqual(["unreadable"]);
  });

  it("forgets what is left of a stream when it is reset while it hears of an answer", () => {
    const heard: number[] = [];
    const reader: AnswerReader = new AnswerReader({
      onAnswer: (field) => {
        heard.push(field);
        reader.reset();
      },
      onUnreadable: () => expect.unreachable(),
    });
    const [first, second] = [encodeHeadersResponse("request", {}), encodeHeadersResponse("response", {})].map(
      grpcFrame,
    );
    const both = Buffer.concat([first ?? Buffer.alloc(0), second ?? Buffer.alloc(0)]);
    reader.push(both, 0, both.length - 1);
    reader.push(both, 0, both.length);
    expect(heard).toEqual([requestHeaders, requestHeaders]);
  });
});
