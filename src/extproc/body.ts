/** Sends a body that lies in pieces, in messages of a size that proxies take: as views, so that it is never joined. */
import type { Phase } from "../wire/ext-proc/response-encoder.ts";
import { encodeStreamedBody } from "../wire/ext-proc/streamed-body-encoder.ts";
import type { ExtProcStream } from "./transport/transport.ts";

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

/** Sends the body in as few messages as it takes, at least one. */
export function sendBody(stream: ExtProcStream, phase: Phase, pieces: readonly Buffer[], endOfStream: boolean): void {
  if (sizeOf(pieces) <= BODY_ANSWER_SIZE_MAX) return stream.send(encodeStreamedBody(phase, pieces, endOfStream));
  const groups = cutBody(pieces);
  for (const [index, group] of groups.entries()) {
    stream.send(encodeStreamedBody(phase, group, endOfStream && index === groups.length - 1));
  }
}

export function sizeOf(pieces: readonly Buffer[]): number {
  let size = 0;
  for (const piece of pieces) size += piece.length;
  return size;
}
