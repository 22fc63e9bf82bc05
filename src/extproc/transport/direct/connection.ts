/**
 * One HTTP/2 connection of a proxy (RFC 9113), server side, for gRPC only: opens streams, keeps both directions' flow
 * control, answers control frames. What arrives is worked on in fair turns; what is sent is copied into the output.
 *
 *   opening ─preface─► serving ─goAway─► leaving ─last stream over─► closed       an error closes from everywhere
 */
import type { Socket } from "node:net";
import type { Clock } from "../../../base/clock.ts";
import { messageOf } from "../../../base/errors.ts";
import { GRPC_STATUS, type GrpcRoutes, type Message, type OpenGrpcCall } from "../../../platform/grpc-call.ts";
import {
  CLIENT_PREFACE,
  ERROR_CODE,
  FLAG,
  FRAME,
  FRAME_HEAD_SIZE,
  FRAME_PAYLOAD_SIZE_MAX,
  goawayFrame,
  numberFrame,
  readUint31,
  readUint32,
  SETTING,
  SETTING_SIZE,
  STREAM_ID_MAX,
  settingsFrame,
  WINDOW_SIZE_DEFAULT,
  WINDOW_SIZE_MAX,
  frame as wholeFrame,
  writeFrameHead,
} from "../../../wire/http2/frame.ts";
import { HpackDecoder, HpackError } from "../../../wire/http2/hpack-decoder.ts";
import { httpStatus, RESPONSE_HEAD, statusTrailers } from "./answer-heads.ts";
import type { Backlog, FairTurns } from "./fair-turns.ts";
import { type FrameHandler, FrameReader } from "./frame-reader.ts";
import { KeepAlive } from "./keep-alive.ts";
import { MessageCursor } from "./message-cursor.ts";
import type { MessageFault } from "./message-reader.ts";
import { type OutBufferPool, Output } from "./output.ts";
import { foreignProtocol } from "./preface.ts";
import { ConnectionError } from "./protocol-error.ts";
import { RequestHead, timeoutMs } from "./request-head.ts";
import { DirectStream, PENDING_SIZE_MAX, type StreamOwner } from "./stream.ts";

/** Bytes that a client may have on its way on one stream: a large prompt in one go, without waiting for credit. */
const STREAM_WINDOW_SIZE: number = 1024 * 1024;
/** The same on all streams of a connection together. Credit comes with each turn that takes bytes in. */
const CONNECTION_WINDOW_SIZE: number = 16 * 1024 * 1024;
/** Header fields of one request, with 32 bytes for each; Envoy's own default is 60 KiB. */
const HEADER_LIST_SIZE_MAX: number = 64 * 1024;
/** A header block, compressed, over all its frames. */
const HEADER_BLOCK_SIZE_MAX: number = HEADER_LIST_SIZE_MAX;
/** Streams of which it is known that they were reset here; what comes for them is no fault of the client. */
const RESETS_REMEMBERED_MAX = 256;
/** Frames of one header block: many empty ones would keep a core busy for nothing. */
const HEADER_BLOCK_FRAMES_MAX = 16;

export interface ConnectionOptions {
  readonly socket: Socket;
  /** What is served, by path. */
  readonly routes: GrpcRoutes;
  readonly concurrentStreamsMax: number;
  /** A larger message from the client ends its stream. */
  readonly messageSizeMax: number;
  /** A larger message to the client ends its stream. */
  readonly messageSendSizeMax: number;
  /** A client that says nothing for so long is asked whether it is there. */
  readonly keepAliveMs: number;
  readonly clock: Clock;
  readonly turns: FairTurns;
  readonly buffers: OutBufferPool;
  readonly onStreamOpened: (stream: DirectStream) => void;
  readonly onStreamClosed: (stream: DirectStream) => void;
  /** The connection is given up for what its client sent. */
  readonly onFailed: (reason: string) => void;
}

type State = "opening" | "serving" | "closed";

export class Connection implements FrameHandler, StreamOwner, Backlog {
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #output: Output;
  readonly #reader = new FrameReader(this);
  readonly #hpack = new HpackDecoder({ listSizeMax: HEADER_LIST_SIZE_MAX });
  readonly #head = new RequestHead();
  readonly #cursor = new MessageCursor();
  readonly #streams = new Map<number, DirectStream>();
  /** Streams with bytes that no window, or a full socket, lets through; in the order in which they go on. */
  readonly #blocked = new Set<DirectStream>();
  #state: State = "opening";
  #prefaceSize = 0;
  /** Read from the socket, and not yet worked on. */
  #backlog: Buffer[] = [];
  #lastStreamId = 0;
  #sendWindow = WINDOW_SIZE_DEFAULT;
  #streamSendWindow = WINDOW_SIZE_DEFAULT;
  #receiveWindow = CONNECTION_WINDOW_SIZE;
  #uncredited = 0;
  /** The stream of the DATA frame at hand; undefined when its bytes go nowhere. */
  #dataStream: DirectStream | undefined;
  #dataSize = 0;
  /** Streams that the client ended in the bytes at hand. */
  readonly #halfClosed: DirectStream[] = [];
  /** A header block that goes on in CONTINUATION frames. */
  #block: { readonly streamId: number; readonly flags: number; readonly pieces: Buffer[]; size: number } | undefined;
  readonly #keepAlive: KeepAlive;
  /** Called when every stream has come that the client began before it was told to go. */
  #onHeard: (() => void) | undefined;
  #isLeaving = false;
  /** Streams that were reset last, whose client may not know yet. */
  readonly #resets = new Set<number>();
  readonly #onMayHaveLeft = (): void => this.#endIfLeft();

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { socket, clock, keepAliveMs } = options;
    this.#socket = socket;
    this.#output = new Output(socket, options.buffers);
    this.#output.write(
      settingsFrame(
        new Map([
          [SETTING.maxConcurrentStreams, options.concurrentStreamsMax],
          [SETTING.initialWindowSize, STREAM_WINDOW_SIZE],
          [SETTING.maxHeaderListSize, HEADER_LIST_SIZE_MAX],
        ]),
      ),
    );
    this.#output.write(numberFrame(FRAME.windowUpdate, 0, CONNECTION_WINDOW_SIZE - WINDOW_SIZE_DEFAULT));
    this.#keepAlive = new KeepAlive({
      clock,
      silenceMs: keepAliveMs,
      onSilent: () => this.#output.write(wholeFrame(FRAME.ping, 0, 0, KEEP_ALIVE_PING)),
      onLost: () => socket.destroy(),
    });
    socket.on("data", (bytes: Buffer) => this.#onBytes(bytes));
    socket.on("drain", () => this.#resumeBlocked());
    // What follows is the socket's close.
    socket.on("error", () => undefined);
    socket.once("close", () => this.#close());
  }

  /** Streams that are open. */
  get openStreamCount(): number {
    return this.#streams.size;
  }

  /** The client has not said anything. */
  get isSilent(): boolean {
    return this.#state === "opening" && this.#prefaceSize === 0;
  }

  /** The client was told to go, or is gone. */
  get isLeaving(): boolean {
    return this.#isLeaving || this.#state === "closed";
  }

  /**
   * Tells the client to open no more streams here; those that are open, or on their way, are served. `onHeard` is called
   * once when all of these have come, or none can. The connection ends behind the last of them.
   */
  goAway(onHeard: () => void = NOTHING): void {
    if (this.#state === "closed" || !this.#socket.writable || this.#isLeaving) return onHeard();
    this.#isLeaving = true;
    this.#onHeard = onHeard;
    this.#output.write(goawayFrame(STREAM_ID_MAX, ERROR_CODE.noError));
    // What is answered after this frame was sent after that one was read.
    this.#output.write(wholeFrame(FRAME.ping, 0, 0, GO_AWAY_PING));
  }

  /** Takes no more streams, and ends behind the last byte of those that there are. */
  finish(): void {
    this.#isLeaving = true;
    this.#onHeard = undefined;
    this.#endIfLeft();
  }

  /** Ends a connection whose client was told to go, and has heard, behind its last stream. */
  #endIfLeft(): void {
    const isLeft = this.#isLeaving && this.#onHeard === undefined && this.#streams.size === 0;
    if (!isLeft || this.#state === "closed") return;
    this.#output.write(goawayFrame(this.#lastStreamId, ERROR_CODE.noError));
    this.#output.flush();
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  work(): boolean {
    while (this.#backlog.length > 0) {
      const bytes = this.#backlog.shift() as Buffer;
      this.#read(bytes);
      if (!this.#options.turns.hasTime) break;
    }
    if (this.#backlog.length > 0) return false;
    if (this.#state !== "closed") this.#socket.resume();
    return true;
  }

  #onBytes(bytes: Buffer): void {
    if (this.#state === "closed") return;
    this.#keepAlive.onHeard();
    if (this.#backlog.length === 0 && this.#options.turns.hasTime) return this.#read(bytes);
    if (this.#backlog.length === 0) this.#options.turns.later(this);
    this.#backlog.push(bytes);
    this.#socket.pause();
  }

  #read(bytes: Buffer): void {
    if (this.#state === "closed") return;
    try {
      const start = this.#state === "opening" ? this.#readPreface(bytes) : 0;
      this.#reader.push(bytes, start);
      if (this.#halfClosed.length > 0) this.#tellHalfClosed();
      if (this.#output.isOverfull) throw new ConnectionError(ERROR_CODE.enhanceYourCalm, "answers are not read");
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      this.#fail(error);
    }
  }

  /** Where the first frame begins. */
  #readPreface(bytes: Buffer): number {
    const size = Math.min(bytes.length, CLIENT_PREFACE.length - this.#prefaceSize);
    if (bytes.compare(CLIENT_PREFACE, this.#prefaceSize, this.#prefaceSize + size, 0, size) !== 0) {
      throw new ConnectionError(ERROR_CODE.protocolError, foreignProtocol(bytes));
    }
    this.#prefaceSize += size;
    if (this.#prefaceSize === CLIENT_PREFACE.length) this.#state = "serving";
    return size;
  }

  #fail({ code, message }: ConnectionError): void {
    this.#options.onFailed(message);
    this.#output.write(goawayFrame(this.#lastStreamId, code, message));
    this.#output.flush();
    this.#socket.destroySoon();
    this.#close();
  }

  #close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#keepAlive.close();
    this.#backlog = [];
    this.#blocked.clear();
    for (const stream of this.#streams.values()) {
      stream.onClose("cancelled");
    }
    this.#streams.clear();
    this.#hear();
  }

  onDataBegin(streamId: number, size: number): void {
    if (this.#state === "opening" || this.#block !== undefined) throw outOfOrder();
    this.#receiveWindow -= size;
    if (this.#receiveWindow < 0) throw new ConnectionError(ERROR_CODE.flowControlError, "more DATA than the window");
    this.#dataSize = size;
    this.#dataStream = this.#streams.get(streamId);
    const stream = this.#dataStream;
    if (stream === undefined) return this.#onFrameOfClosed(streamId);
    stream.receiveWindow -= size;
    if (stream.isRemoteEnded) this.#cancel(stream, ERROR_CODE.streamClosed);
    else if (stream.receiveWindow < 0) this.#cancel(stream, ERROR_CODE.flowControlError);
  }

  onData(bytes: Buffer, start: number, end: number): void {
    const stream = this.#dataStream;
    if (stream === undefined) return;
    const fault = stream.reader.push(bytes, start, end, stream);
    if (fault === undefined) return;
    this.#dataStream = undefined;
    stream.fail(...statusOf(fault, stream.reader.size, this.#options.messageSizeMax));
  }

  onDataEnd(_streamId: number, endsStream: boolean): void {
    const stream = this.#dataStream;
    this.#dataStream = undefined;
    this.#uncredited += this.#dataSize;
    if (this.#uncredited >= CONNECTION_WINDOW_SIZE / 2) {
      this.#output.write(numberFrame(FRAME.windowUpdate, 0, this.#uncredited));
      this.#receiveWindow += this.#uncredited;
      this.#uncredited = 0;
    }
    if (stream === undefined || !this.#streams.has(stream.id)) return;
    stream.uncredited += this.#dataSize;
    if (endsStream) this.#onRemoteEnd(stream);
    else this.#credit(stream);
  }

  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (this.#block !== undefined && type !== FRAME.continuation) throw outOfOrder();
    switch (type) {
      case FRAME.headers:
        return this.#onHeaders(flags, streamId, bytes, start, end);
      case FRAME.continuation:
        return this.#onContinuation(flags, streamId, bytes.subarray(start, end));
      case FRAME.windowUpdate:
        return this.#onWindowUpdate(streamId, bytes, start, end);
      case FRAME.rstStream:
        return this.#onReset(streamId, end - start);
      case FRAME.settings:
        return this.#onSettings(flags, streamId, bytes.subarray(start, end));
      case FRAME.ping:
        return this.#onPing(flags, streamId, bytes.subarray(start, end));
      case FRAME.priority:
        return this.#onPriority(streamId, bytes.subarray(start, end));
      case FRAME.goaway:
        if (streamId !== 0) throw new ConnectionError(ERROR_CODE.protocolError, "GOAWAY on a stream");
        return;
      case FRAME.pushPromise:
        throw new ConnectionError(ERROR_CODE.protocolError, "a client pushes nothing");
      default:
      // Frames of extensions are passed over (RFC 9113, 5.5).
    }
  }

  #onHeaders(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId % 2 === 0) throw new ConnectionError(ERROR_CODE.protocolError, `a client opens stream ${streamId}`);
    let blockStart = start;
    let blockEnd = end;
    if ((flags & FLAG.padded) !== 0) {
      blockEnd -= bytes[start] as number;
      blockStart++;
    }
    if ((flags & FLAG.priority) !== 0) {
      if (blockEnd - blockStart >= 5 && readUint31(bytes, blockStart) === streamId) throw dependsOnItself(streamId);
      blockStart += 5;
    }
    if (blockStart > blockEnd) throw new ConnectionError(ERROR_CODE.protocolError, "HEADERS smaller than its padding");
    if ((flags & FLAG.endHeaders) !== 0) return this.#onBlock(flags, streamId, bytes, blockStart, blockEnd);
    const first = Buffer.from(bytes.subarray(blockStart, blockEnd));
    this.#block = { streamId, flags, pieces: [first], size: first.length };
  }

  #onContinuation(flags: number, streamId: number, bytes: Buffer): void {
    const block = this.#block;
    if (block === undefined || block.streamId !== streamId) throw outOfOrder();
    block.pieces.push(Buffer.from(bytes));
    block.size += bytes.length;
    if (block.size > HEADER_BLOCK_SIZE_MAX || block.pieces.length > HEADER_BLOCK_FRAMES_MAX) {
      throw new ConnectionError(ERROR_CODE.enhanceYourCalm, "a header block is too large");
    }
    if ((flags & FLAG.endHeaders) === 0) return;
    this.#block = undefined;
    const whole = Buffer.concat(block.pieces);
    this.#onBlock(block.flags, streamId, whole, 0, whole.length);
  }

  #onBlock(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    const head = this.#head;
    head.reset();
    const fits = this.#decode(bytes, start, end);
    const endsStream = (flags & FLAG.endStream) !== 0;
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) return this.#onTrailers(stream, endsStream);
    if (streamId <= this.#lastStreamId) {
      if (this.#resets.has(streamId)) return;
      throw new ConnectionError(ERROR_CODE.streamClosed, `HEADERS for stream ${streamId}, which is over`);
    }
    this.#lastStreamId = streamId;
    head.finish();
    if (!fits) return this.#answer(streamId, httpStatus(431), endsStream);
    if (head.fault !== undefined) return this.#reset(streamId, ERROR_CODE.protocolError);
    if (this.#streams.size >= this.#options.concurrentStreamsMax) {
      return this.#reset(streamId, ERROR_CODE.refusedStream);
    }
    if (head.method !== "POST") return this.#answer(streamId, httpStatus(405), endsStream);
    if (!head.contentType.startsWith("application/grpc")) return this.#answer(streamId, httpStatus(415), endsStream);
    const open = this.#options.routes.get(head.path);
    if (open !== undefined) return this.#open(streamId, open, endsStream);
    const text = `the method ${head.path} is not served here`;
    this.#answer(streamId, statusTrailers(GRPC_STATUS.unimplemented, text, false), endsStream);
  }

  /** Whether the fields are few enough. */
  #decode(bytes: Buffer, start: number, end: number): boolean {
    try {
      return this.#hpack.decode(bytes, start, end, this.#head.visit);
    } catch (error) {
      if (!(error instanceof HpackError)) throw error;
      throw new ConnectionError(ERROR_CODE.compressionError, messageOf(error));
    }
  }

  #open(streamId: number, open: OpenGrpcCall, endsStream: boolean): void {
    const stream = new DirectStream(streamId, {
      owner: this,
      open,
      sendWindow: this.#streamSendWindow,
      receiveWindow: STREAM_WINDOW_SIZE,
      messageSizeMax: this.#options.messageSizeMax,
    });
    this.#streams.set(streamId, stream);
    this.#options.onStreamOpened(stream);
    const { timeout } = this.#head;
    const limitMs = timeout === "" ? undefined : timeoutMs(timeout);
    if (limitMs !== undefined) this.#limit(stream, limitMs);
    if (endsStream) this.#onRemoteEnd(stream);
  }

  #limit(stream: DirectStream, limitMs: number): void {
    stream.deadline = this.#options.clock.setTimeout(
      () => stream.fail("the client's deadline has passed", GRPC_STATUS.deadlineExceeded),
      Math.min(limitMs, TIMEOUT_MS_MAX),
    );
  }

  #onTrailers(stream: DirectStream, endsStream: boolean): void {
    if (stream.isRemoteEnded) return this.#cancel(stream, ERROR_CODE.streamClosed);
    if (!endsStream || this.#head.method !== "" || this.#head.path !== "") {
      return this.#cancel(stream, ERROR_CODE.protocolError);
    }
    this.#onRemoteEnd(stream);
  }

  #onRemoteEnd(stream: DirectStream): void {
    stream.isRemoteEnded = true;
    this.#halfClosed.push(stream);
  }

  /** Envoy ends a stream before it resets it: what is reset in the same breath was not half-closed, but cancelled. */
  #tellHalfClosed(): void {
    for (const stream of this.#halfClosed) {
      if (!this.#streams.has(stream.id)) continue;
      if (!stream.reader.isBetweenMessages) stream.fail("the client ended the stream within a message");
      stream.onHalfClose();
    }
    this.#halfClosed.length = 0;
  }

  /** A frame for a stream that is not there: it is over, or it never was. */
  #onFrameOfClosed(streamId: number): void {
    if (streamId === 0 || streamId % 2 === 0 || streamId > this.#lastStreamId) {
      throw new ConnectionError(ERROR_CODE.protocolError, `a frame for stream ${streamId}, which was never opened`);
    }
    if (!this.#resets.has(streamId)) this.#reset(streamId, ERROR_CODE.streamClosed);
  }

  #onWindowUpdate(streamId: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4) throw wrongSize("WINDOW_UPDATE");
    const increment = readUint31(bytes, start);
    if (streamId === 0) {
      this.#sendWindow += increment;
      if (increment === 0) throw new ConnectionError(ERROR_CODE.protocolError, "WINDOW_UPDATE by nothing");
      if (this.#sendWindow > WINDOW_SIZE_MAX) throw windowTooLarge();
      return this.#resumeBlocked();
    }
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return this.#assertWasOpened(streamId);
    stream.sendWindow += increment;
    if (increment === 0) this.#cancel(stream, ERROR_CODE.protocolError);
    else if (stream.sendWindow > WINDOW_SIZE_MAX) this.#cancel(stream, ERROR_CODE.flowControlError);
    else if (stream.pendingSize > 0) this.#resume(stream);
  }

  #onReset(streamId: number, size: number): void {
    if (size !== 4) throw wrongSize("RST_STREAM");
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return this.#assertWasOpened(streamId);
    this.#drop(stream);
    stream.onClose("cancelled");
  }

  #onSettings(flags: number, streamId: number, payload: Buffer): void {
    if (streamId !== 0) throw new ConnectionError(ERROR_CODE.protocolError, "SETTINGS on a stream");
    const isAck = (flags & FLAG.ack) !== 0;
    if (isAck ? payload.length > 0 : payload.length % SETTING_SIZE > 0) throw wrongSize("SETTINGS");
    if (isAck) return;
    for (let at = 0; at < payload.length; at += SETTING_SIZE) {
      this.#onSetting(payload.readUInt16BE(at), readUint32(payload, at + 2));
    }
    this.#output.write(SETTINGS_ACK);
    this.#resumeBlocked();
  }

  #onSetting(id: number, value: number): void {
    if (id === SETTING.enablePush && value > 1) throw badSetting("ENABLE_PUSH", value);
    if (id === SETTING.maxFrameSize && (value < FRAME_PAYLOAD_SIZE_MAX || value > FRAME_SIZE_LIMIT)) {
      throw badSetting("MAX_FRAME_SIZE", value);
    }
    if (id !== SETTING.initialWindowSize) return;
    if (value > WINDOW_SIZE_MAX) throw windowTooLarge();
    const change = value - this.#streamSendWindow;
    this.#streamSendWindow = value;
    for (const stream of this.#streams.values()) {
      stream.sendWindow += change;
      if (stream.sendWindow > WINDOW_SIZE_MAX) throw windowTooLarge();
    }
  }

  #onPing(flags: number, streamId: number, payload: Buffer): void {
    if (streamId !== 0) throw new ConnectionError(ERROR_CODE.protocolError, "PING on a stream");
    if (payload.length !== PING_SIZE) throw wrongSize("PING");
    if ((flags & FLAG.ack) === 0) this.#output.write(wholeFrame(FRAME.ping, FLAG.ack, 0, payload));
    else if (payload.equals(GO_AWAY_PING)) this.#hear();
  }

  #onPriority(streamId: number, payload: Buffer): void {
    if (streamId === 0) throw new ConnectionError(ERROR_CODE.protocolError, "PRIORITY of no stream");
    if (payload.length !== 5) return this.#reset(streamId, ERROR_CODE.frameSizeError);
    if (readUint31(payload, 0) === streamId) throw dependsOnItself(streamId);
  }

  #hear(): void {
    const onHeard = this.#onHeard;
    this.#onHeard = undefined;
    onHeard?.();
    this.#endIfLeft();
  }

  sendMessage(stream: DirectStream, message: Message): void {
    const cursor = this.#cursor;
    cursor.begin(message);
    if (cursor.left > this.#options.messageSendSizeMax) {
      const text = `a message of ${cursor.left} bytes is larger than ${this.#options.messageSendSizeMax}`;
      return stream.fail(text, GRPC_STATUS.resourceExhausted);
    }
    const isBlocked = stream.pendingSize > 0 || this.#output.isCongested;
    if (!isBlocked) this.#sendHead(stream);
    const allowed = isBlocked ? 0 : Math.max(0, Math.min(cursor.left, stream.sendWindow, this.#sendWindow));
    this.#sendData(stream, allowed);
    if (cursor.left === 0) return;
    stream.pendingSize += cursor.left;
    stream.pending.push(cursor.rest());
    this.#blocked.add(stream);
  }

  /** Sends the next `size` bytes of the cursor as DATA. */
  #sendData(stream: DirectStream, size: number): void {
    const output = this.#output;
    stream.sendWindow -= size;
    this.#sendWindow -= size;
    let left = size;
    while (left > 0) {
      const payload = Math.min(left, FRAME_PAYLOAD_SIZE_MAX);
      const at = output.reserve(FRAME_HEAD_SIZE + payload);
      writeFrameHead(output.bytes, at, payload, FRAME.data, 0, stream.id);
      this.#cursor.copy(output.bytes, at + FRAME_HEAD_SIZE, payload);
      left -= payload;
    }
  }

  #sendHead(stream: DirectStream): void {
    if (stream.hasHead) return;
    stream.hasHead = true;
    this.#writeBlock(stream.id, RESPONSE_HEAD, FLAG.endHeaders);
  }

  #writeBlock(streamId: number, block: Buffer, flags: number): void {
    const output = this.#output;
    const at = output.reserve(FRAME_HEAD_SIZE + block.length);
    writeFrameHead(output.bytes, at, block.length, FRAME.headers, flags, streamId);
    output.bytes.set(block, at + FRAME_HEAD_SIZE);
  }

  sendTrailers(stream: DirectStream): void {
    if (stream.pendingSize > 0 || stream.trailers === undefined || !this.#streams.has(stream.id)) return;
    this.#drop(stream);
    this.#answer(stream.id, stream.trailers, stream.isRemoteEnded);
  }

  /** Ends a stream with a header block. A client that has not ended it hears that nothing more is needed. */
  #answer(streamId: number, block: Buffer, isRemoteEnded: boolean): void {
    this.#writeBlock(streamId, block, FLAG.endHeaders | FLAG.endStream);
    if (!isRemoteEnded) this.#reset(streamId, ERROR_CODE.noError);
  }

  onClosedAbove(stream: DirectStream): void {
    this.#options.onStreamClosed(stream);
  }

  /** Sends what is pending, as far as the windows and the socket let it. */
  #resume(stream: DirectStream): void {
    while (stream.pendingSize > 0 && !this.#output.isCongested) {
      const [first] = stream.pending as [Buffer];
      const size = Math.min(first.length - stream.pendingOffset, stream.sendWindow, this.#sendWindow);
      if (size <= 0) return;
      this.#sendHead(stream);
      this.#cursor.resume(first, stream.pendingOffset);
      this.#sendData(stream, size);
      stream.pendingOffset += size;
      stream.pendingSize -= size;
      if (stream.pendingOffset < first.length) continue;
      stream.pending.shift();
      stream.pendingOffset = 0;
    }
    if (stream.pendingSize > 0) return;
    this.#blocked.delete(stream);
    this.sendTrailers(stream);
    if (!stream.isRemoteEnded) this.#credit(stream);
  }

  #resumeBlocked(): void {
    if (this.#blocked.size === 0) return;
    for (const stream of [...this.#blocked]) {
      if (this.#sendWindow <= 0 || this.#output.isCongested) return;
      // Behind the others, for the next time.
      this.#blocked.delete(stream);
      this.#blocked.add(stream);
      this.#resume(stream);
    }
  }

  /** Lets the client send on, unless it does not read what it is sent. */
  #credit(stream: DirectStream): void {
    if (stream.uncredited < STREAM_WINDOW_SIZE / 2 || stream.pendingSize > PENDING_SIZE_MAX) return;
    if (!this.#streams.has(stream.id)) return;
    this.#output.write(numberFrame(FRAME.windowUpdate, stream.id, stream.uncredited));
    stream.receiveWindow += stream.uncredited;
    stream.uncredited = 0;
  }

  /** Ends a stream for what its client did. */
  #cancel(stream: DirectStream, code: number): void {
    if (this.#dataStream === stream) this.#dataStream = undefined;
    this.#drop(stream);
    this.#reset(stream.id, code);
    stream.onClose("cancelled");
  }

  #drop(stream: DirectStream): void {
    this.#streams.delete(stream.id);
    this.#blocked.delete(stream);
    stream.pending.length = 0;
    stream.pendingSize = 0;
    if (this.#isLeaving) process.nextTick(this.#onMayHaveLeft);
  }

  #reset(streamId: number, code: number): void {
    this.#resets.add(streamId);
    if (this.#resets.size > RESETS_REMEMBERED_MAX) this.#resets.delete(this.#resets.values().next().value as number);
    this.#output.write(numberFrame(FRAME.rstStream, streamId, code));
  }

  #assertWasOpened(streamId: number): void {
    if (streamId % 2 === 1 && streamId <= this.#lastStreamId) return;
    throw new ConnectionError(ERROR_CODE.protocolError, `a frame for stream ${streamId}, which was never opened`);
  }
}

const NOTHING = (): void => undefined;
const PING_SIZE = 8;
const KEEP_ALIVE_PING: Buffer = Buffer.from("still up");
const GO_AWAY_PING: Buffer = Buffer.from("go away?");
const SETTINGS_ACK: Buffer = wholeFrame(FRAME.settings, FLAG.ack, 0);
/** RFC 9113, 6.5.2. */
const FRAME_SIZE_LIMIT = 0xff_ffff;
/** 24 days: a longer limit is none. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

function outOfOrder(): ConnectionError {
  return new ConnectionError(ERROR_CODE.protocolError, "a header block is out of order");
}

function wrongSize(frame: string): ConnectionError {
  return new ConnectionError(ERROR_CODE.frameSizeError, `${frame} of a wrong size`);
}

function windowTooLarge(): ConnectionError {
  return new ConnectionError(ERROR_CODE.flowControlError, "a flow-control window is too large");
}

function badSetting(name: string, value: number): ConnectionError {
  return new ConnectionError(ERROR_CODE.protocolError, `the setting ${name} is ${value}`);
}

function dependsOnItself(streamId: number): ConnectionError {
  return new ConnectionError(ERROR_CODE.protocolError, `stream ${streamId} depends on itself`);
}

function statusOf(fault: MessageFault, size: number, sizeMax: number): [message: string, code: number] {
  return fault === "compressed"
    ? ["compressed messages are not supported", GRPC_STATUS.unimplemented]
    : [`a message of ${size} bytes is larger than ${sizeMax}`, GRPC_STATUS.resourceExhausted];
}
