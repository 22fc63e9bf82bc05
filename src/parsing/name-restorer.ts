/**
 * Puts the model's name that the client asked for back into a response whose request was sent on under another name.
 * Works on bytes as they stream: what may be the beginning of the name at the end of a piece is held back until the
 * next one.
 */

export class NameRestorer {
  readonly #replacements: readonly { readonly from: Buffer; readonly to: Buffer }[];
  readonly #longest: number;
  #held: Buffer = Buffer.alloc(0);

  /** `sent` is the name in the response, `asked` the one to be seen by the client. */
  constructor(sent: string, asked: string) {
    this.#replacements = ['"model":', '"model": '].map((key) => ({
      from: Buffer.from(key + JSON.stringify(sent)),
      to: Buffer.from(key + JSON.stringify(asked)),
    }));
    this.#longest = Math.max(...this.#replacements.map(({ from }) => from.length));
  }

  /** The bytes that can be sent on now. With `isLast` nothing is held back. */
  push(piece: Buffer, isLast: boolean): Buffer[] {
    const bytes = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece]);
    const restored: Buffer[] = [];
    let start = 0;
    for (let found = this.#findNext(bytes, 0); found !== undefined; found = this.#findNext(bytes, start)) {
      restored.push(bytes.subarray(start, found.at), found.to);
      start = found.end;
    }
    const heldFrom = isLast ? bytes.length : Math.max(start, this.#beginsAt(bytes, start));
    restored.push(bytes.subarray(start, heldFrom));
    this.#held = Buffer.from(bytes.subarray(heldFrom));
    return restored.filter(({ length }) => length > 0);
  }

  #findNext(bytes: Buffer, from: number): { at: number; end: number; to: Buffer } | undefined {
    let next: { at: number; end: number; to: Buffer } | undefined;
    for (const { from: pattern, to } of this.#replacements) {
      const at = bytes.indexOf(pattern, from);
      if (at < 0 || (next !== undefined && next.at <= at)) continue;
      next = { at, end: at + pattern.length, to };
    }
    return next;
  }

  /** Where the longest suffix begins that one of the patterns could begin with; the end when there is none. */
  #beginsAt(bytes: Buffer, from: number): number {
    for (let at = Math.max(from, bytes.length - this.#longest + 1); at < bytes.length; at++) {
      if (this.#replacements.some(({ from: pattern }) => isPrefix(bytes.subarray(at), pattern))) return at;
    }
    return bytes.length;
  }
}

function isPrefix(bytes: Buffer, pattern: Buffer): boolean {
  return bytes.length < pattern.length && pattern.subarray(0, bytes.length).equals(bytes);
}
