/**
 * One gRPC call on an HTTP/2 stream: what its handler hears, and what it has sent that the peer does not take yet.
 *
 *   open ─► ended above (`end`, `fail`, cancelled) ─► trailers sent, or reset ─► gone
 *
 * The handler is told once that the stream is over, and hears nothing after. The stream itself goes on until what was
 * sent before has left.
 */
import type { Timer } from "../../../base/clock.ts";
import {
  type CloseReason,
  GRPC_STATUS,
  type GrpcCall,
  type GrpcHandler,
  type Message,
  type OpenGrpcCall,
} from "../../../platform/grpc-call.ts";
import { statusTrailers } from "./answer-heads.ts";
import { MessageReader } from "./message-reader.ts";

/** What a stream needs of its connection. */
export interface StreamOwner {
  sendMessage(stream: DirectStream, message: Message): void;
  /** Sends the trailers once nothing is pending before them. */
  sendTrailers(stream: DirectStream): void;
  /** The handler has heard its last. */
  onClosedAbove(stream: DirectStream): void;
}

/** Bytes that wait for the peer; from there on its own bytes are not taken either. */
export const PENDING_SIZE_MAX: number = 256 * 1024;

export class DirectStream implements GrpcCall, GrpcHandler {
  readonly id: number;
  readonly reader: MessageReader;
  /** Bytes that the peer takes; below 0 after its settings made windows smaller. */
  sendWindow: number;
  /** Bytes that the peer may send. */
  receiveWindow: number;
  /** Bytes received of which the peer does not know yet that they were taken. */
  uncredited = 0;
  /** The response's head was sent. */
  hasHead = false;
  /** The peer sends nothing more. */
  isRemoteEnded = false;
  deadline: Timer | undefined;
  /** What is still to be sent, in order. */
  readonly pending: Buffer[] = [];
  /** Bytes of the first of them that are sent. */
  pendingOffset = 0;
  pendingSize = 0;
  /** Header block that ends the stream, once that is decided. */
  trailers: Buffer | undefined;
  readonly #owner: StreamOwner;
  readonly #handler: GrpcHandler;
  #isOpen = true;

  constructor(
    id: number,
    options: {
      readonly owner: StreamOwner;
      readonly open: OpenGrpcCall;
      readonly sendWindow: number;
      readonly receiveWindow: number;
      readonly messageSizeMax: number;
    },
  ) {
    this.id = id;
    this.reader = new MessageReader(options.messageSizeMax);
    this.sendWindow = options.sendWindow;
    this.receiveWindow = options.receiveWindow;
    this.#owner = options.owner;
    this.#handler = options.open(this);
  }

  send(message: Message): void {
    if (this.#isOpen) this.#owner.sendMessage(this, message);
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

  /** The peer sends nothing more. */
  onHalfClose(): void {
    if (this.#isOpen) this.#handler.onHalfClose();
  }

  /** Tells the handler that the stream is over; does nothing when it knows. */
  onClose(reason: CloseReason): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.deadline?.cancel();
    this.#handler.onClose(reason);
    this.#owner.onClosedAbove(this);
  }

  #finish(code: number, message: string): void {
    if (!this.#isOpen) return;
    const hasHead = this.hasHead || this.pendingSize > 0;
    this.trailers = statusTrailers(code, message, hasHead);
    this.#owner.sendTrailers(this);
    this.onClose("ended");
  }
}
