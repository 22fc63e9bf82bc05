/**
 * Decodes the changes of headers in a picker's answer, and trailers it adds. Part of `response-decoder.ts`; values are
 * views into the message, since a proxy passes them on as bytes.
 */
import type { ProtobufReader } from "../protobuf/reader.ts";
import { WireError } from "../wire-error.ts";
import { BOOL_VALUE, HEADER_MAP, HEADER_MUTATION, HEADER_VALUE, HEADER_VALUE_OPTION } from "./fields.ts";
import { HEADERS_MAX } from "./header-map.ts";

export interface ReceivedHeaderMutation {
  readonly setHeaders: readonly ReceivedHeaderSetting[];
  readonly removeHeaders: readonly string[];
}

export interface ReceivedHeader {
  readonly name: string;
  /** `raw_value` where that is not empty, else `value`. */
  readonly value: Buffer;
}

export interface ReceivedHeaderSetting extends ReceivedHeader {
  readonly append: boolean | undefined;
  /** A `HEADER_APPEND_ACTION` value; 0 refers to `append`. */
  readonly appendAction: number;
  readonly keepEmptyValue: boolean;
}

export const NO_HEADER_MUTATION: ReceivedHeaderMutation = { setHeaders: [], removeHeaders: [] };

/** Reads up to the reader's end, like every function for `inside`. */
export function readHeaderMutation(reader: ProtobufReader): ReceivedHeaderMutation {
  const setHeaders: ReceivedHeaderSetting[] = [];
  const removeHeaders: string[] = [];
  while (reader.nextField()) {
    if (reader.field === HEADER_MUTATION.setHeaders) setHeaders.push(reader.inside(readHeaderSetting));
    else if (reader.field === HEADER_MUTATION.removeHeaders) removeHeaders.push(reader.readString());
    else reader.skipField();
    assertHeaderCount(setHeaders.length + removeHeaders.length);
  }
  return { setHeaders, removeHeaders };
}

function readHeaderSetting(reader: ProtobufReader): ReceivedHeaderSetting {
  let header: ReceivedHeader = { name: "", value: NO_BYTES };
  let append: boolean | undefined;
  let appendAction = 0;
  let keepEmptyValue = false;
  while (reader.nextField()) {
    if (reader.field === HEADER_VALUE_OPTION.header) header = reader.inside(readHeaderValue);
    else if (reader.field === HEADER_VALUE_OPTION.append) append = reader.inside(readBoolValue);
    else if (reader.field === HEADER_VALUE_OPTION.appendAction) appendAction = reader.readUint32();
    else if (reader.field === HEADER_VALUE_OPTION.keepEmptyValue) keepEmptyValue = reader.readBool();
    else reader.skipField();
  }
  return { ...header, append, appendAction, keepEmptyValue };
}

export function readHeaderMap(reader: ProtobufReader): ReceivedHeader[] {
  const headers: ReceivedHeader[] = [];
  while (reader.nextField()) {
    if (reader.field === HEADER_MAP.headers) headers.push(reader.inside(readHeaderValue));
    else reader.skipField();
    assertHeaderCount(headers.length);
  }
  return headers;
}

function readHeaderValue(reader: ProtobufReader): ReceivedHeader {
  let name = "";
  let value: Buffer = NO_BYTES;
  let rawValue: Buffer = NO_BYTES;
  while (reader.nextField()) {
    if (reader.field === HEADER_VALUE.key) name = reader.readString();
    else if (reader.field === HEADER_VALUE.value) value = reader.readBytes();
    else if (reader.field === HEADER_VALUE.rawValue) rawValue = reader.readBytes();
    else reader.skipField();
  }
  return { name, value: rawValue.length > 0 ? rawValue : value };
}

function readBoolValue(reader: ProtobufReader): boolean {
  let value = false;
  while (reader.nextField()) {
    if (reader.field === BOOL_VALUE.value) value = reader.readBool();
    else reader.skipField();
  }
  return value;
}

function assertHeaderCount(count: number): void {
  if (count > HEADERS_MAX) throw new WireError("limit", `a mutation has more than ${HEADERS_MAX} headers`);
}

const NO_BYTES: Buffer = Buffer.alloc(0);
