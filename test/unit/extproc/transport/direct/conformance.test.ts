/**
 * What the direct transport says to clients that break the rules of HTTP/2 (RFC 9113, and HPACK, RFC 7541): which
 * streams and connections end, with which code, and that another connection does not hear of it. The sections are those
 * of RFC 9113. A content-length is not compared with what comes (8.1.1): gRPC has sizes of its own.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CLIENT_PREFACE, ERROR_CODE, FLAG, FRAME, frame, numberFrame } from "../../../../../src/wire/http2/frame.ts";
import { encodeHeaders } from "../../../../../src/wire/http2/hpack-encoder.ts";
import { grpcFrame } from "../../../../support/grpc-messages.ts";
import { callHeaders, dataFrames, endFrame, Http2Peer, headersFrame } from "../../../../support/http2-peer.ts";
import { closeTransports, ECHO_PATH, startTransport, type TransportBed } from "../../../../support/transport-bed.ts";
import { until } from "../../../../support/until.ts";

const { protocolError, flowControlError, streamClosed, frameSizeError, compressionError, enhanceYourCalm } = ERROR_CODE;
const { endHeaders, endStream, padded, priority, ack } = FLAG;

const HELLO = grpcFrame(Buffer.from("hello"));
const BLOCK = callHeaders(ECHO_PATH);
/** A call on stream 1 that stays open. */
const OPEN = headersFrame(1, BLOCK);
/** A call on stream 1 that its client has ended: the server's answer may have ended it altogether. */
const HALF_CLOSED = Buffer.concat([OPEN, dataFrames(1, HELLO.subarray(0, 3)), endFrame(1)]);
const RESET = numberFrame(FRAME.rstStream, 1, ERROR_CODE.cancel);

let bed: TransportBed;
let other: Http2Peer;

beforeEach(async () => {
  bed = await startTransport();
  other = await bed.greet();
  other.write(OPEN, dataFrames(1, HELLO));
  await until("another connection has an open call", () => other.dataOf(1).equals(HELLO));
});

afterEach(closeTransports);

/** The call that was open before goes on, and is the only one that is open. */
async function expectOtherUnharmed(): Promise<void> {
  other.write(dataFrames(1, HELLO), endFrame(1));
  expect(await other.statusOf(1)).toBe(0);
  expect(other.dataOf(1)).toHaveLength(2 * HELLO.length);
  await until("no call is open", () => bed.openCount() === 0);
  expect(bed.calls.filter(({ closes }) => closes.length !== 1)).toEqual([]);
}

type Case = readonly [section: string, what: string, code: number, ...frames: Buffer[]];

function named(cases: readonly Case[]) {
  return cases.map(([section, what, code, ...frames]) => ({ section, what, code, frames }));
}

function setting(id: number, value: number): Buffer {
  const payload = Buffer.alloc(6);
  payload.writeUInt16BE(id, 0);
  payload.writeUInt32BE(value, 2);
  return frame(FRAME.settings, 0, 0, payload);
}

function dependsOn(streamId: number): Buffer {
  const payload = Buffer.alloc(5);
  payload.writeUInt32BE(streamId);
  return payload;
}

const FIRST_HALF = headersFrame(1, BLOCK.subarray(0, 3), 0);
/** Empty messages, which are echoed to a client that takes nothing: so there is no credit. */
const UNREAD = dataFrames(1, Buffer.alloc(1_048_577));
const TOO_LARGE = Buffer.alloc(16_385);

const CONNECTION_ERRORS: readonly Case[] = [
  ["4.2", "DATA above the largest size", frameSizeError, OPEN, frame(FRAME.data, 0, 1, TOO_LARGE)],
  ["4.2", "HEADERS above the largest size", frameSizeError, headersFrame(1, TOO_LARGE)],
  ["4.2", "an unknown frame above the largest size", frameSizeError, frame(0x16, 0, 0, TOO_LARGE)],
  ["4.3", "a header block that cannot be decoded", compressionError, headersFrame(1, Buffer.from([0xff, 0xff, 0xff]))],
  ["4.3", "trailers that cannot be decoded", compressionError, OPEN, headersFrame(1, Buffer.from([0x80]))],
  ["4.3", "DATA within a header block", protocolError, FIRST_HALF, endFrame(1)],
  ["4.3", "PRIORITY within a header block", protocolError, FIRST_HALF, frame(FRAME.priority, 0, 1, dependsOn(0))],
  ["4.3", "an unknown frame within a header block", protocolError, FIRST_HALF, frame(0x16, 0, 1)],
  ["4.3", "HEADERS of another stream within a block", protocolError, FIRST_HALF, headersFrame(3, BLOCK)],
  ["5.1", "DATA on an idle stream", protocolError, dataFrames(1, HELLO)],
  ["5.1", "RST_STREAM on an idle stream", protocolError, RESET],
  ["5.1", "WINDOW_UPDATE on an idle stream", protocolError, numberFrame(FRAME.windowUpdate, 1, 1)],
  ["5.1", "CONTINUATION on an idle stream", protocolError, frame(FRAME.continuation, endHeaders, 1, BLOCK)],
  ["5.1.1", "HEADERS with the number of a server's stream", protocolError, headersFrame(2, BLOCK)],
  ["5.1.1", "HEADERS with a lower number than before", streamClosed, headersFrame(5, BLOCK), headersFrame(3, BLOCK)],
  ["5.3.1", "HEADERS that depend on themselves", protocolError, selfDependent()],
  ["5.3.1", "PRIORITY that depends on itself", protocolError, frame(FRAME.priority, 0, 1, dependsOn(1))],
  ["6.1", "DATA on stream 0", protocolError, frame(FRAME.data, 0, 0, HELLO)],
  ["6.1", "DATA padded to more than it holds", protocolError, OPEN, frame(FRAME.data, padded, 1, Buffer.from([1]))],
  ["6.1", "padded DATA without a length", frameSizeError, OPEN, frame(FRAME.data, padded, 1)],
  ["6.2", "HEADERS on stream 0", protocolError, headersFrame(0, BLOCK)],
  ["6.2", "HEADERS padded to more than they hold", protocolError, paddedHeaders(BLOCK.length + 1)],
  ["6.2", "padded HEADERS without a length", frameSizeError, headersFrame(1, Buffer.alloc(0), endHeaders | padded)],
  ["6.2", "HEADERS too short for a priority", protocolError, headersFrame(1, Buffer.alloc(4), endHeaders | priority)],
  ["6.3", "PRIORITY of stream 0", protocolError, frame(FRAME.priority, 0, 0, dependsOn(1))],
  ["6.3", "PRIORITY of a wrong size, idle", frameSizeError, frame(FRAME.priority, 0, 1, Buffer.alloc(4))],
  ["6.4", "RST_STREAM of stream 0", protocolError, numberFrame(FRAME.rstStream, 0, 8)],
  ["6.4", "RST_STREAM of a wrong size", frameSizeError, OPEN, frame(FRAME.rstStream, 0, 1, Buffer.alloc(3))],
  ["6.5", "SETTINGS on a stream", protocolError, frame(FRAME.settings, 0, 1)],
  ["6.5", "SETTINGS of a wrong size", frameSizeError, frame(FRAME.settings, 0, 0, Buffer.alloc(5))],
  ["6.5", "SETTINGS that are answered with settings", frameSizeError, frame(FRAME.settings, ack, 0, Buffer.alloc(6))],
  ["6.5.2", "ENABLE_PUSH of 2", protocolError, setting(2, 2)],
  ["6.5.2", "INITIAL_WINDOW_SIZE above the largest", flowControlError, setting(4, 2 ** 31)],
  ["6.5.2", "MAX_FRAME_SIZE below the smallest", protocolError, setting(5, 16_383)],
  ["6.5.2", "MAX_FRAME_SIZE above the largest", protocolError, setting(5, 2 ** 24)],
  ["6.6", "PUSH_PROMISE", protocolError, OPEN, frame(FRAME.pushPromise, endHeaders, 1, Buffer.alloc(8))],
  ["6.7", "PING on a stream", protocolError, frame(FRAME.ping, 0, 1, Buffer.alloc(8))],
  ["6.7", "PING of a wrong size", frameSizeError, frame(FRAME.ping, 0, 0, Buffer.alloc(6))],
  ["6.8", "GOAWAY on a stream", protocolError, frame(FRAME.goaway, 0, 1, Buffer.alloc(8))],
  ["6.9", "WINDOW_UPDATE of a wrong size", frameSizeError, frame(FRAME.windowUpdate, 0, 0, Buffer.alloc(3))],
  ["6.9", "WINDOW_UPDATE of the connection by 0", protocolError, numberFrame(FRAME.windowUpdate, 0, 0)],
  ["6.9.1", "a window of the connection above 2^31 − 1", flowControlError, grown(0), grown(0)],
  ["6.9.2", "a stream's window above 2^31 − 1 by settings", flowControlError, OPEN, grown(1), setting(4, 2 ** 31 - 1)],
  ["6.10", "CONTINUATION behind a whole block", protocolError, OPEN, frame(FRAME.continuation, endHeaders, 1)],
  ["6.10", "CONTINUATION of another stream", protocolError, FIRST_HALF, frame(FRAME.continuation, endHeaders, 3)],
  ["6.10", "CONTINUATION on stream 0", protocolError, frame(FRAME.continuation, endHeaders, 0, BLOCK)],
  ["10.5.1", "a header block without an end", enhanceYourCalm, FIRST_HALF, ...continuations(20, 10)],
  ["10.5.1", "a header block above the largest size", enhanceYourCalm, FIRST_HALF, ...continuations(5, 16_384)],
  ["RFC 7541, 4.2", "a table larger than allowed", compressionError, headersFrame(1, Buffer.from([0x3f, 0xe2, 0x1f]))],
  ["RFC 7541, 5.2", "a broken Huffman code", compressionError, headersFrame(1, Buffer.from([0x00, 0x81, 0xff, 0x00]))],
  ["RFC 7541, 2.3.3", "an index that is not there", compressionError, headersFrame(1, Buffer.from([0xbe]))],
];

describe("the direct transport ends a connection", () => {
  it.each(named(CONNECTION_ERRORS))("$section: for $what", async ({ code, frames }) => {
    const peer = await bed.greet();
    peer.write(...frames);
    await peer.closed;
    expect(peer.goawayCode).toBe(code);
    expect(bed.failures).toHaveLength(1);
    await expectOtherUnharmed();
  });

  it("3.4: for a client that does not begin as HTTP/2 does", async () => {
    const peer = await Http2Peer.connect(bed.port);
    peer.write(Buffer.from("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"));
    await peer.closed;
    expect(peer.goawayCode).toBe(protocolError);
    await expectOtherUnharmed();
  });
});

function request(...fields: readonly (readonly [string, string])[]): Buffer {
  return headersFrame(1, encodeHeaders(fields), endHeaders | endStream);
}

const METHOD = [":method", "POST"] as const;
const SCHEME = [":scheme", "http"] as const;
const PATH = [":path", ECHO_PATH] as const;
const GRPC = ["content-type", "application/grpc"] as const;

const STREAM_ERRORS: readonly Case[] = [
  ["5.1", "DATA on a stream that its client has ended", streamClosed, HALF_CLOSED, dataFrames(1, HELLO)],
  ["5.1", "DATA on a stream that was reset", streamClosed, OPEN, RESET, dataFrames(1, HELLO)],
  ["6.3", "PRIORITY of a wrong size", frameSizeError, OPEN, frame(FRAME.priority, 0, 1, Buffer.alloc(4))],
  ["6.9", "WINDOW_UPDATE of a stream by 0", protocolError, OPEN, numberFrame(FRAME.windowUpdate, 1, 0)],
  ["6.9.1", "a window of a stream above 2^31 − 1", flowControlError, OPEN, grown(1), grown(1)],
  ["6.9.1", "more DATA than the stream's window", flowControlError, setting(4, 0), OPEN, UNREAD],
  ["8.1", "trailers that do not end the stream", protocolError, OPEN, headersFrame(1, encodeHeaders([["a", "b"]]))],
  ["8.1", "trailers with a pseudo-header", protocolError, OPEN, headersFrame(1, BLOCK, endHeaders | endStream)],
  ["8.1", "a second end", streamClosed, HALF_CLOSED, headersFrame(1, encodeHeaders([["a", "b"]]), 5)],
  ["8.2.1", "a name with upper case letters", protocolError, raw("X-Upper", METHOD, SCHEME, PATH, GRPC)],
  ["8.2.2", "a header of HTTP/1", protocolError, request(METHOD, SCHEME, PATH, GRPC, ["connection", "keep-alive"])],
  ["8.2.2", "te with another value than trailers", protocolError, request(METHOD, SCHEME, PATH, GRPC, ["te", "gzip"])],
  ["8.3", "an unknown pseudo-header", protocolError, request(METHOD, SCHEME, PATH, [":other", "a"], GRPC)],
  ["8.3", "a response's pseudo-header", protocolError, request(METHOD, SCHEME, PATH, [":status", "200"], GRPC)],
  ["8.3", "a pseudo-header behind other headers", protocolError, request(METHOD, SCHEME, GRPC, PATH)],
  ["8.3.1", "no method", protocolError, request(SCHEME, PATH, GRPC)],
  ["8.3.1", "no scheme", protocolError, request(METHOD, PATH, GRPC)],
  ["8.3.1", "no path", protocolError, request(METHOD, SCHEME, GRPC)],
  ["8.3.1", "an empty path", protocolError, request(METHOD, SCHEME, [":path", ""], GRPC)],
  ["8.3.1", "two methods", protocolError, request(METHOD, METHOD, SCHEME, PATH, GRPC)],
  ["8.3.1", "two schemes", protocolError, request(METHOD, SCHEME, SCHEME, PATH, GRPC)],
  ["8.3.1", "two paths", protocolError, request(METHOD, SCHEME, PATH, PATH, GRPC)],
];

describe("the direct transport ends a stream, and serves the next one,", () => {
  it.each(named(STREAM_ERRORS))("$section: for $what", async ({ code, frames }) => {
    const peer = await bed.greet();
    peer.write(...frames);
    await until("the stream is reset", () => peer.resetOf(1));
    expect(peer.resetOf(1)).toBe(code);
    peer.write(setting(4, 65_535), headersFrame(3, BLOCK), dataFrames(3, HELLO), endFrame(3));
    expect(await peer.statusOf(3)).toBe(0);
    expect(peer.dataOf(3).equals(HELLO)).toBe(true);
    expect(peer.goawayCode).toBeUndefined();
    expect(bed.failures).toEqual([]);
    await expectOtherUnharmed();
  });
});

const ALLOWED: readonly (readonly [section: string, what: string, frames: readonly Buffer[]])[] = [
  ["4.1", "frames of unknown types", [frame(0x16, 0xff, 0, Buffer.alloc(100)), frame(0xff, 0, 9)]],
  ["4.1", "a reserved bit", [frame(FRAME.ping, 0, 0x8000_0000, Buffer.alloc(8))]],
  [
    "5.3",
    "PRIORITY on idle, open and over streams",
    [...[7, 9].map((id) => frame(FRAME.priority, 0, id, dependsOn(3)))],
  ],
  ["6.1", "DATA with padding, with and without bytes", [OPEN, paddedData(HELLO, 200), paddedData(Buffer.alloc(0), 10)]],
  ["6.2", "HEADERS with padding", [paddedHeaders(200, Buffer.alloc(200))]],
  ["6.2", "HEADERS with a priority", [headersFrame(1, Buffer.concat([dependsOn(0), BLOCK]), endHeaders | priority)]],
  ["6.4", "RST_STREAM behind a reset", [OPEN, RESET, RESET]],
  ["6.5", "unknown settings, and none", [setting(0x99, 7), frame(FRAME.settings, 0, 0)]],
  [
    "6.5.2",
    "the largest and the smallest values",
    [setting(4, 2 ** 31 - 1), setting(4, 65_535), setting(5, 2 ** 24 - 1)],
  ],
  ["6.8", "GOAWAY", [frame(FRAME.goaway, 0, 0, Buffer.alloc(8))]],
  ["6.9", "WINDOW_UPDATE behind the end of a stream", [OPEN, RESET, numberFrame(FRAME.windowUpdate, 1, 7)]],
  ["6.10", "a block in many frames", [FIRST_HALF, ...rest(BLOCK, 12)]],
  ["8.1", "trailers", [OPEN, headersFrame(1, encodeHeaders([["a", "b"]]), endHeaders | endStream)]],
  ["RFC 7541, 4.2", "a smaller table", [headersFrame(1, Buffer.concat([Buffer.from([0x20]), BLOCK]))]],
];

describe("the direct transport takes", () => {
  it.each(ALLOWED)("%s: %s", async (_section, _what, frames) => {
    const peer = await bed.greet();
    peer.write(...frames, headersFrame(11, BLOCK), dataFrames(11, HELLO), endFrame(11));
    expect(await peer.statusOf(11)).toBe(0);
    expect(peer.framesOf(FRAME.rstStream).filter(({ payload }) => payload.readUInt32BE(0) !== 0)).toEqual([]);
    expect(peer.goawayCode).toBeUndefined();
    peer.socket.destroy();
    await until("its calls are over", () => bed.openCount() === 1);
    await expectOtherUnharmed();
  });

  it("3.4: a client's beginning byte by byte", async () => {
    const peer = await Http2Peer.connect(bed.port);
    const beginning = Buffer.concat([CLIENT_PREFACE, frame(FRAME.settings, 0, 0), OPEN, dataFrames(1, HELLO)]);
    for (const byte of beginning) {
      peer.write(Buffer.from([byte]));
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    await until("it is answered", () => peer.dataOf(1).equals(HELLO));
    peer.socket.destroy();
    await until("its calls are over", () => bed.openCount() === 1);
    await expectOtherUnharmed();
  });

  it("6.5.3, 6.7: SETTINGS and PING, and answers each of them", async () => {
    const peer = await bed.greet();
    peer.write(frame(FRAME.ping, 0, 0, Buffer.from("abcdefgh")), setting(3, 100));
    await until("they are answered", () => peer.framesOf(FRAME.settings).length === 3);
    expect(peer.framesOf(FRAME.settings).slice(1)).toMatchObject([{ flags: ack }, { flags: ack }]);
    expect(peer.framesOf(FRAME.ping)).toMatchObject([{ flags: ack, payload: Buffer.from("abcdefgh") }]);
    await expectOtherUnharmed();
  });

  it("5.1.2: no more streams than it has said, once the client knows that, and refuses the others", async () => {
    const peer = await bed.greet();
    peer.write(frame(FRAME.settings, ack, 0));
    const streamIds = Array.from({ length: 1_025 }, (_, index) => 1 + 2 * index);
    peer.write(...streamIds.map((streamId) => headersFrame(streamId, BLOCK)));
    await until("one is refused", () => peer.resetOf(2_049));
    expect(peer.framesOf(FRAME.rstStream)).toHaveLength(1);
    expect(peer.resetOf(2_049)).toBe(ERROR_CODE.refusedStream);
    peer.socket.destroy();
    await until("its calls are over", () => bed.openCount() === 1);
    await expectOtherUnharmed();
  });

  it("5.1.2: more streams of a client that cannot know the limit yet, up to another one", async () => {
    const peer = await bed.greet();
    const streamIds = Array.from({ length: 10_001 }, (_, index) => 1 + 2 * index);
    peer.write(...streamIds.map((streamId) => headersFrame(streamId, BLOCK)));
    await until("one is refused", () => peer.resetOf(20_001));
    expect(peer.framesOf(FRAME.rstStream)).toHaveLength(1);
    expect(peer.resetOf(20_001)).toBe(ERROR_CODE.refusedStream);
    peer.write(endFrame(1));
    expect(await peer.statusOf(1)).toBe(0);
    peer.socket.destroy();
    await until("its calls are over", () => bed.openCount() === 1);
    await expectOtherUnharmed();
  });

  it("10.5.1: no more headers than it has said, and answers 431", async () => {
    const peer = await bed.greet();
    const field = encodeHeaders([["x", "y".repeat(1_000)]]);
    // Each field is put into the table, and then named again and again.
    const indexed = Buffer.concat([Buffer.from([0x40]), field.subarray(1)]);
    peer.write(headersFrame(1, Buffer.concat([BLOCK, indexed, Buffer.alloc(100, 0xbe)])));
    expect(await peer.statusOf(1)).toBe(431);
    peer.write(headersFrame(3, BLOCK), dataFrames(3, HELLO), endFrame(3));
    expect(await peer.statusOf(3)).toBe(0);
    await expectOtherUnharmed();
  });
});

function selfDependent(): Buffer {
  return headersFrame(1, Buffer.concat([dependsOn(1), BLOCK]), endHeaders | priority);
}

/** HEADERS that say so many bytes of padding. */
function paddedHeaders(size: number, padding: Buffer = Buffer.alloc(0)): Buffer {
  return headersFrame(1, Buffer.concat([Buffer.from([size]), BLOCK, padding]), endHeaders | padded);
}

function paddedData(bytes: Buffer, size: number): Buffer {
  return frame(FRAME.data, padded, 1, Buffer.concat([Buffer.from([size]), bytes, Buffer.alloc(size)]));
}

/** Gives a window nearly all that it can have. */
function grown(streamId: number): Buffer {
  return numberFrame(FRAME.windowUpdate, streamId, 0x7fff_0000);
}

function continuations(count: number, size: number): Buffer[] {
  return Array.from({ length: count }, () => frame(FRAME.continuation, 0, 1, Buffer.alloc(size)));
}

/** What follows the first three bytes of a block, in so many frames. */
function rest(block: Buffer, count: number): Buffer[] {
  const size = Math.ceil((block.length - 3) / count);
  return Array.from({ length: count }, (_, index) => {
    const at = 3 + index * size;
    return frame(FRAME.continuation, index === count - 1 ? endHeaders : 0, 1, block.subarray(at, at + size));
  });
}

/** A request with a header whose name is as it is given, which our encoder would not write. */
function raw(name: string, ...fields: readonly (readonly [string, string])[]): Buffer {
  const literal = Buffer.concat([Buffer.from([0x00, name.length]), Buffer.from(`${name}\u0001a`, "latin1")]);
  return headersFrame(1, Buffer.concat([encodeHeaders(fields), literal]), endHeaders | endStream);
}
