/**
 * Counts server-sent events in a stream that is cut anywhere: lines that begin with `data:`, but for the closing
 * `[DONE]`.
 */

const MARK = Buffer.from("\ndata:");
const DONE = Buffer.from("\ndata: [DONE]");

export class EventCounter {
  #count = 0;
  /** The last bytes seen, too few to hold a mark. A stream begins as if after a line end. */
  #carry: Buffer = Buffer.from("\n");

  get count(): number {
    return this.#count;
  }

  push(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#countIn(piece);
    // What may begin a mark here and end in the next piece.
    const seam = Buffer.concat([this.#carry, piece.subarray(0, DONE.length - 1)]);
    this.#countSeam(seam, this.#carry.length);
    const rest = piece.length >= DONE.length - 1 ? piece : Buffer.concat([this.#carry, piece]);
    this.#carry = Buffer.from(rest.subarray(Math.max(0, rest.length - (DONE.length - 1))));
  }

  /** Marks that lie whole within the piece. */
  #countIn(piece: Buffer): void {
    for (let at = piece.indexOf(MARK); at >= 0; at = piece.indexOf(MARK, at + MARK.length)) this.#count++;
    for (let at = piece.indexOf(DONE); at >= 0; at = piece.indexOf(DONE, at + DONE.length)) this.#count--;
  }

  /** Marks that begin before `boundary` and end behind it. */
  #countSeam(seam: Buffer, boundary: number): void {
    for (const [mark, step] of [
      [MARK, 1],
      [DONE, -1],
    ] as const) {
      for (let at = seam.indexOf(mark); at >= 0 && at < boundary; at = seam.indexOf(mark, at + 1)) {
        if (at + mark.length > boundary) this.#count += step;
      }
    }
  }
}
