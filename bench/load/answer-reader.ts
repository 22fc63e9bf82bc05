/**
 * Tells what a picker answers without decoding it: of each gRPC message the kind, and of a body whether it is the last
 * piece. Messages come cut anywhere. Only their first and last bytes are kept, which hold all that is asked for; a body
 * in between is passed over.
 *
 *   message   ├── head ──┼───────── body ─────────┼── tail ──┤
 *   kept      │ ≤ 512 B  │                        │ ≤ 512 B  │
 */
import {
  BODY_MUTATION,
  COMMON_RESPONSE,
  HTTP_STATUS,
  IMMEDIATE_RESPONSE,
  PART_RESPONSE,
  PROCESSING_RESPONSE,
  STREAMED_BODY_RESPONSE,
} from "../../src/wire/ext-proc/fields.ts";

/** Room for the headers' beginning, and for metadata behind a body. */
const EDGE_SIZE = 512;
const GRPC_HEAD_SIZE = 5;
const WIRE_LENGTH = 2;

/** What one message is: a field of ProcessingResponse, and what belongs to it. */
export interface AnswerHandler {
  /**
   * `field` is a value of `PROCESSING_RESPONSE`. `isEnd`: the last piece of a body. `httpStatus`: of a refusal, 0
   * otherwise.
   */
  onAnswer(field: number, isEnd: boolean, httpStatus: number): void;
  /** Not a message that a picker sends in full duplex. Nothing is read after it. */
  onUnreadable(): void;
}

export class AnswerReader {
  readonly #handler: AnswerHandler;
  /** The message's first EDGE_SIZE bytes, then its last. A message of up to both sizes is whole. */
  readonly #kept = Buffer.alloc(2 * EDGE_SIZE);
  readonly #grpcHead = Buffer.alloc(GRPC_HEAD_SIZE);
  #grpcHeadSize = 0;
  #size = 0;
  #read = 0;
  #isBroken = false;
  /** Counts streams: a handler may begin the next one while it hears of an answer. */
  #stream = 0;

  constructor(handler: AnswerHandler) {
    this.#handler = handler;
  }

  /** Forgets everything, for the next stream. */
  reset(): void {
    this.#grpcHeadSize = 0;
    this.#isBroken = false;
    this.#stream++;
  }

  push(bytes: Buffer, start: number, end: number): void {
    const stream = this.#stream;
    let at = start;
    while (at < end && !this.#isBroken && stream === this.#stream) {
      if (this.#grpcHeadSize < GRPC_HEAD_SIZE) {
        this.#grpcHead[this.#grpcHeadSize++] = bytes[at++] as number;
        if (this.#grpcHeadSize < GRPC_HEAD_SIZE) continue;
        this.#size = this.#grpcHead.readUInt32BE(1);
        this.#read = 0;
        if (this.#grpcHead[0] !== 0) return this.#break();
      }
      const taken = Math.min(end - at, this.#size - this.#read);
      this.#keep(bytes, at, taken);
      this.#read += taken;
      at += taken;
      if (this.#read === this.#size) this.#endMessage();
    }
  }

  /** Copies what of `taken` bytes from `at` lies in the message's head or tail. */
  #keep(bytes: Buffer, at: number, taken: number): void {
    const headEnd = Math.min(EDGE_SIZE, this.#read + taken);
    if (this.#read < headEnd) bytes.copy(this.#kept, this.#read, at, at + headEnd - this.#read);
    const tailStart = Math.max(EDGE_SIZE, this.#size - EDGE_SIZE);
    const from = Math.max(this.#read, tailStart);
    if (from < this.#read + taken) {
      bytes.copy(this.#kept, EDGE_SIZE + from - tailStart, at + from - this.#read, at + taken);
    }
  }

  #endMessage(): void {
    this.#grpcHeadSize = 0;
    const position = this.#varint(0);
    const field = this.#value >>> 3;
    if (position === undefined || (this.#value & 7) !== WIRE_LENGTH) return this.#break();
    const isBody = field === PROCESSING_RESPONSE.requestBody || field === PROCESSING_RESPONSE.responseBody;
    const ending = isBody ? this.#readEndOfStream(field) : false;
    if (ending === undefined) return this.#break();
    const httpStatus = field === PROCESSING_RESPONSE.immediateResponse ? this.#readHttpStatus() : 0;
    this.#handler.onAnswer(field, ending, httpStatus);
  }

  /** Whether the streamed body ends here; undefined when the message holds none, or it cannot be told. */
  #readEndOfStream(answer: number): boolean | undefined {
    let message = this.#find({ start: 0, end: this.#size }, answer);
    for (const field of PATH_TO_STREAMED_BODY) message = message && this.#find(message, field);
    const end = message && this.#findVarint(message, STREAMED_BODY_RESPONSE.endOfStream);
    return end === undefined ? undefined : end === 1;
  }

  #readHttpStatus(): number {
    const immediate = this.#find({ start: 0, end: this.#size }, PROCESSING_RESPONSE.immediateResponse);
    const status = immediate && this.#find(immediate, IMMEDIATE_RESPONSE.status);
    return (status && this.#findVarint(status, HTTP_STATUS.code)) ?? 0;
  }

  /** The length-delimited field of that number; undefined when it is not there, or lies where nothing is kept. */
  #find(message: Range, wanted: number): Range | undefined {
    let at = message.start;
    while (at < message.end) {
      const tagEnd = this.#varint(at);
      const tag = this.#value;
      const valueStart = tagEnd && this.#varint(tagEnd);
      if (valueStart === undefined) return undefined;
      const end = (tag & 7) === WIRE_LENGTH ? valueStart + this.#value : valueStart;
      if (tag === wanted * 8 + WIRE_LENGTH) return { start: valueStart, end };
      at = end;
    }
    return undefined;
  }

  /** The number in that field, 0 when it is not there; undefined when it lies where nothing is kept. */
  #findVarint(message: Range, wanted: number): number | undefined {
    let at = message.start;
    while (at < message.end) {
      const tagEnd = this.#varint(at);
      const tag = this.#value;
      const valueStart = tagEnd && this.#varint(tagEnd);
      if (valueStart === undefined) return undefined;
      if (tag === wanted * 8) return this.#value;
      at = (tag & 7) === WIRE_LENGTH ? valueStart + this.#value : valueStart;
    }
    return 0;
  }

  #value = 0;

  /** Reads a varint of up to 4 bytes into `#value`; returns where it ends, undefined when it is not kept. */
  #varint(start: number): number | undefined {
    let value = 0;
    for (let index = 0; index < 4; index++) {
      const byte = this.#byteAt(start + index);
      if (byte === undefined) return undefined;
      value |= (byte & 0x7f) << (7 * index);
      if (byte < 0x80) {
        this.#value = value;
        return start + index + 1;
      }
    }
    return undefined;
  }

  #byteAt(at: number): number | undefined {
    if (at >= this.#size) return undefined;
    if (at < EDGE_SIZE) return this.#kept[at];
    const tailStart = Math.max(EDGE_SIZE, this.#size - EDGE_SIZE);
    return at < tailStart ? undefined : this.#kept[EDGE_SIZE + at - tailStart];
  }

  #break(): void {
    this.#isBroken = true;
    this.#handler.onUnreadable();
  }
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** From a body answer to its streamed body. */
const PATH_TO_STREAMED_BODY: readonly number[] = [
  PART_RESPONSE.response,
  COMMON_RESPONSE.bodyMutation,
  BODY_MUTATION.streamedResponse,
];
