/**
 * The client's side of one HTTP/2 connection, frame by frame: what it is told to write goes out as it is, allowed or
 * not, and what comes back is kept. It answers nothing by itself, but pings where it is told so.
 */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import {
  CLIENT_PREFACE,
  FLAG,
  FRAME,
  FRAME_HEAD_SIZE,
  frame,
  readUint31,
  settingsFrame,
} from "../../src/wire/http2/frame.ts";
import { HpackDecoder } from "../../src/wire/http2/hpack-decoder.ts";
import { encodeHeaders } from "../../src/wire/http2/hpack-encoder.ts";
import { decodeFields } from "./header-blocks.ts";
import { until } from "./until.ts";

export interface ReceivedFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** What opens a call of a path. */
export function callHeaders(path: string, more: readonly (readonly [string, string])[] = []): Buffer {
  return encodeHeaders([
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", "test"],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
    ...more,
  ]);
}

/** HEADERS with the whole block. */
export function headersFrame(streamId: number, block: Buffer, flags: number = FLAG.endHeaders): Buffer {
  return frame(FRAME.headers, flags, streamId, block);
}

/** DATA frames for the bytes, each as large as may be. */
export function dataFrames(streamId: number, bytes: Buffer, sizeMax = 16_384): Buffer {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += sizeMax) {
    frames.push(frame(FRAME.data, 0, streamId, bytes.subarray(at, at + sizeMax)));
  }
  return Buffer.concat(frames);
}

/** An empty DATA frame that ends the stream. */
export function endFrame(streamId: number): Buffer {
  return frame(FRAME.data, FLAG.endStream, streamId);
}

export class Http2Peer {
  readonly socket: Socket;
  /** In the order in which they came. */
  readonly frames: ReceivedFrame[] = [];
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;
  #isClosed = false;
  #unread: Buffer = Buffer.alloc(0);
  readonly #decoder = new HpackDecoder();
  #answersPings = false;
  readonly #blocks = new Map<ReceivedFrame, ReadonlyMap<string, string>>();

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#isClosed = true;
        resolve();
      });
    });
    socket.on("data", (bytes: Buffer) => this.#take(bytes));
  }

  /** Connects, over TLS if told so, and says nothing. */
  static async connect(port: number, { isSecure = false }: { readonly isSecure?: boolean } = {}): Promise<Http2Peer> {
    const tcp = connectTcp({ host: "127.0.0.1", port, noDelay: true });
    const socket = isSecure ? connectTls({ socket: tcp, ALPNProtocols: ["h2"], rejectUnauthorized: false }) : tcp;
    const peer = new Http2Peer(socket);
    await new Promise<void>((resolve) => socket.once(isSecure ? "secureConnect" : "connect", () => resolve()));
    return peer;
  }

  /** Connects and speaks as a client begins, with these settings. */
  static async greet(
    port: number,
    { isSecure = false, settings = new Map() }: { isSecure?: boolean; settings?: ReadonlyMap<number, number> } = {},
  ): Promise<Http2Peer> {
    const peer = await Http2Peer.connect(port, { isSecure });
    peer.write(CLIENT_PREFACE, settingsFrame(settings));
    return peer;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** In one write. */
  write(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** From now on it says that it is there when it is asked. */
  answerPings(): this {
    this.#answersPings = true;
    return this;
  }

  /** Of a type, on a stream where one is given. */
  framesOf(type: number, streamId?: number): ReceivedFrame[] {
    return this.frames.filter((one) => one.type === type && (streamId === undefined || one.streamId === streamId));
  }

  /** What came in the stream's DATA frames. */
  dataOf(streamId: number): Buffer {
    return Buffer.concat(this.framesOf(FRAME.data, streamId).map(({ payload }) => payload));
  }

  /** All header fields that came on the stream, the response's and the trailers'. */
  fieldsOf(streamId: number): ReadonlyMap<string, string> {
    return new Map(this.framesOf(FRAME.headers, streamId).flatMap((one) => [...(this.#blocks.get(one) ?? [])]));
  }

  /** Code of the stream's RST_STREAM; undefined as long as none came. */
  resetOf(streamId: number): number | undefined {
    return this.framesOf(FRAME.rstStream, streamId)[0]?.payload.readUInt32BE(0);
  }

  /** Code of the last GOAWAY; undefined as long as none came. */
  get goawayCode(): number | undefined {
    return this.framesOf(FRAME.goaway).at(-1)?.payload.readUInt32BE(4);
  }

  /** Resolves with the gRPC status, or the HTTP status where there is none, when the stream's last HEADERS came. */
  async statusOf(streamId: number): Promise<number> {
    const hasEnded = (): boolean =>
      this.framesOf(FRAME.headers, streamId).some(({ flags }) => (flags & FLAG.endStream) !== 0);
    await until(`stream ${streamId} ends`, () => hasEnded() || this.#isClosed);
    if (!hasEnded()) throw new Error(`the connection ended before stream ${streamId}`);
    const fields = this.fieldsOf(streamId);
    return Number(fields.get("grpc-status") ?? fields.get(":status"));
  }

  /** Resolves when all that was written before was worked on. */
  async settle(): Promise<void> {
    const count = this.framesOf(FRAME.ping).length;
    this.write(frame(FRAME.ping, 0, 0, PING_PAYLOAD));
    await until("the ping is answered", () => this.framesOf(FRAME.ping).length > count);
  }

  #take(bytes: Buffer): void {
    this.#unread = this.#unread.length === 0 ? bytes : Buffer.concat([this.#unread, bytes]);
    while (this.#unread.length >= FRAME_HEAD_SIZE) {
      const end = FRAME_HEAD_SIZE + this.#unread.readUIntBE(0, 3);
      if (this.#unread.length < end) return;
      const received: ReceivedFrame = {
        type: this.#unread[3] as number,
        flags: this.#unread[4] as number,
        streamId: readUint31(this.#unread, 5),
        payload: this.#unread.subarray(FRAME_HEAD_SIZE, end),
      };
      this.frames.push(received);
      const isAsked = received.type === FRAME.ping && (received.flags & FLAG.ack) === 0;
      if (isAsked && this.#answersPings) this.write(frame(FRAME.ping, FLAG.ack, 0, received.payload));
      if (received.type === FRAME.headers) {
        this.#blocks.set(received, new Map(decodeFields(this.#decoder, received.payload)));
      }
      this.#unread = this.#unread.subarray(end);
    }
  }
}

const PING_PAYLOAD: Buffer = Buffer.from("settled?");
