/**
 * Keeps the last bytes of a response in a ring: each piece is copied once, nothing is kept of the buffers that pieces
 * came in, and nothing is made per piece.
 *
 *        end of the response ─┐┌─ oldest byte kept, once the ring is full
 *   ├─────────────────────────┼┼──────────────────┤
 *    … latest piece            the pieces before …
 */

/** The buffer that a response begins with, and leaves when it is full. Most that are no streams never do. */
const FIRST_SIZE = 2_048;

export class ResponseTail {
  readonly #sizeMax: number;
  /** Made with the first byte. Smaller than `sizeMax` while all that came fits into it. */
  #ring: Buffer | undefined;
  /** Where the next byte goes. */
  #next = 0;
  #isFull = false;

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  push(piece: Buffer): void {
    const { length } = piece;
    if (length === 0) return;
    let ring =
      this.#ring ?? Buffer.allocUnsafe(length < FIRST_SIZE ? Math.min(FIRST_SIZE, this.#sizeMax) : this.#sizeMax);
    if (ring.length < this.#sizeMax && this.#next + length >= ring.length) {
      const whole = Buffer.allocUnsafe(this.#sizeMax);
      whole.set(ring.subarray(0, this.#next));
      ring = whole;
    }
    this.#ring = ring;
    this.#write(ring, piece);
  }

  /** The last bytes, `size` at most; valid until the next `push`. */
  last(size: number = this.#sizeMax): Buffer {
    const ring = this.#ring;
    if (ring === undefined) return NO_BYTES;
    if (!this.#isFull || size <= this.#next) return ring.subarray(Math.max(0, this.#next - size), this.#next);
    const before = Math.min(size, this.#sizeMax) - this.#next;
    return Buffer.concat([ring.subarray(ring.length - before), ring.subarray(0, this.#next)]);
  }

  #write(ring: Buffer, piece: Buffer): void {
    const { length } = piece;
    const room = ring.length - this.#next;
    if (length < room) {
      ring.set(piece, this.#next);
      this.#next += length;
      return;
    }
    this.#isFull = true;
    if (length >= ring.length) {
      ring.set(piece.subarray(length - ring.length));
      this.#next = 0;
      return;
    }
    ring.set(piece.subarray(0, room), this.#next);
    ring.set(piece.subarray(room));
    this.#next = length - room;
  }
}

const NO_BYTES = Buffer.alloc(0);
