/** Walks over the bytes of an outgoing message: its gRPC head, then the pieces in which it lies. */
import type { Message } from "../../../platform/grpc-call.ts";
import { MESSAGE_HEAD_SIZE } from "./message-reader.ts";

/** One per connection, used for one message after the other. */
export class MessageCursor {
  readonly #head = Buffer.alloc(MESSAGE_HEAD_SIZE);
  /** Holds a message that is one piece. */
  readonly #one: Buffer[] = [this.#head];
  #pieces: readonly Buffer[] = this.#one;
  #piece: Buffer = this.#head;
  #index = 0;
  #offset = 0;
  #left = 0;

  /** Bytes that are still to be copied. */
  get left(): number {
    return this.#left;
  }

  /** Stands before a message's gRPC head. */
  begin(message: Message): void {
    const size = message instanceof Uint8Array ? message.length : sizeOf(message);
    this.#head.writeUInt32BE(size, 1);
    this.#stand(this.#head, 0, MESSAGE_HEAD_SIZE + size);
    if (message instanceof Uint8Array) this.#one[0] = message;
    this.#pieces = message instanceof Uint8Array ? this.#one : message;
  }

  /** Stands before bytes `start` … `end`, which begin with a gRPC head or go on behind one. */
  resume(bytes: Buffer, start: number, end: number): void {
    this.#stand(bytes, start, end - start);
  }

  /** Copies the next `size` bytes, at most `left`. */
  copy(target: Buffer, at: number, size: number): void {
    let done = 0;
    while (done < size) {
      if (this.#offset === this.#piece.length) this.#next();
      const count = Math.min(size - done, this.#piece.length - this.#offset);
      this.#piece.copy(target, at + done, this.#offset, this.#offset + count);
      this.#offset += count;
      done += count;
    }
    this.#left -= size;
  }

  #stand(piece: Buffer, offset: number, left: number): void {
    this.#piece = piece;
    this.#offset = offset;
    this.#index = 0;
    this.#left = left;
  }

  #next(): void {
    this.#piece = this.#pieces[this.#index] as Buffer;
    this.#index++;
    this.#offset = 0;
  }
}

function sizeOf(pieces: readonly Buffer[]): number {
  let size = 0;
  for (const piece of pieces) size += piece.length;
  return size;
}
