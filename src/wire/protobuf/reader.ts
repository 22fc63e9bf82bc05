/**
 * Reads protobuf fields from bytes, in place: no copies, no objects per field. A message is a loop over `nextField`;
 * an embedded message is the same loop between `enter` and `leave`. Unknown fields are skipped by `skipField`.
 *
 *   while (reader.nextField()) {
 *     if (reader.field === 1) name = reader.readString();
 *     else reader.skipField();
 *   }
 *
 * Every read is checked against the end of the innermost message. What breaks the format throws `WireError`.
 */
import { WireError } from "../wire-error.ts";

export const WIRE_VARINT = 0;
export const WIRE_FIXED64 = 1;
export const WIRE_LENGTH = 2;
const WIRE_FIXED32 = 5;

/** A varint carries 7 bits per byte, and 64 bits at most. */
const VARINT_SIZE_MAX = 10;

export class ProtobufReader {
  readonly bytes: Buffer;
  /** Offset of the next byte to read. */
  position: number;
  /** Offset behind the innermost message entered. */
  end: number;
  /** Number of the field that `nextField` found. */
  field = 0;
  /** Its encoding: one of the four WIRE_… constants. */
  wireType = 0;

  constructor(bytes: Buffer, start = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
  }

  /** Reads the next field's number and encoding. False at the end of the message. */
  nextField(): boolean {
    if (this.position >= this.end) return false;
    const tag = this.#readVarint();
    if (tag < 8 || tag > 0xffff_ffff) throw new WireError("field-number", `field tag ${tag} has no valid number`);
    this.field = tag >>> 3;
    this.wireType = tag & 7;
    if (!isKnownWireType(this.wireType)) {
      throw new WireError("wire-type", `field ${this.field} has wire type ${this.wireType}`);
    }
    return true;
  }

  /** Moves behind the current field, whatever it holds. */
  skipField(): void {
    if (this.wireType === WIRE_VARINT) this.#readVarint();
    else if (this.wireType === WIRE_LENGTH) this.position = this.readRange();
    else this.#advance(this.wireType === WIRE_FIXED64 ? 8 : 4);
  }

  readBool(): boolean {
    this.#expect(WIRE_VARINT);
    return this.#readVarint() !== 0;
  }

  /** An enum or uint32: 0 … 2^32 − 1. A larger number, which a negative enum would be, becomes the largest. */
  readUint32(): number {
    this.#expect(WIRE_VARINT);
    return Math.min(this.#readVarint(), 0xffff_ffff);
  }

  readDouble(): number {
    this.#expect(WIRE_FIXED64);
    const start = this.position;
    this.#advance(8);
    return this.bytes.readDoubleLE(start);
  }

  /** Reads the length of the current field and returns the offset of its end; `position` is then its start. */
  readRange(): number {
    this.#expect(WIRE_LENGTH);
    const size = this.#readVarint();
    const end = this.position + size;
    if (end > this.end) throw new WireError("truncated", `field ${this.field} of ${size} bytes ends after its message`);
    return end;
  }

  /** A view of the current field: it shares the message's memory. */
  readBytes(): Buffer {
    const end = this.readRange();
    const start = this.position;
    this.position = end;
    return this.bytes.subarray(start, end);
  }

  /** Bytes that are not UTF-8 become U+FFFD. */
  readString(): string {
    const end = this.readRange();
    const start = this.position;
    this.position = end;
    return this.bytes.toString("utf8", start, end);
  }

  /** Starts reading the embedded message that is the current field. Returns what `leave` needs. */
  enter(): number {
    const outerEnd = this.end;
    this.end = this.readRange();
    return outerEnd;
  }

  /** Continues behind the embedded message. */
  leave(outerEnd: number): void {
    this.position = this.end;
    this.end = outerEnd;
  }

  /** What `read` makes of the embedded message that is the current field. */
  inside<T>(read: (reader: ProtobufReader) => T): T {
    const outerEnd = this.enter();
    const value = read(this);
    this.leave(outerEnd);
    return value;
  }

  #expect(wireType: number): void {
    if (this.wireType === wireType) return;
    throw new WireError("wire-type", `field ${this.field} has wire type ${this.wireType} instead of ${wireType}`);
  }

  #advance(size: number): void {
    if (this.position + size > this.end) throw new WireError("truncated", `field ${this.field} ends after its message`);
    this.position += size;
  }

  /** The next varint as a double: exact to 2^53, and nothing that is read here may be larger. */
  #readVarint(): number {
    // Nine in ten numbers of a message have one byte.
    if (this.position < this.end) {
      const byte = this.bytes[this.position] as number;
      if (byte < 0x80) {
        this.position++;
        return byte;
      }
    }
    return this.#readLongVarint();
  }

  #readLongVarint(): number {
    const { bytes, end } = this;
    let value = 0;
    let scale = 1;
    for (let index = 0; index < VARINT_SIZE_MAX; index++) {
      if (this.position >= end) throw new WireError("truncated", "a number ends after its message");
      const byte = bytes[this.position++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        // The tenth byte holds bit 63 alone.
        if (index === VARINT_SIZE_MAX - 1 && byte > 1) break;
        return value;
      }
      scale *= 128;
    }
    throw new WireError("varint-overflow", "a number has more than 64 bits");
  }
}

/** Over the same memory where it is no Buffer yet. */
export function bufferOver(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Groups (3 and 4) are not used by any message here and nest without a length, so they are refused. */
function isKnownWireType(wireType: number): boolean {
  return wireType <= WIRE_LENGTH || wireType === WIRE_FIXED32;
}
