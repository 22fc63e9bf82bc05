/**
 * Puts the header blocks of HEADERS and CONTINUATION frames together and decodes them, one after the other, as the
 * table of a connection needs it.
 */
import { messageOf } from "../../../base/errors.ts";
import { ERROR_CODE, FLAG, readUint31 } from "../../../wire/http2/frame.ts";
import { HpackDecoder, HpackError } from "../../../wire/http2/hpack-decoder.ts";
import { ConnectionError } from "./protocol-error.ts";
import type { RequestHead } from "./request-head.ts";

/** Header fields of one request, with 32 bytes for each; Envoy's own default is 60 KiB. */
export const HEADER_LIST_SIZE_MAX: number = 64 * 1024;
/** A header block, compressed, over all its frames. */
const BLOCK_SIZE_MAX: number = HEADER_LIST_SIZE_MAX;
/** Frames of one header block: many empty ones would keep a core busy for nothing. */
const BLOCK_FRAMES_MAX = 16;
/** A stream that this one depends on, and a weight, which nobody uses any more. */
const PRIORITY_SIZE = 5;

/** A block is whole. `fits`: all its fields were given to the head; otherwise they are too many. */
export type OnHeaders = (streamId: number, endsStream: boolean, fits: boolean) => void;

interface UnfinishedBlock {
  readonly streamId: number;
  readonly endsStream: boolean;
  readonly pieces: Buffer[];
  size: number;
}

export class HeaderBlocks {
  readonly #decoder = new HpackDecoder({ listSizeMax: HEADER_LIST_SIZE_MAX });
  readonly #head: RequestHead;
  readonly #onHeaders: OnHeaders;
  #unfinished: UnfinishedBlock | undefined;

  /** `head` holds a block's fields while `onHeaders` is called. */
  constructor(head: RequestHead, onHeaders: OnHeaders) {
    this.#head = head;
    this.#onHeaders = onHeaders;
  }

  /** Only a CONTINUATION frame may come next. */
  get isUnfinished(): boolean {
    return this.#unfinished !== undefined;
  }

  /** A HEADERS frame: its payload lies from `start` to `end`. */
  begin(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    let blockStart = start;
    let blockEnd = end;
    if ((flags & FLAG.padded) !== 0) {
      if (start === end) throw new ConnectionError(ERROR_CODE.frameSizeError, "padded HEADERS without a length");
      blockEnd -= bytes[start] as number;
      blockStart++;
    }
    if ((flags & FLAG.priority) !== 0) {
      assertDependsOnOther(streamId, bytes, blockStart);
      blockStart += PRIORITY_SIZE;
    }
    if (blockStart > blockEnd) throw new ConnectionError(ERROR_CODE.protocolError, "HEADERS smaller than its padding");
    const endsStream = (flags & FLAG.endStream) !== 0;
    if ((flags & FLAG.endHeaders) !== 0) return this.#decode(streamId, endsStream, bytes, blockStart, blockEnd);
    const first = Buffer.from(bytes.subarray(blockStart, blockEnd));
    this.#unfinished = { streamId, endsStream, pieces: [first], size: first.length };
  }

  /** A CONTINUATION frame. */
  goOn(flags: number, streamId: number, payload: Buffer): void {
    const block = this.#unfinished;
    if (block === undefined || block.streamId !== streamId) {
      throw new ConnectionError(ERROR_CODE.protocolError, "CONTINUATION of nothing");
    }
    block.pieces.push(Buffer.from(payload));
    block.size += payload.length;
    if (block.size > BLOCK_SIZE_MAX || block.pieces.length > BLOCK_FRAMES_MAX) {
      throw new ConnectionError(ERROR_CODE.enhanceYourCalm, "a header block is too large");
    }
    if ((flags & FLAG.endHeaders) === 0) return;
    this.#unfinished = undefined;
    const whole = Buffer.concat(block.pieces);
    this.#decode(streamId, block.endsStream, whole, 0, whole.length);
  }

  #decode(streamId: number, endsStream: boolean, bytes: Buffer, start: number, end: number): void {
    const head = this.#head;
    head.reset();
    let fits: boolean;
    try {
      fits = this.#decoder.decode(bytes, start, end, head.visit);
    } catch (error) {
      if (!(error instanceof HpackError)) throw error;
      throw new ConnectionError(ERROR_CODE.compressionError, messageOf(error));
    }
    this.#onHeaders(streamId, endsStream, fits);
  }
}

/** `at`: where the number of the stream stands on which this one depends. */
export function assertDependsOnOther(streamId: number, bytes: Buffer, at: number): void {
  if (at + PRIORITY_SIZE <= bytes.length && readUint31(bytes, at) === streamId) {
    throw new ConnectionError(ERROR_CODE.protocolError, `stream ${streamId} depends on itself`);
  }
}
