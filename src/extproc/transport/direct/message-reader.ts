/**
 * Cuts a stream's DATA into gRPC messages:
 *
 *   0            1        5
 *   ├────────────┼────────┼─────────┤
 *   │ compressed │ size   │ message │
 *   └────────────┴────────┴─────────┘
 *
 * A message that lies in one piece is given as it lies. A small one that was cut is put together; a large one is given
 * piece by piece as it comes.
 */
import type { GrpcHandler } from "../../../platform/grpc-call.ts";

export const MESSAGE_HEAD_SIZE = 5;

/** A message up to this size is put together: headers, and pieces of responses. */
export const ASSEMBLED_SIZE_MAX = 4_096;

/** Why a stream's messages cannot be read. */
export type MessageFault = "compressed" | "too-large";

export class MessageReader {
  readonly #sizeMax: number;
  /** Bytes of the head that have come. */
  #headSize = 0;
  #isCompressed = false;
  #size = 0;
  /** Bytes of the message that are still to come. */
  #left = 0;
  #assembled: Buffer | undefined;

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  /** The stream ends between two messages. */
  get isBetweenMessages(): boolean {
    return this.#headSize === 0;
  }

  /** Size of the message at hand, as its head says. */
  get size(): number {
    return this.#size;
  }

  /** Takes bytes `start` … `end`. After a fault it is of no use. */
  push(bytes: Buffer, start: number, end: number, handler: GrpcHandler): MessageFault | undefined {
    let at = start;
    while (at < end) {
      if (this.#headSize < MESSAGE_HEAD_SIZE) {
        at = this.#readHead(bytes, at, end);
        if (this.#headSize < MESSAGE_HEAD_SIZE) return undefined;
        if (this.#isCompressed) return "compressed";
        if (this.#size > this.#sizeMax) return "too-large";
        this.#left = this.#size;
        if (this.#size > 0 && at === end) return undefined;
      }
      at = this.#readMessage(bytes, at, end, handler);
    }
    return undefined;
  }

  #readHead(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && this.#headSize < MESSAGE_HEAD_SIZE) {
      const byte = bytes[at] as number;
      if (this.#headSize === 0) {
        this.#isCompressed = byte !== 0;
        this.#size = 0;
      } else this.#size = this.#size * 256 + byte;
      this.#headSize++;
      at++;
    }
    return at;
  }

  #readMessage(bytes: Buffer, start: number, end: number, handler: GrpcHandler): number {
    const pieceEnd = Math.min(end, start + this.#left);
    this.#left -= pieceEnd - start;
    if (this.#left === 0) this.#headSize = 0;
    if (pieceEnd - start === this.#size) handler.onMessage(bytes.subarray(start, pieceEnd));
    else if (this.#size <= ASSEMBLED_SIZE_MAX) this.#assemble(bytes, start, pieceEnd, handler);
    else handler.onMessagePiece(bytes.subarray(start, pieceEnd), this.#left);
    return pieceEnd;
  }

  #assemble(bytes: Buffer, start: number, end: number, handler: GrpcHandler): void {
    this.#assembled ??= Buffer.allocUnsafe(this.#size);
    bytes.copy(this.#assembled, this.#size - this.#left - (end - start), start, end);
    if (this.#left > 0) return;
    const message = this.#assembled;
    this.#assembled = undefined;
    handler.onMessage(message);
  }
}
