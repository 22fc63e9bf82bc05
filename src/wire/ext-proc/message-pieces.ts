/**
 * Decodes a large ProcessingRequest from pieces that are cut anywhere, without putting its body together: the bytes of
 * a request body are given back as they come, the few bytes behind it are kept and decoded at the end.
 *
 *   ├─ 22 ─┬─ size ─┬─ 0a ─┬─ size ─┼─ body ───────────────┼─ end_of_stream … ─┼─ metadata_context, attributes … ─┤
 *    request_body     body            passed on in pieces     kept                kept
 *
 * So begins each large message of a proxy: members and fields in the order of their numbers, in the shortest encoding.
 * A message that begins otherwise, which may be right all the same, is kept and decoded as a whole.
 */
import { ProtobufReader, WIRE_LENGTH } from "../protobuf/reader.ts";
import { ProtobufWriter } from "../protobuf/writer.ts";
import { WireError } from "../wire-error.ts";
import { HTTP_BODY, PROCESSING_REQUEST } from "./fields.ts";
import { decodeProcessingRequest, type ProcessingRequest } from "./request-decoder.ts";

/** Bytes behind a body that is passed on: attributes and metadata. Envoy sends what its configuration names. */
export const MESSAGE_REST_SIZE_MAX: number = 1024 * 1024;

/** What a kept message gets at first. It doubles up to the message's size, so that a size alone takes no memory. */
const KEPT_SIZE_FIRST = 16_384;

const REQUEST_BODY_TAG = PROCESSING_REQUEST.requestBody * 8 + WIRE_LENGTH;
const BODY_TAG = HTTP_BODY.body * 8 + WIRE_LENGTH;
/** A size takes up to so many bytes in its shortest encoding. */
const SIZE_BYTES_MAX = 5;
/** Tag and size of the member around the rest of a body message. */
const REST_HEAD_SIZE = 1 + SIZE_BYTES_MAX;

/** What the next byte belongs to. `whole`: to a message that is kept. */
type Part = "member tag" | "member size" | "body tag" | "body size" | "passed" | "whole";

/** For one message after the other. */
export class MessagePieces {
  #part: Part = "member tag";
  /** Bytes of the message, and those of them that have come. */
  #size = 0;
  #position = 0;
  /** Where the member ends, and the body in it. */
  #memberEnd = 0;
  #bodyEnd = 0;
  /** The size that is being read: its bits so far, and how many bytes they took. */
  #number = 0;
  #numberBytes = 0;
  /** Bytes that are not passed on. */
  #kept: Buffer = NO_BYTES;
  #keptSize = 0;

  /**
   * Takes the next bytes of a message, of which `left` more come. Returns those of them that are bytes of a request
   * body, as a view. Throws `WireError` as soon as the message cannot become right; it is not to go on then.
   */
  push(bytes: Buffer, left: number): Buffer {
    if (this.#position === 0) this.#size = bytes.length + left;
    let at = 0;
    while (at < bytes.length && this.#part !== "passed" && this.#part !== "whole") {
      this.#position++;
      this.#readHead(bytes[at++] as number);
    }
    if (this.#part === "passed") return this.#pass(bytes, at);
    this.#position += bytes.length - at;
    this.#keep(bytes, this.#size);
    return NO_BYTES;
  }

  /** The message, once all its bytes have come. Where a body was passed on, the body that it has here is empty. */
  finish(): ProcessingRequest {
    const kept = this.#kept.subarray(0, this.#keptSize);
    const message = this.#part === "passed" ? aroundRest(kept, this.#memberEnd - this.#bodyEnd) : kept;
    this.#part = "member tag";
    this.#position = 0;
    this.#kept = NO_BYTES;
    this.#keptSize = 0;
    return decodeProcessingRequest(message);
  }

  /** Takes the next byte of the head, which decides in the end whether the body behind it can be passed on. */
  #readHead(byte: number): void {
    if (this.#part === "member tag") this.#beginSize(byte === REQUEST_BODY_TAG ? "member size" : "whole");
    else if (this.#part === "body tag") this.#beginSize(byte === BODY_TAG ? "body size" : "whole");
    else {
      this.#number += (byte & 0x7f) * 128 ** this.#numberBytes++;
      if (byte < 0x80) this.#endSize();
      else if (this.#numberBytes === SIZE_BYTES_MAX) this.#part = "whole";
    }
  }

  #beginSize(part: Part): void {
    this.#part = part;
    this.#number = 0;
    this.#numberBytes = 0;
  }

  #endSize(): void {
    const end = this.#position + this.#number;
    if (this.#number === 0) this.#part = "whole";
    else if (this.#part === "member size") {
      this.#checkEnd(end, this.#size);
      this.#memberEnd = end;
      this.#part = "body tag";
    } else {
      this.#checkEnd(end, this.#memberEnd);
      if (this.#size - end > MESSAGE_REST_SIZE_MAX) {
        throw new WireError("limit", `more than ${MESSAGE_REST_SIZE_MAX} bytes follow a body`);
      }
      this.#bodyEnd = end;
      this.#part = "passed";
      this.#keptSize = 0;
    }
  }

  #checkEnd(end: number, outerEnd: number): void {
    if (end <= outerEnd) return;
    throw new WireError("truncated", `a field of ${this.#number} bytes ends after its message`);
  }

  /** The bytes from `at` on: those of the body are passed on, those behind it are kept. */
  #pass(bytes: Buffer, at: number): Buffer {
    const end = Math.min(at + Math.max(0, this.#bodyEnd - this.#position), bytes.length);
    this.#position += bytes.length - at;
    if (end < bytes.length) this.#keep(bytes.subarray(end), this.#size - this.#bodyEnd);
    return at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end);
  }

  /** Of a whole of `sizeMax` bytes. */
  #keep(bytes: Buffer, sizeMax: number): void {
    const size = this.#keptSize + bytes.length;
    if (size > this.#kept.length) {
      const larger = Buffer.allocUnsafe(Math.min(sizeMax, Math.max(KEPT_SIZE_FIRST, 2 * size)));
      larger.set(this.#kept.subarray(0, this.#keptSize));
      this.#kept = larger;
    }
    this.#kept.set(bytes, this.#keptSize);
    this.#keptSize = size;
  }
}

/**
 * A message of what lay around a body: `restSize` bytes of the member, then what followed it. What would replace the
 * body, which has left, throws: no proxy sends that.
 */
function aroundRest(kept: Buffer, restSize: number): Buffer {
  const member = new ProtobufReader(kept, 0, restSize);
  while (member.nextField()) {
    if (member.field === HTTP_BODY.body) throw new WireError("repeated", "a message has two bodies");
    member.skipField();
  }
  const message = new ProtobufReader(kept, restSize);
  while (message.nextField()) {
    if (message.field >= PROCESSING_REQUEST.requestHeaders && message.field <= PROCESSING_REQUEST.responseTrailers) {
      throw new WireError("repeated", "another member follows a body");
    }
    message.skipField();
  }
  const writer = new ProtobufWriter(REST_HEAD_SIZE + kept.length);
  writer.raw(kept.subarray(restSize));
  const end = writer.size;
  writer.raw(kept.subarray(0, restSize));
  writer.message(PROCESSING_REQUEST.requestBody, end);
  return writer.finish();
}

const NO_BYTES: Buffer = Buffer.alloc(0);
