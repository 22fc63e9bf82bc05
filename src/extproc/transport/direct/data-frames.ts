/**
 * What comes in DATA frames: gives it to the messages of its stream, and keeps the flow control of what is received. A
 * client gets credit for bytes as they are taken in, unless it does not read what it is sent on that stream.
 */
import { GRPC_STATUS } from "../../../platform/grpc-call.ts";
import { ERROR_CODE, FRAME, numberFrame } from "../../../wire/http2/frame.ts";
import type { DataHandler } from "./frame-reader.ts";
import type { Output } from "./output.ts";
import { ConnectionError } from "./protocol-error.ts";
import type { DirectStream } from "./stream.ts";

/** Bytes that a client may have on its way on one stream: a large prompt in one go, without waiting for credit. */
export const STREAM_WINDOW_SIZE: number = 1024 * 1024;
/** The same on all streams of a connection together. */
export const CONNECTION_WINDOW_SIZE: number = 16 * 1024 * 1024;
/** Bytes that wait on a stream until the client takes them; from there on its own are not taken either. */
const WAITING_SIZE_MAX: number = 256 * 1024;

export interface DataFramesOptions {
  readonly output: Output;
  /** A larger message ends its stream. */
  readonly messageSizeMax: number;
  readonly streamOf: (streamId: number) => DirectStream | undefined;
  /** DATA came for a stream that is not there. */
  readonly onStray: (streamId: number) => void;
  /** A client has sent what it must not: its stream ends with this code. */
  readonly onFault: (stream: DirectStream, code: number) => void;
  readonly onStreamEnd: (stream: DirectStream) => void;
}

export class DataFrames implements DataHandler {
  readonly #options: DataFramesOptions;
  /** Bytes that the client may send on all streams together. */
  #window = CONNECTION_WINDOW_SIZE;
  /** Bytes of which it does not know yet that they were taken. */
  #uncredited = 0;
  /** The stream of the frame at hand; undefined when its bytes go nowhere. */
  #stream: DirectStream | undefined;
  #size = 0;

  constructor(options: DataFramesOptions) {
    this.#options = options;
  }

  onDataBegin(streamId: number, size: number): void {
    const { streamOf, onStray, onFault } = this.#options;
    this.#window -= size;
    if (this.#window < 0) throw new ConnectionError(ERROR_CODE.flowControlError, "more DATA than the window");
    this.#size = size;
    const stream = streamOf(streamId);
    this.#stream = stream;
    if (stream === undefined) return onStray(streamId);
    stream.receiveWindow -= size;
    const isWithin = stream.receiveWindow >= 0;
    if (isWithin && !stream.isRemoteEnded) return;
    this.#stream = undefined;
    onFault(stream, isWithin ? ERROR_CODE.streamClosed : ERROR_CODE.flowControlError);
  }

  onData(bytes: Buffer, start: number, end: number): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    const fault = stream.reader.push(bytes, start, end, stream);
    if (fault === undefined) return;
    this.#stream = undefined;
    if (fault === "compressed") stream.fail("compressed messages are not supported", GRPC_STATUS.unimplemented);
    else {
      const text = `a message of ${stream.reader.size} bytes is larger than ${this.#options.messageSizeMax}`;
      stream.fail(text, GRPC_STATUS.resourceExhausted);
    }
  }

  onDataEnd(endsStream: boolean): void {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#uncredited += this.#size;
    if (this.#uncredited >= CONNECTION_WINDOW_SIZE / 2) {
      this.#options.output.write(numberFrame(FRAME.windowUpdate, 0, this.#uncredited));
      this.#window += this.#uncredited;
      this.#uncredited = 0;
    }
    if (stream === undefined) return;
    stream.uncredited += this.#size;
    if (endsStream) this.#options.onStreamEnd(stream);
    else this.credit(stream);
  }

  /** Lets the client send on, if that is due. */
  credit(stream: DirectStream): void {
    if (stream.uncredited < STREAM_WINDOW_SIZE / 2 || stream.waiting.size > WAITING_SIZE_MAX) return;
    if (stream.isRemoteEnded || this.#options.streamOf(stream.id) === undefined) return;
    this.#options.output.write(numberFrame(FRAME.windowUpdate, stream.id, stream.uncredited));
    stream.receiveWindow += stream.uncredited;
    stream.uncredited = 0;
  }
}
