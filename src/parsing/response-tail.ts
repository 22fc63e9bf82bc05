/** Keeps the end of a response, and where a format needs it its beginning, without copying more than that. */

export class ResponseTail {
  readonly #sizeMax: number;
  /** Views of the last pieces, together at least `sizeMax` bytes once so many have come. */
  #pieces: Buffer[] = [];
  #size = 0;
  #head: Buffer | undefined;

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  push(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#head ??= piece.subarray(0, this.#sizeMax);
    this.#pieces.push(piece);
    this.#size += piece.length;
    let dropped = 0;
    for (const { length } of this.#pieces) {
      if (this.#size - length < this.#sizeMax) break;
      this.#size -= length;
      dropped++;
    }
    if (dropped > 0) this.#pieces = this.#pieces.slice(dropped);
  }

  /** The first bytes: those of the first piece, `sizeMax` at most. */
  get head(): Buffer {
    return this.#head ?? Buffer.alloc(0);
  }

  /** The last bytes, `sizeMax` at most. */
  join(): Buffer {
    const joined = this.#pieces.length === 1 ? (this.#pieces[0] as Buffer) : Buffer.concat(this.#pieces);
    return joined.subarray(Math.max(0, joined.length - this.#sizeMax));
  }
}
