/** A body in the pieces in which it arrived, and the pieces in which it leaves: it is never joined. */

/** Pieces below this are small: what keeps one in memory is as much as the piece itself. */
const SMALL_PIECE_SIZE = 1_024;

/**
 * Adds the piece that came next. Small pieces in a row are copied together, so that a body takes no more memory the
 * smaller the pieces are in which a client sends it.
 */
export function appendPiece(pieces: Buffer[], piece: Buffer): void {
  const last = pieces.at(-1);
  if (last === undefined) pieces.push(piece);
  else if (last.length + piece.length <= SMALL_PIECE_SIZE) pieces[pieces.length - 1] = Buffer.concat([last, piece]);
  else if (piece.length > 0) pieces.push(piece);
}

/** Bytes of one body answer. Envoy takes frames of up to 64 KiB; the Go picker keeps below by this much. */
export const BODY_ANSWER_SIZE_MAX = 62_000;

/**
 * Groups of views whose sizes add up to at most `sizeMax` each, in order; only the last is smaller. One empty group for
 * an empty body.
 */
export function cutBody(pieces: readonly Buffer[], sizeMax: number = BODY_ANSWER_SIZE_MAX): Buffer[][] {
  const groups: Buffer[][] = [];
  let group: Buffer[] = [];
  let room = sizeMax;
  for (const piece of pieces) {
    let start = 0;
    while (start < piece.length) {
      const end = Math.min(start + room, piece.length);
      group.push(start === 0 && end === piece.length ? piece : piece.subarray(start, end));
      room -= end - start;
      start = end;
      if (room > 0) continue;
      groups.push(group);
      group = [];
      room = sizeMax;
    }
  }
  if (group.length > 0 || groups.length === 0) groups.push(group);
  return groups;
}
