/**
 * Writes protobuf fields from the last to the first, so that the length of an embedded message is known when it is due:
 * each message is one pass over its parts, into one buffer.
 *
 *      free                       ◄── position
 *   ├──────────────┼──────────────────────────┤
 *   │              │ fields 1 … n, ascending  │
 *   └──────────────┴──────────────────────────┘
 *
 *   const end = writer.size;         // an embedded message: note where it ends,
 *   writer.bool(2, endOfStream);     // its fields, highest number first,
 *   writer.bytes(1, body);
 *   writer.message(3, end);          // then its own length and tag.
 *
 * Every call writes; leaving out a proto3 default is the caller's choice. Content that the caller has elsewhere, and
 * sends behind what is written here, is only counted (`elsewhere`).
 */
import { WIRE_FIXED64, WIRE_LENGTH, WIRE_VARINT } from "./reader.ts";

/** Characters up to which a loop in JavaScript wins. Header names, addresses and keys are shorter. */
const SHORT_STRING_MAX = 64;

export class ProtobufWriter {
  #buffer: Buffer;
  #position: number;
  #elsewhereSize = 0;

  /** Room for `sizeHint` bytes at first. A writer that needs more doubles its buffer. */
  constructor(sizeHint: number) {
    this.#buffer = Buffer.allocUnsafe(sizeHint);
    this.#position = sizeHint;
  }

  /** Bytes written so far, and those that lie elsewhere. */
  get size(): number {
    return this.#buffer.length - this.#position + this.#elsewhereSize;
  }

  /** The bytes written. The writer is not to be used after. */
  finish(): Buffer {
    return this.#buffer.subarray(this.#position);
  }

  bool(field: number, value: boolean): void {
    this.#varint(value ? 1 : 0);
    this.#tag(field, WIRE_VARINT);
  }

  /** An integer or enum, 0 … 2^53 − 1. */
  uint(field: number, value: number): void {
    this.#varint(value);
    this.#tag(field, WIRE_VARINT);
  }

  double(field: number, value: number): void {
    this.#reserve(8);
    this.#buffer.writeDoubleLE(value, this.#position);
    this.#tag(field, WIRE_FIXED64);
  }

  string(field: number, value: string): void {
    const end = this.size;
    if (value.length > SHORT_STRING_MAX || !this.#shortAscii(value)) {
      const size = Buffer.byteLength(value);
      this.#reserve(size);
      this.#buffer.write(value, this.#position, size, "utf8");
    }
    this.message(field, end);
  }

  bytes(field: number, value: Uint8Array): void {
    const end = this.size;
    this.raw(value);
    this.message(field, end);
  }

  /** Bytes without a tag: a part of a field, or a message encoded before. */
  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#buffer.set(value, this.#position);
  }

  /** Counts bytes that are sent behind all that is written here. To be called before anything is written. */
  elsewhere(size: number): void {
    this.#elsewhereSize += size;
  }

  /** Completes the length-delimited field whose content has been written since `size` was `end`. */
  message(field: number, end: number): void {
    this.#varint(this.size - end);
    this.#tag(field, WIRE_LENGTH);
  }

  #tag(field: number, wireType: number): void {
    this.#varint(field * 8 + wireType);
  }

  #varint(value: number): void {
    if (value < 0x80) {
      this.#reserve(1);
      this.#buffer[this.#position] = value;
      return;
    }
    this.#reserve(varintSize(value));
    let position = this.#position;
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[position++] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    this.#buffer[position] = rest;
  }

  /** Writes the string when it is ASCII, and nothing otherwise: two calls into C++ cost more than a short loop. */
  #shortAscii(value: string): boolean {
    this.#reserve(value.length);
    const buffer = this.#buffer;
    const position = this.#position;
    for (let index = 0; index < value.length; index++) {
      const code = value.charCodeAt(index);
      if (code >= 0x80) {
        this.#position += value.length;
        return false;
      }
      buffer[position + index] = code;
    }
    return true;
  }

  /** Moves the position `size` bytes towards the front. */
  #reserve(size: number): void {
    if (this.#position < size) this.#grow(size);
    this.#position -= size;
  }

  #grow(size: number): void {
    const used = this.#buffer.length - this.#position;
    const grown = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, used + size));
    this.#buffer.copy(grown, grown.length - used, this.#position);
    this.#position = grown.length - used;
    this.#buffer = grown;
  }
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 128)) size++;
  return size;
}
