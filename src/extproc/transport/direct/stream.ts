/**
 * One gRPC call on an HTTP/2 stream: what its handler hears, and what it has sent that the peer does not take yet.
 *
 *   open ─► ended above (`end`, `fail`, cancelled) ─► trailers sent, or reset ─► gone
 *
 * The handler is told once that the stream is over, and hears nothing after. The stream itself goes on until what was
 * sent before has left.
 */
import { type Clock, TIMER_DELAY_MS_MAX, type Timer } from "../../../base/clock.ts";
import {
  type CloseReason,
  GRPC_STATUS,
  type GrpcCall,
  type GrpcHandler,
  type Message,
  type OpenGrpcCall,
} from "../../../platform/grpc-call.ts";
import type { SlabPool } from "../../slab-pool.ts";
import { statusTrailers } from "./answer-heads.ts";
import type { Backlog } from "./fair-turns.ts";
import { MessageReader } from "./message-reader.ts";
import { WaitingBytes } from "./waiting-bytes.ts";

/** What a stream needs of its connection. */
export interface StreamOwner {
  send(stream: DirectStream, message: Message): void;
  /** Calls `onReady` in a later turn, once nothing waits. */
  requestReady(stream: DirectStream): void;
  /** Sends the trailers once nothing waits before them. */
  finish(stream: DirectStream): void;
  /** The handler has heard its last. */
  onClosedAbove(): void;
}

export class DirectStream implements GrpcCall, GrpcHandler, Backlog {
  readonly id: number;
  readonly reader: MessageReader;
  /** Bytes that the peer takes; below 0 after its settings made windows smaller. */
  sendWindow: number;
  /** Bytes that the peer may send. */
  receiveWindow: number;
  /** Bytes received of which the peer does not know yet that they were taken. */
  uncredited = 0;
  /** What the client does not take yet. */
  readonly waiting: WaitingBytes;
  /** The handler has more to send, and was not told yet that it may. */
  wantsMore = false;
  /** The response's head was sent. */
  hasHead = false;
  /** The peer sends nothing more. */
  isRemoteEnded = false;
  /** Header block that ends the stream, once that is decided. */
  trailers: Buffer | undefined;
  readonly #owner: StreamOwner;
  readonly #handler: GrpcHandler;
  #isOpen = true;
  #deadline: Timer | undefined;

  constructor(
    id: number,
    options: {
      readonly owner: StreamOwner;
      readonly open: OpenGrpcCall;
      readonly sendWindow: number;
      readonly receiveWindow: number;
      readonly messageSizeMax: number;
      readonly slabs: SlabPool;
    },
  ) {
    this.id = id;
    this.reader = new MessageReader(options.messageSizeMax);
    this.waiting = new WaitingBytes(options.slabs);
    this.sendWindow = options.sendWindow;
    this.receiveWindow = options.receiveWindow;
    this.#owner = options.owner;
    this.#handler = options.open(this);
  }

  send(message: Message): void {
    if (this.#isOpen) this.#owner.send(this, message);
  }

  requestReady(): void {
    if (this.#isOpen) this.#owner.requestReady(this);
  }

  end(): void {
    this.#finish(GRPC_STATUS.ok, "");
  }

  fail(message: string, code: number = GRPC_STATUS.unknown): void {
    this.#finish(code, message);
  }

  onMessage(message: Buffer): void {
    if (this.#isOpen) this.#handler.onMessage(message);
  }

  onMessagePiece(bytes: Buffer, left: number): void {
    if (this.#isOpen) this.#handler.onMessagePiece(bytes, left);
  }

  /** The handler was not told that the stream is over. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The peer sends nothing more. */
  onHalfClose(): void {
    if (!this.#isOpen) return;
    if (this.reader.isBetweenMessages) this.#handler.onHalfClose();
    else this.fail("the client ended the stream within a message");
  }

  onReady(): void {
    if (this.#isOpen) this.#handler.onReady?.();
  }

  /** For the turns in which a handler is told. */
  work(): boolean {
    this.onReady();
    return true;
  }

  /** Tells the handler that the stream is over; does nothing when it knows. */
  onClose(reason: CloseReason): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#deadline?.cancel();
    this.#handler.onClose(reason);
    this.#owner.onClosedAbove();
  }

  /** Ends the call with an error if it lasts longer, as the client asks. */
  limit(clock: Clock, timeoutMs: number): void {
    const onPassed = (): void => this.fail("the client's deadline has passed", GRPC_STATUS.deadlineExceeded);
    this.#deadline = clock.setTimeout(onPassed, Math.min(timeoutMs, TIMER_DELAY_MS_MAX));
  }

  #finish(code: number, message: string): void {
    if (!this.#isOpen) return;
    const hasHead = this.hasHead || this.waiting.size > 0;
    this.trailers = statusTrailers(code, message, hasHead);
    this.#owner.finish(this);
    this.onClose("ended");
  }
}
