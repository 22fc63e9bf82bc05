/** Header blocks for tests: what Node's own HTTP/2 (nghttp2) encodes and decodes on one connection over loopback. */
import { connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { FLAG, FRAME, FRAME_HEAD_SIZE, frame, SETTING, settingsFrame } from "../../src/wire/http2/frame.ts";
import { type HeaderVisitor, type HpackDecoder, HpackError } from "../../src/wire/http2/hpack-decoder.ts";

export type Field = readonly [name: string, value: string];

const PREFACE_SIZE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".length;

export interface NodeExchangeOptions {
  /** One request after the other. */
  readonly requests: readonly OutgoingHttpHeaders[];
  /** What the client is told of the server's table. */
  readonly tableSizeMax: number;
  /** The block that answers the request with this index. */
  readonly answer: (index: number) => Buffer;
}

export interface NodeExchange {
  /** As Node's client sent them. */
  readonly blocks: readonly Buffer[];
  /** As Node's client decoded them. */
  readonly answers: readonly IncomingHttpHeaders[];
}

/** Sends the requests with Node's client to a server that takes their header blocks as they come. */
export async function exchangeWithNode({ requests, tableSizeMax, answer }: NodeExchangeOptions): Promise<NodeExchange> {
  const blocks: Buffer[] = [];
  const server = createServer((socket) => {
    socket.write(settingsFrame(new Map([[SETTING.headerTableSize, tableSizeMax]])));
    readFrames(socket, (type, flags, streamId, payload) => {
      if (type === FRAME.settings && (flags & FLAG.ack) === 0) socket.write(frame(FRAME.settings, FLAG.ack, 0, NONE));
      if (type !== FRAME.headers) return;
      if ((flags & FLAG.endHeaders) === 0) throw new Error("a block of several frames is not expected here");
      const answerBlock = answer(blocks.length);
      blocks.push(withoutPriority(flags, payload));
      socket.write(frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, streamId, answerBlock));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  try {
    // From here on the client knows how large the table may be.
    await new Promise<void>((resolve, reject) => {
      client.once("remoteSettings", () => resolve());
      client.once("error", reject);
    });
    const answers: IncomingHttpHeaders[] = [];
    for (const headers of requests) {
      answers.push(
        await new Promise<IncomingHttpHeaders>((resolve, reject) => {
          const request = client.request(headers, { endStream: true });
          request.on("response", (received) => resolve(received));
          request.on("error", reject);
          request.resume();
        }),
      );
    }
    return { blocks, answers };
  } finally {
    client.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

/** The fields of a block, which must be within the decoder's limit. */
export function decodeFields(decoder: HpackDecoder, block: Uint8Array): Field[] {
  const fields: Field[] = [];
  const visit: HeaderVisitor = (name, value) => fields.push([name, value]);
  if (!decoder.decode(block, 0, block.length, visit)) throw new Error("the block has more fields than allowed");
  return fields;
}

/** The dynamic table, newest first: each index from the first one on is a block of its own, up to one that fails. */
export function tableOf(decoder: HpackDecoder): Field[] {
  const fields: Field[] = [];
  const visit: HeaderVisitor = (name, value) => fields.push([name, value]);
  try {
    for (let index = 62; ; index++) {
      const block = index < 127 ? [0x80 | index] : [0xff, (index - 127) | 0x80, (index - 127) >>> 7];
      decoder.decode(Uint8Array.from(block), 0, block.length, visit);
    }
  } catch (error) {
    if (error instanceof HpackError) return fields;
    throw error;
  }
}

/** A table's size in the measure of RFC 7541, 4.1. */
export function tableSize(fields: readonly Field[]): number {
  return fields.reduce((size, [name, value]) => size + name.length + value.length + 32, 0);
}

const NONE: Buffer = Buffer.alloc(0);
const FLAG_PRIORITY = 0x20;

function withoutPriority(flags: number, payload: Buffer): Buffer {
  return Buffer.from((flags & FLAG_PRIORITY) === 0 ? payload : payload.subarray(5));
}

function readFrames(
  socket: Socket,
  onFrame: (type: number, flags: number, streamId: number, payload: Buffer) => void,
): void {
  let unread = NONE;
  let isPrefaceRead = false;
  socket.on("error", () => undefined);
  socket.on("data", (bytes) => {
    unread = Buffer.concat([unread, bytes]);
    if (!isPrefaceRead && unread.length >= PREFACE_SIZE) {
      isPrefaceRead = true;
      unread = unread.subarray(PREFACE_SIZE);
    }
    while (isPrefaceRead && unread.length >= FRAME_HEAD_SIZE) {
      const end = FRAME_HEAD_SIZE + unread.readUIntBE(0, 3);
      if (unread.length < end) return;
      const [type, flags] = [unread[3] as number, unread[4] as number];
      onFrame(type, flags, unread.readUInt32BE(5), unread.subarray(FRAME_HEAD_SIZE, end));
      unread = unread.subarray(end);
    }
  });
}
