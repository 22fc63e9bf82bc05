/**
 * Strategy: messages of all kinds, right and wrong ones, are given to `MessagePieces` in pieces cut at random.
 * Invariants: what comes out of a right message is what the decoder makes of the whole; a wrong one throws `WireError`
 * or is read; nothing is kept of a piece's memory, which is overwritten after each call.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Prng, randomSeed } from "../../../../src/base/prng.ts";
import { forEachHeader } from "../../../../src/wire/ext-proc/header-map.ts";
import { MESSAGE_REST_SIZE_MAX, MessagePieces } from "../../../../src/wire/ext-proc/message-pieces.ts";
import {
  readAttributes,
  readFilterMetadata,
  readProtocolConfig,
} from "../../../../src/wire/ext-proc/request-context.ts";
import { decodeProcessingRequest, type ProcessingRequest } from "../../../../src/wire/ext-proc/request-decoder.ts";
import { encodeProcessingRequest } from "../../../../src/wire/ext-proc/request-encoder.ts";
import { WireError } from "../../../../src/wire/wire-error.ts";
import { cutAtRandom, everyCut } from "../../../support/cuts.ts";
import { requestArbitrary } from "../../../support/ext-proc-arbitraries.ts";

const RANDOM_MESSAGES = 2_000;
const MUTATIONS = 20_000;
const seed = randomSeed();

interface Read {
  readonly message: string;
  /** Bytes of the body that came before the message's end. */
  readonly passedSize: number;
}

/** All that can be read of a message, as text; `passed`: what came of its body before. */
function textOf(message: ProcessingRequest, passed: Buffer = Buffer.alloc(0)): string {
  const headers: string[] = [];
  if ("headers" in message) forEachHeader(message.headers, (name, value) => headers.push(name, value));
  return JSON.stringify({
    kind: message.kind,
    observabilityMode: message.observabilityMode,
    endOfStream: "endOfStream" in message && message.endOfStream,
    body: "body" in message && Buffer.concat([passed, message.body]).toString("hex"),
    headers,
    served: readFilterMetadata(message, "envoy.lb"),
    attributes: readAttributes(message),
    protocolConfig: readProtocolConfig(message),
  });
}

/** Gives the pieces of one message, each in memory that is overwritten after the call. */
function readPieces(pieces: readonly Buffer[], decoder = new MessagePieces()): Read {
  const passed: Buffer[] = [];
  let left = pieces.reduce((sum, { length }) => sum + length, 0);
  for (const piece of pieces) {
    const memory = Buffer.from(piece);
    left -= piece.length;
    passed.push(Buffer.from(decoder.push(memory, left)));
    memory.fill(0xee);
  }
  const body = Buffer.concat(passed);
  return { message: textOf(decoder.finish(), body), passedSize: body.length };
}

function codeOf(read: () => unknown): string {
  try {
    read();
    return "read";
  } catch (error) {
    if (error instanceof WireError) return error.code;
    throw error;
  }
}

const BODY = Buffer.from("the body of a request, which is passed on");
const METADATA = { "envoy.lb": { served: "10.0.0.1:8000" } };
const BODY_MESSAGE = encodeProcessingRequest({
  kind: "requestBody",
  body: BODY,
  endOfStream: true,
  metadataContext: METADATA,
  attributes: METADATA,
});

describe("MessagePieces", () => {
  it("passes a request body on and keeps the rest, wherever the message is cut in two", () => {
    const whole = textOf(decodeProcessingRequest(BODY_MESSAGE));
    const cuts = everyCut(BODY_MESSAGE);
    for (const pieces of cuts) {
      expect(readPieces(pieces), `cut at ${pieces[0]?.length}`).toEqual({ message: whole, passedSize: BODY.length });
    }
    expect(cuts).toHaveLength(BODY_MESSAGE.length + 1);
  });

  it("passes a body on that comes byte by byte, with a size of three bytes", () => {
    const body = Buffer.alloc(20_000, "b");
    const message = encodeProcessingRequest({ kind: "requestBody", body, endOfStream: false });
    const read = readPieces(Array.from(message, (byte) => Buffer.from([byte])));
    expect(read).toEqual({ message: textOf(decodeProcessingRequest(message)), passedSize: body.length });
  });

  it("gives views of the pieces, and the piece itself where all of it is body", () => {
    const decoder = new MessagePieces();
    const [first, second] = [BODY_MESSAGE.subarray(0, 10), BODY_MESSAGE.subarray(10, 20)];
    expect(decoder.push(first, BODY_MESSAGE.length - 10).buffer).toBe(BODY_MESSAGE.buffer);
    expect(decoder.push(second, BODY_MESSAGE.length - 20)).toBe(second);
  });

  it.each([
    ["a body of a response", encodeProcessingRequest({ kind: "responseBody", body: BODY, endOfStream: true })],
    ["trailers", encodeProcessingRequest({ kind: "requestTrailers", headers: [{ name: "a", value: "b" }] })],
    ["an empty body", encodeProcessingRequest({ kind: "requestBody", body: Buffer.alloc(0), endOfStream: true })],
    ["end of stream before the body", Buffer.from([0x22, 5, 0x10, 1, 0x0a, 1, 0x61])],
    ["metadata before the body", Buffer.concat([Buffer.from([0x42, 0]), BODY_MESSAGE])],
    ["a size of more bytes than it needs", Buffer.from([0x22, 0x85, 0x80, 0x80, 0x80, 0x80, 0, 0x0a, 3, 1, 2, 3])],
    ["nothing", Buffer.alloc(0)],
  ])("keeps and decodes as a whole: %s", (_, message) => {
    const whole = textOf(decodeProcessingRequest(message));
    for (const pieces of everyCut(message)) expect(readPieces(pieces)).toEqual({ message: whole, passedSize: 0 });
  });

  it.each([
    ["a member that is longer than the message", [0x22, 9, 0x0a, 3, 1, 2, 3], "truncated"],
    ["a body that is longer than its member", [0x22, 5, 0x0a, 4, 1, 2, 3], "truncated"],
    ["a second body", [0x22, 8, 0x0a, 3, 1, 2, 3, 0x0a, 1, 1], "repeated"],
    ["another member behind the body", [0x22, 5, 0x0a, 3, 1, 2, 3, 0x2a, 0], "repeated"],
    ["an end of stream as bytes", [0x22, 7, 0x0a, 3, 1, 2, 3, 0x12, 0], "wire-type"],
    ["half a field behind the body", [0x22, 5, 0x0a, 3, 1, 2, 3, 0x42], "truncated"],
  ])("refuses %s", (_, bytes, code) => {
    for (const pieces of everyCut(Buffer.from(bytes))) expect(codeOf(() => readPieces(pieces))).toBe(code);
  });

  it(`refuses more than ${MESSAGE_REST_SIZE_MAX} bytes behind a body, before they come`, () => {
    const head = Buffer.from([0x22, 3, 0x0a, 1, 0x61]);
    const push = (left: number) => codeOf(() => new MessagePieces().push(head, left));
    expect(push(MESSAGE_REST_SIZE_MAX)).toBe("read");
    expect(push(MESSAGE_REST_SIZE_MAX + 1)).toBe("limit");
  });

  it(`gives of ${RANDOM_MESSAGES} random messages what the whole gives (seed ${seed})`, () => {
    const prng = new Prng(seed);
    const decoder = new MessagePieces();
    let passedCount = 0;
    const strategy = fc.property(requestArbitrary, (input) => {
      const message = encodeProcessingRequest(input);
      const { message: read, passedSize } = readPieces(cutAtRandom(message, prng), decoder);
      expect(read).toBe(textOf(decodeProcessingRequest(message)));
      const hasBody = input.kind === "requestBody" && input.body.length > 0;
      expect(passedSize).toBe(hasBody ? input.body.length : 0);
      if (hasBody) passedCount++;
    });
    fc.assert(strategy, { numRuns: RANDOM_MESSAGES, seed });
    expect(passedCount).toBeGreaterThan(RANDOM_MESSAGES / 10);
  });

  it(`throws WireError or reads ${MUTATIONS} changed messages, then as the whole is read (seed ${seed})`, () => {
    const prng = new Prng(seed).fork("mutations");
    const outcomes = new Map<string, number>();
    for (let round = 0; round < MUTATIONS; round++) {
      const bytes = [...BODY_MESSAGE];
      for (let change = prng.nextBelow(4); change >= 0; change--) {
        const at = prng.nextBelow(prng.nextBelow(2) === 0 ? 6 : bytes.length);
        bytes.splice(at, prng.nextBelow(2), ...Array.from({ length: prng.nextBelow(2) }, () => prng.nextBelow(256)));
      }
      const message = Buffer.from(bytes);
      let read: string | undefined;
      const code = codeOf(() => (read = readPieces(cutAtRandom(message, prng)).message));
      outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
      if (read !== undefined) expect(read, message.toString("hex")).toBe(textOf(decodeProcessingRequest(message)));
    }
    for (const code of ["read", "truncated", "wire-type"]) expect(outcomes.get(code), code).toBeGreaterThan(100);
  });
});
