/** Replaces a span of a body that lies in pieces; no byte outside of the span is copied. */

/** The pieces with bytes `start` … `end` (offsets in the whole body) replaced. */
export function spliceBody(pieces: readonly Buffer[], start: number, end: number, replacement: Buffer): Buffer[] {
  const spliced: Buffer[] = [];
  let offset = 0;
  let isReplaced = false;
  for (const piece of pieces) {
    const pieceEnd = offset + piece.length;
    if (offset < start) spliced.push(piece.subarray(0, start - offset));
    if (!isReplaced && pieceEnd >= start) {
      spliced.push(replacement);
      isReplaced = true;
    }
    if (pieceEnd > end) spliced.push(piece.subarray(Math.max(0, end - offset)));
    offset = pieceEnd;
  }
  return spliced.filter((piece) => piece.length > 0);
}
