/**
 * Headers inside a message: `HeaderBytes` is where they lie, and the functions here read them there. A request has some
 * 20 headers of which a picker wants 5, so strings are made only for those.
 *
 * A value is the bytes of `raw_value` where that is not empty, else of `value`, as UTF-8. The last header of a name
 * wins. Malformed bytes and more than HEADERS_MAX headers throw `WireError` when they are read.
 */
import { ProtobufReader } from "../protobuf/reader.ts";
import type { ProtobufWriter } from "../protobuf/writer.ts";
import { WireError } from "../wire-error.ts";
import { HEADER_MAP, HEADER_VALUE } from "./fields.ts";

/** Headers of one message. Envoy allows 100 by default; each costs 4 bytes at least. */
export const HEADERS_MAX = 10_000;

/** The range of an encoded HeaderMap. Keeps the whole message in memory while it lives. */
export class HeaderBytes {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;

  constructor(bytes: Buffer, start: number, end: number) {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
  }
}

/** A message without a HeaderMap has no headers. */
export const NO_HEADERS: HeaderBytes = new HeaderBytes(Buffer.alloc(0), 0, 0);

/** One header to be encoded. Strings become UTF-8. */
export interface HeaderPair {
  readonly name: string;
  readonly value: string | Uint8Array;
  /** Into `value` instead of `raw_value`, as agentgateway does for pseudo headers. The value is then a string. */
  readonly isInValue?: boolean;
}

/** The value of the header `name` (lower case); undefined when there is none. Upper case in the message matches too. */
export function findHeader(headers: HeaderBytes, name: string): string | undefined {
  const cursor = new HeaderCursor(headers);
  let start = -1;
  let end = -1;
  while (cursor.next()) {
    if (!cursor.hasName(name)) continue;
    start = cursor.valueStart;
    end = cursor.valueEnd;
  }
  return start < 0 ? undefined : headers.bytes.toString("utf8", start, end);
}

/** Names (lower case) to be found in one pass. Built once; `findHeaders` answers in the order given here. */
export class HeaderNames {
  readonly names: readonly string[];
  /** Positions in `names`, by length of the name. */
  readonly byLength: readonly (readonly number[])[];
  /** What is found in a message without any of them. */
  readonly none: readonly (string | undefined)[];

  constructor(names: readonly string[]) {
    const byLength: number[][] = [];
    for (const [index, name] of names.entries()) {
      while (byLength.length <= name.length) byLength.push([]);
      byLength[name.length]?.push(index);
    }
    this.names = names;
    this.byLength = byLength;
    this.none = names.map(() => undefined);
  }
}

/** The value of each wanted header, undefined where there is none. One walk over the headers, whatever the count. */
export function findHeaders(headers: HeaderBytes, wanted: HeaderNames): (string | undefined)[] {
  // Cloning is a copy of memory, filling a call into C++.
  const found = wanted.none.slice();
  const cursor = new HeaderCursor(headers);
  while (cursor.next()) {
    const candidates = wanted.byLength[cursor.nameSize];
    if (candidates === undefined) continue;
    for (const index of candidates) {
      if (!cursor.hasName(wanted.names[index] as string)) continue;
      found[index] = headers.bytes.toString("utf8", cursor.valueStart, cursor.valueEnd);
      break;
    }
  }
  return found;
}

/** Calls `visit` for each header in its order, names as they stand in the message. */
export function forEachHeader(headers: HeaderBytes, visit: (name: string, value: string) => void): void {
  const { bytes } = headers;
  const cursor = new HeaderCursor(headers);
  while (cursor.next()) {
    const name = bytes.toString("utf8", cursor.nameStart, cursor.nameStart + cursor.nameSize);
    visit(name, bytes.toString("utf8", cursor.valueStart, cursor.valueEnd));
  }
}

/** Steps from header to header. The offsets are those of the header that `next` found. */
class HeaderCursor {
  nameStart = 0;
  nameSize = 0;
  valueStart = 0;
  valueEnd = 0;
  readonly #reader: ProtobufReader;
  #count = 0;

  constructor(headers: HeaderBytes) {
    this.#reader = new ProtobufReader(headers.bytes, headers.start, headers.end);
  }

  next(): boolean {
    const reader = this.#reader;
    while (reader.nextField()) {
      if (reader.field === HEADER_MAP.headers) {
        if (++this.#count > HEADERS_MAX) throw new WireError("limit", `a message has more than ${HEADERS_MAX} headers`);
        this.#readHeader(reader);
        return true;
      }
      reader.skipField();
    }
    return false;
  }

  /** Compares with a lower-case ASCII name; the message's letters may be upper case. */
  hasName(name: string): boolean {
    if (this.nameSize !== name.length) return false;
    const { bytes } = this.#reader;
    for (let index = 0; index < name.length; index++) {
      const byte = bytes[this.nameStart + index] as number;
      const lower = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
      if (lower !== name.charCodeAt(index)) return false;
    }
    return true;
  }

  #readHeader(reader: ProtobufReader): void {
    const outerEnd = reader.enter();
    this.nameSize = 0;
    this.valueStart = reader.position;
    this.valueEnd = reader.position;
    let hasRawValue = false;
    while (reader.nextField()) {
      if (reader.field === HEADER_VALUE.key) {
        const end = reader.readRange();
        this.nameStart = reader.position;
        this.nameSize = end - reader.position;
        reader.position = end;
      } else if (reader.field === HEADER_VALUE.value || reader.field === HEADER_VALUE.rawValue) {
        const isRaw = reader.field === HEADER_VALUE.rawValue;
        const end = reader.readRange();
        if (isRaw ? end > reader.position : !hasRawValue) {
          this.valueStart = reader.position;
          this.valueEnd = end;
          hasRawValue = isRaw;
        }
        reader.position = end;
      } else reader.skipField();
    }
    reader.leave(outerEnd);
  }
}

/** Writes the content of a HeaderMap message; the caller completes the field. */
export function writeHeaderMap(writer: ProtobufWriter, headers: readonly HeaderPair[]): void {
  for (let index = headers.length - 1; index >= 0; index--) {
    const header = headers[index] as HeaderPair;
    const end = writer.size;
    writeHeaderValue(writer, header);
    writer.message(HEADER_MAP.headers, end);
  }
}

/** Writes the content of one HeaderValue message; the caller completes the field. */
export function writeHeaderValue(writer: ProtobufWriter, header: HeaderPair): void {
  const field = header.isInValue === true ? HEADER_VALUE.value : HEADER_VALUE.rawValue;
  if (header.value.length > 0) {
    if (typeof header.value === "string") writer.string(field, header.value);
    else writer.bytes(field, header.value);
  }
  if (header.name.length > 0) writer.string(HEADER_VALUE.key, header.name);
}
