/**
 * One HTTP/2 connection to a picker, opened as Envoy opens it, with as little work per stream as can be: headers are
 * compressed beforehand, messages are copied into large write buffers, one write per turn, and what arrives is read in
 * one buffer. Flow control is kept in both directions. What a stream says and hears is its owner's business.
 *
 *   open ─► accepting ──GOAWAY──► draining ─► closed          a draining connection finishes its streams
 */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import {
  CLIENT_PREFACE,
  FLAG,
  FRAME,
  FRAME_PAYLOAD_SIZE_MAX,
  numberFrame,
  readUint31,
  SETTING,
  settingsFrame,
  WINDOW_SIZE_DEFAULT,
} from "../../src/wire/http2/frame.ts";
import type { ScriptMessage } from "./exchange-script.ts";
import { HEADER_TABLE_SIZE_NEEDED, type HeaderBlocks } from "./header-block.ts";
import { type FrameHandler, FrameReader, forEachSetting } from "./http2-frames.ts";
import { WriteBatch } from "./write-batch.ts";

export interface Target {
  readonly host: string;
  readonly port: number;
  /** The certificate is not checked. */
  readonly isTls: boolean;
}

/** One stream: what is to be sent, how far that is, and who hears of it. */
export interface LoadStream {
  readonly messages: readonly ScriptMessage[];
  /** Messages that may be sent by now. */
  readonly allowedCount: number;
  /** Goes into each message that has a place for it. */
  readonly serial: number;
  /** The connection's own. */
  readonly cursor: StreamCursor;
  onData(bytes: Buffer, start: number, end: number): void;
  /** The peer sends nothing more. */
  onStreamEnd(): void;
  onReset(code: number): void;
  /** The peer gave the connection up before it took the stream. */
  onNotTaken(): void;
  onConnectionLost(reason: string): void;
}

/** How far a stream is. */
export class StreamCursor {
  streamId = 0;
  /** Bytes that the peer takes. */
  window = 0;
  /** The message at hand, and its bytes that are sent. */
  messageIndex = 0;
  messageOffset = 0;
  /** The stream is half-closed behind its last message. */
  endsAfterMessages = false;
  /** Bytes received since the peer was last told that they were taken. */
  unacknowledged = 0;
}

export interface ConnectionOptions {
  readonly target: Target;
  readonly headerBlocks: HeaderBlocks;
  /** The peer takes no new streams; those that it has are finished. */
  readonly onDraining: () => void;
  readonly onClosed: (connection: LoadConnection) => void;
}

/** Envoy 1.40's windows: 16 MiB per stream, 24 MiB per connection. */
const STREAM_WINDOW_SIZE: number = 16 * 1024 * 1024;
const CONNECTION_WINDOW_SIZE: number = 24 * 1024 * 1024;

const READ_SIZE = 256 * 1024;
/** Streams of one connection; identifiers end at 2^31. */
const STREAM_ID_MAX = 2 ** 31 - 1;
/** Larger than any GOAWAY's debug data that is worth reading. */
const DEBUG_TEXT_SIZE_MAX = 200;

export class LoadConnection implements FrameHandler {
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #reader = new FrameReader(this);
  readonly #streams = new Map<number, LoadStream>();
  /** Streams with bytes to send that no window lets through. */
  readonly #blocked = new Set<LoadStream>();
  readonly #out: WriteBatch;
  #nextStreamId = 1;
  #window = WINDOW_SIZE_DEFAULT;
  #streamWindow = WINDOW_SIZE_DEFAULT;
  #streamsMax = Number.MAX_SAFE_INTEGER;
  #headerTableSize = 4096;
  #unacknowledged = 0;
  #state: "opening" | "accepting" | "draining" | "closed" = "opening";
  #lossReason = "connection lost";
  #onReady: () => void = () => undefined;

  /** Resolves when the peer's settings have come; rejects when no connection comes about. */
  static async open(options: ConnectionOptions): Promise<LoadConnection> {
    const connection = new LoadConnection(options);
    await new Promise<void>((resolve, reject) => {
      connection.#onReady = resolve;
      connection.#socket.once("error", reject);
      connection.#socket.once("close", () => reject(new Error("the connection was closed before it was used")));
    });
    return connection;
  }

  private constructor(options: ConnectionOptions) {
    this.#options = options;
    const { host, port, isTls } = options.target;
    const onread = {
      buffer: Buffer.allocUnsafeSlow(READ_SIZE),
      callback: (size: number, bytes: Uint8Array): boolean => {
        this.#read(bytes as Buffer, size);
        return true;
      },
    };
    // The type of TLS options does not know `onread`.
    const tlsOptions = { host, port, rejectUnauthorized: false, ALPNProtocols: ["h2"], onread };
    this.#socket = isTls ? connectTls(tlsOptions) : connectTcp({ host, port, onread });
    this.#socket.setNoDelay(true);
    this.#socket.on("error", (error) => {
      this.#lossReason = `connection lost: ${error.message}`;
    });
    this.#socket.once("close", () => this.#endStreams());
    const update = numberFrame(FRAME.windowUpdate, 0, CONNECTION_WINDOW_SIZE - WINDOW_SIZE_DEFAULT);
    const settings = new Map<number, number>([
      [SETTING.headerTableSize, 4096],
      [SETTING.enablePush, 0],
      [SETTING.maxConcurrentStreams, 1024],
      [SETTING.initialWindowSize, STREAM_WINDOW_SIZE],
    ]);
    this.#out = new WriteBatch(this.#socket);
    this.#out.raw(Buffer.concat([CLIENT_PREFACE, settingsFrame(settings), update]));
  }

  /** A new stream can be begun. */
  get hasRoom(): boolean {
    return this.#state === "accepting" && this.#streams.size < this.#streamsMax && this.#nextStreamId < STREAM_ID_MAX;
  }

  /** Begins a stream and sends what it may. The bytes leave at the end of the turn. */
  begin(stream: LoadStream): void {
    const { cursor } = stream;
    cursor.streamId = this.#nextStreamId;
    cursor.window = this.#streamWindow;
    cursor.messageIndex = 0;
    cursor.messageOffset = 0;
    cursor.endsAfterMessages = false;
    cursor.unacknowledged = 0;
    this.#nextStreamId += 2;
    this.#streams.set(cursor.streamId, stream);
    const block = this.#headerBlock(cursor.streamId);
    this.#out.frame(FRAME.headers, FLAG.endHeaders, cursor.streamId, block);
    this.advance(stream);
  }

  /** Sends what the stream's `allowedCount` and the windows let through. */
  advance(stream: LoadStream): void {
    const { cursor, messages } = stream;
    while (cursor.messageIndex < stream.allowedCount) {
      const message = messages[cursor.messageIndex] as ScriptMessage;
      const left = message.bytes.length - cursor.messageOffset;
      const size = Math.min(left, FRAME_PAYLOAD_SIZE_MAX, cursor.window, this.#window);
      if (size <= 0) {
        this.#blocked.add(stream);
        return;
      }
      this.#out.data(cursor.streamId, message, { start: cursor.messageOffset, size, serial: stream.serial });
      cursor.window -= size;
      this.#window -= size;
      cursor.messageOffset += size;
      if (size < left) continue;
      cursor.messageIndex++;
      cursor.messageOffset = 0;
    }
    this.#blocked.delete(stream);
    if (cursor.endsAfterMessages && cursor.messageIndex === messages.length) {
      cursor.endsAfterMessages = false;
      this.#out.frame(FRAME.data, FLAG.endStream, cursor.streamId, EMPTY);
    }
  }

  /** Sends nothing more on this stream once its messages are sent; the peer still may. */
  halfClose(stream: LoadStream): void {
    stream.cursor.endsAfterMessages = true;
    this.advance(stream);
  }

  /** Ends the stream. Its owner hears nothing more of it. */
  reset(stream: LoadStream, code: number): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(code);
    this.#out.frame(FRAME.rstStream, 0, stream.cursor.streamId, payload);
    this.#forget(stream);
  }

  /** Takes no new streams; closes the connection when the open ones have ended. */
  finish(): void {
    if (this.#state !== "accepting") return;
    this.#state = "draining";
    this.#options.onDraining();
    this.#endWhenDrained();
  }

  /** Drops the connection as a proxy that crashes does; its streams may be begun again elsewhere. */
  drop(): void {
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    this.#blocked.clear();
    this.#socket.destroy();
    this.#state = "closed";
    for (const stream of streams) stream.onNotTaken();
  }

  /** Drops the connection, and its streams without a word. */
  destroy(): void {
    this.#streams.clear();
    this.#socket.destroy();
  }

  onData(streamId: number, bytes: Buffer, start: number, end: number): void {
    this.#unacknowledged += end - start;
    if (this.#unacknowledged > CONNECTION_WINDOW_SIZE / 2) {
      this.#acknowledge(0, this.#unacknowledged);
      this.#unacknowledged = 0;
    }
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    const { cursor } = stream;
    cursor.unacknowledged += end - start;
    if (cursor.unacknowledged > STREAM_WINDOW_SIZE / 2) {
      this.#acknowledge(streamId, cursor.unacknowledged);
      cursor.unacknowledged = 0;
    }
    stream.onData(bytes, start, end);
  }

  onStreamEnd(streamId: number): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    this.#forget(stream);
    stream.onStreamEnd();
  }

  onControl(type: number, flags: number, streamId: number, payload: Buffer): void {
    if (type === FRAME.windowUpdate) this.#widen(streamId, readUint31(payload, 0));
    else if (type === FRAME.rstStream) this.#onReset(streamId, payload.readUInt32BE(0));
    else if (type === FRAME.settings && (flags & FLAG.ack) === 0) this.#onSettings(payload);
    else if (type === FRAME.ping && (flags & FLAG.ack) === 0) this.#out.frame(FRAME.ping, FLAG.ack, 0, payload);
    else if (type === FRAME.goaway) this.#onGoaway(payload);
  }

  #read(bytes: Buffer, size: number): void {
    if (this.#state === "closed") return;
    try {
      this.#reader.push(bytes, size);
    } catch (error) {
      this.#lossReason = `connection given up: ${error instanceof Error ? error.message : String(error)}`;
      this.#socket.destroy();
    }
    this.#endWhenDrained();
  }

  #onSettings(payload: Buffer): void {
    forEachSetting(payload, (id, value) => {
      if (id === SETTING.maxConcurrentStreams) this.#streamsMax = value;
      else if (id === SETTING.headerTableSize) this.#headerTableSize = value;
      else if (id === SETTING.initialWindowSize) {
        for (const { cursor } of this.#streams.values()) cursor.window += value - this.#streamWindow;
        this.#streamWindow = value;
      }
    });
    this.#out.frame(FRAME.settings, FLAG.ack, 0, EMPTY);
    this.#advanceBlocked();
    if (this.#state !== "opening") return;
    this.#state = "accepting";
    this.#onReady();
  }

  #widen(streamId: number, size: number): void {
    if (streamId === 0) {
      this.#window += size;
      this.#advanceBlocked();
      return;
    }
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    stream.cursor.window += size;
    if (this.#blocked.has(stream)) this.advance(stream);
  }

  /** In the order in which they were blocked. */
  #advanceBlocked(): void {
    for (const stream of [...this.#blocked]) {
      if (this.#window <= 0) return;
      this.advance(stream);
    }
  }

  #onReset(streamId: number, code: number): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    this.#forget(stream);
    stream.onReset(code);
  }

  #onGoaway(payload: Buffer): void {
    const lastStreamId = readUint31(payload, 0);
    const code = payload.readUInt32BE(4);
    const text = payload.toString("latin1", 8, 8 + DEBUG_TEXT_SIZE_MAX);
    if (code !== 0) this.#lossReason = `connection lost: GOAWAY with code ${code} ${text}`.trimEnd();
    const wasAccepting = this.#state === "accepting";
    if (wasAccepting) this.#state = "draining";
    for (const [streamId, stream] of this.#streams) {
      if (streamId <= lastStreamId) continue;
      this.#forget(stream);
      stream.onNotTaken();
    }
    if (wasAccepting) this.#options.onDraining();
  }

  #forget(stream: LoadStream): void {
    this.#streams.delete(stream.cursor.streamId);
    this.#blocked.delete(stream);
  }

  /** A proxy closes a connection that takes no streams after the last one. */
  #endWhenDrained(): void {
    if (this.#state === "draining" && this.#streams.size === 0) this.#socket.end();
  }

  #endStreams(): void {
    this.#state = "closed";
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    this.#blocked.clear();
    for (const stream of streams) stream.onConnectionLost(this.#lossReason);
    this.#options.onClosed(this);
  }

  #headerBlock(streamId: number): Buffer {
    const { first, later, withoutTable } = this.#options.headerBlocks;
    if (this.#headerTableSize < HEADER_TABLE_SIZE_NEEDED) return withoutTable;
    return streamId === 1 ? first : later;
  }

  #acknowledge(streamId: number, size: number): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(size);
    this.#out.frame(FRAME.windowUpdate, 0, streamId, payload);
  }
}

const EMPTY: Buffer = Buffer.alloc(0);
