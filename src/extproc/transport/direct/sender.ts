/**
 * What a connection sends on its streams: messages as DATA frames, as far as the client's windows and its socket take
 * them, header blocks, resets. What is not taken yet waits in its stream; streams that wait go on in turn.
 */
import { GRPC_STATUS, type Message } from "../../../platform/grpc-call.ts";
import {
  ERROR_CODE,
  FLAG,
  FRAME,
  FRAME_HEAD_SIZE,
  FRAME_PAYLOAD_SIZE_MAX,
  numberFrame,
  WINDOW_SIZE_DEFAULT,
  WINDOW_SIZE_MAX,
  writeFrameHead,
} from "../../../wire/http2/frame.ts";
import { RESPONSE_HEAD } from "./answer-heads.ts";
import { MessageCursor } from "./message-cursor.ts";
import { MESSAGE_HEAD_SIZE } from "./message-reader.ts";
import type { Output } from "./output.ts";
import { ConnectionError } from "./protocol-error.ts";
import type { DirectStream } from "./stream.ts";

/** Streams of which it is known that they were reset here; what comes for them is no fault of the client. */
const RESETS_REMEMBERED_MAX = 256;

export interface SenderOptions {
  readonly output: Output;
  /** A larger message to the client ends its stream. */
  readonly messageSendSizeMax: number;
  /** A stream whose handler has more to send may do so. */
  readonly onReady: (stream: DirectStream) => void;
  /** All that waited on a stream has been sent. */
  readonly onCaughtUp: (stream: DirectStream) => void;
  /** A stream's trailers have been sent. */
  readonly onEnded: (stream: DirectStream) => void;
}

export class Sender {
  readonly #options: SenderOptions;
  readonly #output: Output;
  readonly #cursor = new MessageCursor();
  /** Streams with bytes that wait, in the order in which they go on. Lists, not sets: see StreamTable. */
  #waiting: DirectStream[] = [];
  /** Streams whose handlers have more to send, which the socket does not take now. */
  #held: DirectStream[] = [];
  /** The last streams that were reset here. */
  readonly #resets = new Set<number>();
  /** Bytes that the client takes on all streams together. */
  #window = WINDOW_SIZE_DEFAULT;
  #streamWindow = WINDOW_SIZE_DEFAULT;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#output = options.output;
  }

  /** Bytes that the client takes on a new stream. */
  get streamWindow(): number {
    return this.#streamWindow;
  }

  /** Whether the client may not know yet that the stream is over. */
  wasReset(streamId: number): boolean {
    return this.#resets.has(streamId);
  }

  send(stream: DirectStream, message: Message): void {
    const cursor = this.#cursor;
    cursor.begin(message);
    const { messageSendSizeMax } = this.#options;
    const size = cursor.left - MESSAGE_HEAD_SIZE;
    if (size > messageSendSizeMax) {
      const text = `a message of ${size} bytes is larger than ${messageSendSizeMax}`;
      return stream.fail(text, GRPC_STATUS.resourceExhausted);
    }
    if (!this.#output.isCongested && stream.waiting.size === 0) this.#sendNow(stream);
    if (cursor.left === 0) return;
    if (stream.waiting.size === 0) this.#waiting.push(stream);
    stream.waiting.append(cursor);
  }

  /** `onReady` follows once nothing waits on the stream. */
  requestReady(stream: DirectStream): void {
    stream.wantsMore = true;
    this.#tellReady(stream);
  }

  /** Ends a stream with its trailers, once nothing waits before them. */
  finish(stream: DirectStream): void {
    if (stream.waiting.size > 0 || stream.trailers === undefined) return;
    this.answer(stream.id, stream.trailers, stream.isRemoteEnded);
    this.#options.onEnded(stream);
  }

  /** Ends a stream with a header block. A client that has not ended it hears that nothing more is needed. */
  answer(streamId: number, block: Buffer, isRemoteEnded: boolean): void {
    this.#writeBlock(streamId, block, FLAG.endHeaders | FLAG.endStream);
    if (!isRemoteEnded) this.reset(streamId, ERROR_CODE.noError);
  }

  reset(streamId: number, code: number): void {
    this.#resets.add(streamId);
    if (this.#resets.size > RESETS_REMEMBERED_MAX) this.#resets.delete(this.#resets.values().next().value as number);
    this.#output.write(numberFrame(FRAME.rstStream, streamId, code));
  }

  /** Sends nothing more of it. */
  forget(stream: DirectStream): void {
    if (stream.wantsMore && this.#held.length > 0) this.#held = this.#held.filter((other) => other !== stream);
    stream.wantsMore = false;
    if (stream.waiting.size === 0) return;
    this.#waiting.splice(this.#waiting.indexOf(stream), 1);
    stream.waiting.drop();
  }

  /** The client takes more on all streams together. Throws a ConnectionError if that is more than there can be. */
  addWindow(increment: number): void {
    this.#window += increment;
    if (this.#window > WINDOW_SIZE_MAX) throw windowTooLarge();
    this.resume();
  }

  /** The client takes more on a stream; false if that is more than there can be. */
  addStreamWindow(stream: DirectStream, increment: number): boolean {
    stream.sendWindow += increment;
    if (stream.sendWindow > WINDOW_SIZE_MAX) return false;
    if (stream.waiting.size > 0) this.#goOn(stream);
    return true;
  }

  /** The client has changed what it takes on each stream. */
  setStreamWindow(size: number, streams: Iterable<DirectStream>): void {
    const change = size - this.#streamWindow;
    this.#streamWindow = size;
    for (const stream of streams) {
      stream.sendWindow += change;
      if (stream.sendWindow > WINDOW_SIZE_MAX) throw windowTooLarge();
    }
    this.resume();
  }

  /** Sends of what waits as much as is taken. */
  resume(): void {
    if (this.#waiting.length > 0) this.#sendAllWaiting();
    if (this.#held.length === 0 || this.#output.isCongested) return;
    const held = this.#held;
    this.#held = [];
    for (const stream of held) this.#tellReady(stream);
  }

  #sendAllWaiting(): void {
    const waiting = this.#waiting;
    let count = 0;
    for (; count < waiting.length && this.#window > 0 && !this.#output.isCongested; count++) {
      this.#sendWaiting(waiting[count] as DirectStream);
    }
    // A stream that went on and still waits stands behind the others now.
    const [gone, others] = [waiting.slice(0, count), waiting.slice(count)];
    this.#waiting = [...others, ...gone.filter((stream) => stream.waiting.size > 0)];
    for (const stream of gone) if (stream.waiting.size === 0) this.#catchUp(stream);
  }

  /** A handler that was told wants nothing more. While bytes wait, their end asks again. */
  #tellReady(stream: DirectStream): void {
    if (!stream.wantsMore || stream.waiting.size > 0) return;
    if (this.#output.isCongested) return void this.#held.push(stream);
    stream.wantsMore = false;
    this.#options.onReady(stream);
  }

  #goOn(stream: DirectStream): void {
    this.#sendWaiting(stream);
    if (stream.waiting.size > 0) return;
    this.#waiting.splice(this.#waiting.indexOf(stream), 1);
    this.#catchUp(stream);
  }

  #sendWaiting(stream: DirectStream): void {
    while (stream.waiting.size > 0 && !this.#output.isCongested) {
      stream.waiting.stand(this.#cursor);
      const before = this.#cursor.left;
      this.#sendNow(stream);
      const sent = before - this.#cursor.left;
      if (sent === 0) return;
      stream.waiting.pass(sent);
    }
  }

  /** Nothing waits on the stream any more. */
  #catchUp(stream: DirectStream): void {
    this.finish(stream);
    this.#tellReady(stream);
    this.#options.onCaughtUp(stream);
  }

  /** Sends of the cursor's bytes as many as the windows let through. */
  #sendNow(stream: DirectStream): void {
    if (!stream.hasHead) {
      stream.hasHead = true;
      this.#writeBlock(stream.id, RESPONSE_HEAD, FLAG.endHeaders);
    }
    const output = this.#output;
    let left = Math.min(this.#cursor.left, stream.sendWindow, this.#window);
    if (left <= 0) return;
    stream.sendWindow -= left;
    this.#window -= left;
    while (left > 0) {
      const size = Math.min(left, FRAME_PAYLOAD_SIZE_MAX);
      const at = output.reserve(FRAME_HEAD_SIZE + size);
      writeFrameHead(output.bytes, at, size, FRAME.data, 0, stream.id);
      this.#cursor.copy(output.bytes, at + FRAME_HEAD_SIZE, size);
      left -= size;
    }
  }

  #writeBlock(streamId: number, block: Buffer, flags: number): void {
    const output = this.#output;
    const at = output.reserve(FRAME_HEAD_SIZE + block.length);
    writeFrameHead(output.bytes, at, block.length, FRAME.headers, flags, streamId);
    output.bytes.set(block, at + FRAME_HEAD_SIZE);
  }
}

function windowTooLarge(): ConnectionError {
  return new ConnectionError(ERROR_CODE.flowControlError, "a flow-control window is too large");
}
