/**
 * Bytes that no honest peer sends.
 *
 * Strategy: take sample messages of every kind and cut them at each byte, change random bytes in them, or send random
 * bytes. Invariants: the decoders return or throw `WireError`, nothing else, and what they return is a function of the
 * message alone: the bytes around it, in a larger buffer, are never read.
 */
import { describe, expect, it } from "vitest";
import { Prng } from "../../../../src/base/prng.ts";
import { findHeader, forEachHeader } from "../../../../src/wire/ext-proc/header-map.ts";
import {
  readAttributes,
  readFilterMetadata,
  readProtocolConfig,
} from "../../../../src/wire/ext-proc/request-context.ts";
import { decodeProcessingRequest } from "../../../../src/wire/ext-proc/request-decoder.ts";
import { encodeProcessingRequest } from "../../../../src/wire/ext-proc/request-encoder.ts";
import { decodeProcessingResponse } from "../../../../src/wire/ext-proc/response-decoder.ts";
import {
  encodeHeadersResponse,
  encodeImmediateResponse,
  encodeStreamedBodyResponse,
  encodeTrailersResponse,
} from "../../../../src/wire/ext-proc/response-encoder.ts";
import { WireError } from "../../../../src/wire/wire-error.ts";

const SEED = 20_261;
const RANDOM_MESSAGES = 20_000;

const headers = [
  { name: ":path", value: "/v1/chat/completions" },
  { name: "x-request-id", value: "größe", isInValue: true },
];
const metadata = { "envoy.lb": { list: ["10.0.0.1:8000", null, 1.5, { deep: [true] }] } };

const SAMPLES: readonly Buffer[] = [
  encodeProcessingRequest({
    kind: "requestHeaders",
    headers,
    endOfStream: true,
    metadataContext: metadata,
    attributes: metadata,
    observabilityMode: true,
    protocolConfig: { requestBodyMode: 4, responseBodyMode: 4, sendBodyWithoutWaitingForHeaderResponse: true },
  }),
  encodeProcessingRequest({ kind: "responseBody", body: Buffer.alloc(300, 1), endOfStream: true }),
  encodeProcessingRequest({ kind: "requestTrailers", headers }),
  encodeHeadersResponse("request", {
    setHeaders: [{ name: "a", value: "b", append: true, appendAction: 2, keepEmptyValue: true }],
    removeHeaders: ["c"],
    trailers: headers,
    clearRouteCache: true,
    status: 1,
    bodyMutation: { kind: "replace", body: Buffer.from("body") },
    dynamicMetadata: metadata,
    modeOverride: { requestBodyMode: 4, responseTrailerMode: 1 },
  }),
  encodeStreamedBodyResponse("response", Buffer.alloc(300, 1), true),
  encodeTrailersResponse("response", { removeHeaders: ["a"] }),
  encodeImmediateResponse({
    status: 503,
    setHeaders: [{ name: "a", value: "b" }],
    body: "nobody there",
    grpcStatus: 14,
    details: "why",
  }),
];

/**
 * What reading everything in a message gives, as text; the code where it is refused. Anything but WireError escapes.
 */
function outcome(message: Buffer): string {
  return `${attempt(() => readRequest(message))} ${attempt(() => JSON.stringify(decodeProcessingResponse(message)))}`;
}

function attempt(read: () => string): string {
  try {
    return read();
  } catch (error) {
    if (error instanceof WireError) return error.code;
    throw error;
  }
}

function readRequest(message: Buffer): string {
  const request = decodeProcessingRequest(message);
  const parts: unknown[] = [request.kind, request.observabilityMode];
  if ("endOfStream" in request) parts.push(request.endOfStream);
  if ("body" in request) parts.push(request.body.toString("hex"));
  if ("headers" in request) {
    forEachHeader(request.headers, (name, value) => parts.push(name, value));
    parts.push(findHeader(request.headers, ":path"));
  }
  parts.push(readFilterMetadata(request, "envoy.lb"), readAttributes(request), readProtocolConfig(request));
  return JSON.stringify(parts);
}

/** The message as a part of a larger buffer of that filling. */
function surrounded(message: Buffer, filling: number): Buffer {
  const larger = Buffer.alloc(message.length + 64, filling);
  message.copy(larger, 32);
  return larger.subarray(32, 32 + message.length);
}

function randomBytes(prng: Prng, size: number): Buffer {
  return Buffer.from(Array.from({ length: size }, () => prng.nextBelow(256)));
}

/** One to eight bytes changed, taken out or put in. */
function mutated(prng: Prng, sample: Buffer): Buffer {
  const bytes = [...sample];
  for (let change = prng.nextBelow(8); change >= 0; change--) {
    bytes.splice(prng.nextBelow(bytes.length + 1), prng.nextBelow(2), ...randomBytes(prng, prng.nextBelow(2)));
  }
  return Buffer.from(bytes);
}

describe("the decoders", () => {
  it("understand every sample", () => {
    const kinds = SAMPLES.map((sample) => outcome(sample));
    expect(kinds.filter((text) => !text.includes("{") && !text.includes("["))).toEqual([]);
  });

  it("return or throw WireError for every sample cut at every byte", () => {
    let cuts = 0;
    const outcomes = new Set<string>();
    for (const sample of SAMPLES) {
      for (let size = 0; size < sample.length; size++, cuts++) outcomes.add(outcome(sample.subarray(0, size)));
    }
    expect(cuts).toBe(SAMPLES.reduce((sum, sample) => sum + sample.length, 0));
    expect([...outcomes].some((text) => text.includes("truncated"))).toBe(true);
  });

  it.each([
    ["random bytes", (prng: Prng) => randomBytes(prng, prng.nextBelow(200))],
    ["changed samples", (prng: Prng) => mutated(prng, SAMPLES[prng.nextBelow(SAMPLES.length)] as Buffer)],
  ])(
    `return or throw WireError for ${RANDOM_MESSAGES} times %s (seed ${SEED}), whatever lies around them`,
    (label, draw) => {
      const prng = new Prng(SEED).fork(label);
      let messages = 0;
      for (; messages < RANDOM_MESSAGES; messages++) {
        const message = draw(prng);
        const alone = outcome(Buffer.from(message));
        if (outcome(surrounded(message, 0x00)) !== alone || outcome(surrounded(message, 0x12)) !== alone) {
          expect.fail(`message ${message.toString("hex")} depends on what lies around it`);
        }
      }
      expect(messages).toBe(RANDOM_MESSAGES);
    },
  );

  it.each([
    ["request headers as a number", [0x10, 1]],
    ["a body as a number", [0x22, 2, 0x08, 1]],
    ["an end of stream as bytes", [0x22, 2, 0x12, 0]],
    ["metadata as a number", [0x40, 1]],
    ["attributes as a number", [0x48, 1]],
    ["the observability mode as bytes", [0x52, 0]],
    ["the protocol configuration as a number", [0x58, 1]],
  ])("refuse %s", (_, bytes) => {
    expect(attempt(() => decodeProcessingRequest(Buffer.from(bytes)).kind)).toBe("wire-type");
  });

  it("take the last member when a message has several", () => {
    const first = encodeProcessingRequest({ kind: "requestHeaders", headers });
    const last = encodeProcessingRequest({ kind: "requestBody", body: Buffer.from("x") });
    expect(decodeProcessingRequest(Buffer.concat([first, last]))).toMatchObject({ kind: "requestBody" });
    expect(decodeProcessingRequest(Buffer.concat([last, first]))).toMatchObject({ kind: "requestHeaders" });
  });

  it("take the last metadata and protocol configuration when a message has several, even where it is empty", () => {
    const full = encodeProcessingRequest({
      kind: "requestHeaders",
      headers,
      metadataContext: { "envoy.lb": { served: "a" } },
      protocolConfig: { requestBodyMode: 4, responseBodyMode: 4 },
    });
    const empty = Buffer.from([0x42, 0, 0x5a, 0]);
    const later = decodeProcessingRequest(Buffer.concat([empty, full]));
    expect(readFilterMetadata(later, "envoy.lb")).toEqual({ served: "a" });
    expect(readProtocolConfig(later)?.requestBodyMode).toBe(4);
    const earlier = decodeProcessingRequest(Buffer.concat([full, empty]));
    expect(readFilterMetadata(earlier, "envoy.lb")).toBeUndefined();
    expect(readProtocolConfig(earlier)?.requestBodyMode).toBe(0);
    expect(readProtocolConfig(decodeProcessingRequest(Buffer.from([0x42, 0])))).toBeUndefined();
  });

  it("call a message unknown that has no member we know", () => {
    expect(decodeProcessingRequest(Buffer.from([0x50, 1]))).toMatchObject({ kind: "unknown", observabilityMode: true });
    expect(decodeProcessingResponse(Buffer.alloc(0)).kind).toBe("unknown");
  });

  it("give a body that shares the message's memory", () => {
    const message = encodeProcessingRequest({ kind: "requestBody", body: Buffer.from("abc") });
    const decoded = decodeProcessingRequest(message);
    message.fill(0x7a);
    expect("body" in decoded && decoded.body.toString()).toBe("zzz");
  });

  it("read messages that lie in shared memory", () => {
    const message = encodeProcessingRequest({ kind: "requestHeaders", headers });
    const shared = new Uint8Array(new SharedArrayBuffer(message.length));
    shared.set(message);
    const decoded = decodeProcessingRequest(shared);
    expect("headers" in decoded && findHeader(decoded.headers, ":path")).toBe("/v1/chat/completions");
  });

  it("refuse an answer with more header changes than HEADERS_MAX", () => {
    const setHeaders = new Array(10_001).fill({ name: "a", value: "b" });
    expect(attempt(() => decodeProcessingResponse(encodeHeadersResponse("request", { setHeaders })).kind)).toBe(
      "limit",
    );
  });
});
