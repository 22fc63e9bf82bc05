/**
 * Counts server-sent events in a stream that is cut anywhere: lines that begin with `data:`, but for the closing
 * `[DONE]`. Nothing is kept of a piece but how much of a mark its end matches.
 */

/** The line that is no event. What it begins with, up to the colon, is the mark of one that is. */
const DONE = Buffer.from("\ndata: [DONE]");
const MARK_SIZE = "\ndata:".length;

export class EventCounter {
  #count = 0;
  /** Leading bytes of DONE that the stream ends with. A stream begins as if after a line end. */
  #matched = 1;

  get count(): number {
    return this.#count;
  }

  push(piece: Buffer): void {
    const { length } = piece;
    if (length === 0) return;
    let at = this.#matched === 0 ? 0 : this.#continue(piece, 0);
    // A mark has its line end at its beginning only: where it breaks off, none of what matched can begin another.
    while (at < length) {
      const lineEnd = piece.indexOf(LINE_END, at);
      if (lineEnd < 0) return;
      this.#matched = 1;
      at = this.#continue(piece, lineEnd + 1);
    }
  }

  /** Compares from `from` on while the mark goes on. Returns where it broke off, which may be the end of the piece. */
  #continue(piece: Buffer, from: number): number {
    let matched = this.#matched;
    let at = from;
    while (at < piece.length && piece[at] === DONE[matched]) {
      at++;
      matched++;
      if (matched === MARK_SIZE) this.#count++;
      if (matched < DONE.length) continue;
      this.#count--;
      matched = 0;
      break;
    }
    // At the end of the piece the mark may go on in the next one.
    this.#matched = at < piece.length ? 0 : matched;
    return at;
  }
}

const LINE_END = 0x0a;
