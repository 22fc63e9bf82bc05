/**
 * One HTTP/2 connection of a proxy (RFC 9113), server side, for gRPC only: opens streams, tells them what comes, keeps
 * the flow control of what is received, and answers control frames. What is sent: sender.ts.
 *
 *   serving ─goAway─► leaving ─last stream over─► closed          an error, or the socket's end, closes from everywhere
 */
import type { Socket } from "node:net";
import { GRPC_STATUS, type Message, type OpenGrpcCall } from "../../../platform/grpc-call.ts";
import {
  ERROR_CODE,
  FLAG,
  FRAME,
  frame,
  goawayFrame,
  numberFrame,
  readUint31,
  SETTING_SIZE,
  STREAM_ID_MAX,
  WINDOW_SIZE_DEFAULT,
} from "../../../wire/http2/frame.ts";
import { httpStatus, statusTrailers } from "./answer-heads.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import { CONNECTION_WINDOW_SIZE, DataFrames, STREAM_WINDOW_SIZE } from "./data-frames.ts";
import { FrameReader } from "./frame-reader.ts";
import { HalfCloses } from "./half-closes.ts";
import { assertDependsOnOther, HeaderBlocks } from "./header-blocks.ts";
import { Intake } from "./intake.ts";
import { KeepAlive } from "./keep-alive.ts";
import { Output } from "./output.ts";
import { ConnectionError, forbidden, wrongSize } from "./protocol-error.ts";
import { RequestHead, timeoutMs } from "./request-head.ts";
import { Sender } from "./sender.ts";
import { ownSettings, readStreamWindow } from "./settings.ts";
import { DirectStream, type StreamOwner } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";

/** Bytes that are worked on between two looks at the clock, or one frame: resets of 80 streams, headers of a few. */
const READ_SIZE = 1_024;

export class Connection implements StreamOwner {
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #output: Output;
  readonly #sender: Sender;
  readonly #intake: Intake;
  readonly #keepAlive: KeepAlive;
  readonly #data: DataFrames;
  readonly #reader: FrameReader;
  readonly #head = new RequestHead();
  readonly #headers = new HeaderBlocks(this.#head, (...block) => this.#onHeaders(...block));
  #streams = new StreamTable();
  readonly #halfCloses = new HalfCloses();
  #lastStreamId = 0;
  /** Lower once the client knows the settings: the streams of a burst that it began before are served. */
  #streamsMax = UNTOLD_STREAMS_MAX;
  #isLeaving = false;
  #isClosed = false;
  /** Called when every stream has come that the client began before it was told to go. */
  #onHeard: (() => void) | undefined;
  readonly #onMayHaveLeft = (): void => this.#endIfLeft();

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { socket, clock, keepAliveMs, turns, readBuffer, messageSendSizeMax } = options;
    this.#socket = socket;
    this.#output = new Output(socket, options.buffers);
    this.#sender = new Sender({
      output: this.#output,
      messageSendSizeMax,
      onReady: (stream) => turns.later(stream),
      onCaughtUp: (stream) => this.#data.credit(stream),
      onEnded: (stream) => this.#forget(stream),
    });
    this.#data = new DataFrames({
      output: this.#output,
      messageSizeMax: options.messageSizeMax,
      streamOf: (streamId) => this.#streamOfData(streamId),
      onStray: (streamId) => this.#onStray(streamId),
      onFault: (stream, code) => this.#cancel(stream, code),
      onStreamEnd: (stream) => this.#onRemoteEnd(stream),
    });
    this.#reader = new FrameReader(this.#data, (...whole) => this.#onFrame(...whole));
    this.#keepAlive = new KeepAlive({
      clock,
      silenceMs: keepAliveMs,
      onSilent: () => this.#output.write(frame(FRAME.ping, 0, 0, KEEP_ALIVE_PING)),
      onLost: () => socket.destroy(),
    });
    this.#intake = new Intake({
      socket,
      readBuffer,
      turns,
      onBytes: (bytes, start) => this.#read(bytes, start),
      onFault: (fault) => this.#fail(fault),
    });
    socket.on("drain", () => this.#sender.resume());
    // What follows is the socket's close.
    socket.on("error", () => undefined);
    socket.once("close", () => this.#close());
    this.#greet();
  }

  get openStreamCount(): number {
    return this.#streams.size;
  }

  /** The client has not said anything. */
  get isSilent(): boolean {
    return this.#intake.isEmpty;
  }

  /** The client was told to go, or is gone. */
  get isLeaving(): boolean {
    return this.#isLeaving || this.#isClosed;
  }

  /**
   * Tells the client to open no more streams here; those that are open, or on their way, are served. `onHeard` is
   * called once when all of these have come, or none can. The connection ends behind the last of them.
   */
  goAway(onHeard: () => void = NOTHING): void {
    if (this.#isClosed || !this.#socket.writable) return onHeard();
    const onHeardBefore = this.#onHeard;
    if (this.#isLeaving && onHeardBefore === undefined) return onHeard();
    this.#onHeard = (): void => {
      onHeardBefore?.();
      onHeard();
    };
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#output.write(goawayFrame(STREAM_ID_MAX, ERROR_CODE.noError));
    // What is answered after this frame was sent after that one was read.
    this.#output.write(frame(FRAME.ping, 0, 0, GO_AWAY_PING));
  }

  /** Takes no more streams, and ends behind the last byte of those that there are. */
  finishStreams(): void {
    this.#isLeaving = true;
    this.#onHeard = undefined;
    this.#endIfLeft();
  }

  /** Ends it at once; its streams are over when this returns. */
  destroy(): void {
    this.#close();
    this.#socket.destroy();
  }

  send(stream: DirectStream, message: Message): void {
    this.#sender.send(stream, message);
  }

  requestReady(stream: DirectStream): void {
    if (this.#streams.has(stream.id)) this.#sender.requestReady(stream);
  }

  finish(stream: DirectStream): void {
    if (this.#streams.has(stream.id)) this.#sender.finish(stream);
  }

  onClosedAbove(): void {
    this.#options.onStreamClosed();
  }

  #greet(): void {
    this.#output.write(ownSettings(this.#options.concurrentStreamsMax));
    this.#output.write(numberFrame(FRAME.windowUpdate, 0, CONNECTION_WINDOW_SIZE - WINDOW_SIZE_DEFAULT));
  }

  #read(bytes: Buffer, start: number): number {
    this.#keepAlive.onHeard();
    const end = this.#reader.push(bytes, start, READ_SIZE);
    if (end === bytes.length) this.#halfCloses.review();
    if (this.#output.isOverfull) throw new ConnectionError(ERROR_CODE.enhanceYourCalm, "answers are not read");
    return end;
  }

  #onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (this.#headers.isUnfinished && type !== FRAME.continuation) throw forbidden("a frame within a header block");
    switch (type) {
      case FRAME.headers:
        if (streamId % 2 === 0) throw forbidden(`a client opens stream ${streamId}`);
        return this.#headers.begin(flags, streamId, bytes, start, end);
      case FRAME.continuation:
        return this.#headers.goOn(flags, streamId, bytes.subarray(start, end));
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
        // A client that goes ends its streams and the connection itself.
        if (streamId !== 0) throw forbidden("GOAWAY on a stream");
        return;
      case FRAME.pushPromise:
        throw forbidden("a client pushes nothing");
      default:
      // Frames of extensions are passed over (RFC 9113, 5.5).
    }
  }

  #fail({ code, message }: ConnectionError): void {
    this.#options.onFailed(message);
    this.#output.write(goawayFrame(this.#lastStreamId, code, message));
    this.#output.flush();
    this.#socket.destroySoon();
    this.#limitFlush();
    this.#close();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#keepAlive.close();
    this.#intake.close();
    for (const stream of this.#streams.all()) {
      this.#sender.forget(stream);
      stream.onClose("cancelled");
    }
    this.#streams = new StreamTable();
    this.#hear();
  }

  #onHeaders(streamId: number, endsStream: boolean, fits: boolean): void {
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) return this.#onTrailers(stream, endsStream);
    if (streamId <= this.#lastStreamId) {
      if (this.#sender.wasReset(streamId)) return;
      throw new ConnectionError(ERROR_CODE.streamClosed, `HEADERS for stream ${streamId}, which is over`);
    }
    this.#lastStreamId = streamId;
    const head = this.#head;
    head.finish();
    if (!fits) return this.#sender.answer(streamId, httpStatus(431), endsStream);
    if (head.fault !== undefined) return this.#sender.reset(streamId, ERROR_CODE.protocolError);
    if (this.#streams.size >= this.#streamsMax) {
      return this.#sender.reset(streamId, ERROR_CODE.refusedStream);
    }
    this.#route(streamId, endsStream);
  }

  #route(streamId: number, endsStream: boolean): void {
    const { method, path, contentType } = this.#head;
    if (method !== "POST") return this.#sender.answer(streamId, httpStatus(405), endsStream);
    if (!contentType.startsWith("application/grpc")) {
      return this.#sender.answer(streamId, httpStatus(415), endsStream);
    }
    const open = this.#options.routes.get(path);
    if (open !== undefined) return this.#open(streamId, open, endsStream);
    const text = `the method ${path} is not served here`;
    this.#sender.answer(streamId, statusTrailers(GRPC_STATUS.unimplemented, text, false), endsStream);
  }

  #open(streamId: number, open: OpenGrpcCall, endsStream: boolean): void {
    const stream = new DirectStream(streamId, {
      owner: this,
      open,
      sendWindow: this.#sender.streamWindow,
      receiveWindow: STREAM_WINDOW_SIZE,
      messageSizeMax: this.#options.messageSizeMax,
      slabs: this.#options.slabs,
    });
    this.#streams.add(stream);
    this.#options.onStreamOpened();
    const limitMs = timeoutMs(this.#head.timeout);
    if (limitMs !== undefined) stream.limit(this.#options.clock, limitMs);
    if (endsStream) this.#onRemoteEnd(stream);
  }

  #onTrailers(stream: DirectStream, endsStream: boolean): void {
    if (stream.isRemoteEnded) return this.#cancel(stream, ERROR_CODE.streamClosed);
    if (!endsStream || this.#head.hasPseudo) return this.#cancel(stream, ERROR_CODE.protocolError);
    this.#onRemoteEnd(stream);
  }

  #onRemoteEnd(stream: DirectStream): void {
    stream.isRemoteEnded = true;
    this.#halfCloses.add(stream);
  }

  #streamOfData(streamId: number): DirectStream | undefined {
    if (this.#headers.isUnfinished) throw forbidden("DATA within a header block");
    return this.#streams.get(streamId);
  }

  /** DATA for a stream that is over, or never was. */
  #onStray(streamId: number): void {
    this.#assertWasOpened(streamId);
    if (!this.#sender.wasReset(streamId)) this.#sender.reset(streamId, ERROR_CODE.streamClosed);
  }

  #onWindowUpdate(streamId: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4) throw wrongSize("WINDOW_UPDATE");
    const increment = readUint31(bytes, start);
    if (streamId === 0) {
      if (increment === 0) throw forbidden("WINDOW_UPDATE by nothing");
      return this.#sender.addWindow(increment);
    }
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return this.#assertWasOpened(streamId);
    if (increment === 0) return this.#cancel(stream, ERROR_CODE.protocolError);
    if (!this.#sender.addStreamWindow(stream, increment)) this.#cancel(stream, ERROR_CODE.flowControlError);
  }

  #onReset(streamId: number, size: number): void {
    if (size !== 4) throw wrongSize("RST_STREAM");
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return this.#assertWasOpened(streamId);
    this.#forget(stream);
    stream.onClose("cancelled");
  }

  #onSettings(flags: number, streamId: number, payload: Buffer): void {
    if (streamId !== 0) throw forbidden("SETTINGS on a stream");
    const isAck = (flags & FLAG.ack) !== 0;
    if (isAck ? payload.length > 0 : payload.length % SETTING_SIZE > 0) throw wrongSize("SETTINGS");
    if (isAck) {
      this.#streamsMax = this.#options.concurrentStreamsMax;
      return;
    }
    const streamWindow = readStreamWindow(payload);
    if (streamWindow !== undefined) this.#sender.setStreamWindow(streamWindow, this.#streams.all());
    this.#output.write(SETTINGS_ACK);
  }

  #onPing(flags: number, streamId: number, payload: Buffer): void {
    if (streamId !== 0) throw forbidden("PING on a stream");
    if (payload.length !== KEEP_ALIVE_PING.length) throw wrongSize("PING");
    if ((flags & FLAG.ack) === 0) this.#output.write(frame(FRAME.ping, FLAG.ack, 0, payload));
    else if (payload.equals(GO_AWAY_PING)) this.#hear();
  }

  /** Nothing is done with it (RFC 9113, 5.3.2). */
  #onPriority(streamId: number, payload: Buffer): void {
    if (streamId === 0) throw forbidden("PRIORITY of no stream");
    if (payload.length === 5) return assertDependsOnOther(streamId, payload, 0);
    const stream = this.#streams.get(streamId);
    if (stream === undefined) throw wrongSize("PRIORITY");
    this.#cancel(stream, ERROR_CODE.frameSizeError);
  }

  #hear(): void {
    const onHeard = this.#onHeard;
    this.#onHeard = undefined;
    onHeard?.();
    this.#endIfLeft();
  }

  /** Ends a connection whose client was told to go, and has heard, behind its last stream. */
  #endIfLeft(): void {
    const hasLeft = this.#isLeaving && this.#onHeard === undefined && this.#streams.size === 0;
    if (!hasLeft || this.#isClosed) return;
    this.#output.write(goawayFrame(this.#lastStreamId, ERROR_CODE.noError));
    this.#output.flush();
    if (!this.#socket.writable) return;
    this.#socket.end();
    this.#limitFlush();
  }

  /** A client that does not read its last bytes, or does not leave, is cut. */
  #limitFlush(): void {
    const timer = this.#options.clock.setTimeout(() => this.#socket.destroy(), FLUSH_MS_MAX);
    this.#socket.once("close", () => timer.cancel());
  }

  /** Ends a stream for what its client did. */
  #cancel(stream: DirectStream, code: number): void {
    this.#forget(stream);
    this.#sender.reset(stream.id, code);
    stream.onClose("cancelled");
  }

  #forget(stream: DirectStream): void {
    this.#streams.delete(stream.id);
    this.#sender.forget(stream);
    if (this.#isLeaving) process.nextTick(this.#onMayHaveLeft);
  }

  #assertWasOpened(streamId: number): void {
    const wasOpened = streamId % 2 === 1 && streamId <= this.#lastStreamId;
    if (!wasOpened) throw forbidden(`a frame for stream ${streamId}, which was never opened`);
  }
}

const NOTHING = (): void => undefined;
/** Time in which a client must have read the last bytes, and have closed its side. */
const FLUSH_MS_MAX = 5_000;
const KEEP_ALIVE_PING: Buffer = Buffer.from("still up");
const GO_AWAY_PING: Buffer = Buffer.from("go away?");
/** Streams that a client may have open that does not know the settings yet. */
const UNTOLD_STREAMS_MAX = 10_000;
const SETTINGS_ACK: Buffer = frame(FRAME.settings, FLAG.ack, 0);
