/**
 * `google.protobuf.Struct`, the JSON object of protobuf: dynamic metadata in answers, filter metadata and attributes in
 * questions. Small by nature and read rarely, so it is decoded into plain values when asked for.
 */
import { ProtobufReader } from "../protobuf/reader.ts";
import { ProtobufWriter } from "../protobuf/writer.ts";
import { WireError } from "../wire-error.ts";
import { MAP_ENTRY } from "./fields.ts";

export type StructValue = null | number | string | boolean | readonly StructValue[] | StructObject;
/** Decoded ones have no prototype, so every key is an own key, `__proto__` too. */
export interface StructObject {
  readonly [key: string]: StructValue;
}

/** Objects and lists inside each other, the outermost included. A subset hint needs 2. */
export const STRUCT_DEPTH_MAX = 64;
/** Values of one decoded object, all levels together: a value of 4 bytes on the wire becomes some 60 in memory. */
export const STRUCT_VALUES_MAX = 10_000;

const STRUCT = { fields: 1 } as const;
const VALUE = { null: 1, number: 2, string: 3, bool: 4, struct: 5, list: 6 } as const;
const LIST_VALUE = { values: 1 } as const;

/** The bytes of a Struct message: what an encoder takes in place of the object. Keys keep their order. */
export function encodeStruct(object: StructObject): Buffer {
  const writer = new ProtobufWriter(256);
  writeStruct(writer, object);
  return writer.finish();
}

/** Writes the content of a Struct message; the caller completes the field. Throws `limit` when it is too deep. */
export function writeStruct(writer: ProtobufWriter, object: StructObject, depth = 1): void {
  assertDepth(depth);
  for (const [key, value] of Object.entries(object).reverse()) {
    const end = writer.size;
    writeValueField(writer, MAP_ENTRY.value, value, depth);
    writer.string(MAP_ENTRY.key, key);
    writer.message(STRUCT.fields, end);
  }
}

/** Decodes the Struct message that is `bytes`. */
export function decodeStruct(bytes: Buffer): StructObject {
  return readStruct(new ProtobufReader(bytes), { valuesLeft: STRUCT_VALUES_MAX }, 1);
}

function writeValueField(writer: ProtobufWriter, field: number, value: StructValue, depth: number): void {
  const end = writer.size;
  if (value === null) writer.uint(VALUE.null, 0);
  else if (typeof value === "number") writer.double(VALUE.number, value);
  else if (typeof value === "string") writer.string(VALUE.string, value);
  else if (typeof value === "boolean") writer.bool(VALUE.bool, value);
  else {
    if (isList(value)) writeList(writer, value, depth + 1);
    else writeStruct(writer, value, depth + 1);
    writer.message(isList(value) ? VALUE.list : VALUE.struct, end);
  }
  writer.message(field, end);
}

function writeList(writer: ProtobufWriter, list: readonly StructValue[], depth: number): void {
  assertDepth(depth);
  for (const value of list.toReversed()) writeValueField(writer, LIST_VALUE.values, value, depth);
}

/** `Array.isArray` does not narrow read-only arrays. */
function isList(value: readonly StructValue[] | StructObject): value is readonly StructValue[] {
  return Array.isArray(value);
}

interface Budget {
  valuesLeft: number;
}

/** Reads up to the reader's end. The last of equal keys wins, as in every protobuf map. */
function readStruct(reader: ProtobufReader, budget: Budget, depth: number): StructObject {
  assertDepth(depth);
  const object = Object.create(null) as Record<string, StructValue>;
  while (reader.nextField()) {
    if (reader.field !== STRUCT.fields) {
      reader.skipField();
      continue;
    }
    const outerEnd = reader.enter();
    let key = "";
    let value: StructValue = null;
    while (reader.nextField()) {
      if (reader.field === MAP_ENTRY.key) key = reader.readString();
      else if (reader.field === MAP_ENTRY.value) value = readEmbeddedValue(reader, budget, depth);
      else reader.skipField();
    }
    reader.leave(outerEnd);
    object[key] = value;
  }
  return object;
}

function readEmbeddedValue(reader: ProtobufReader, budget: Budget, depth: number): StructValue {
  if (budget.valuesLeft-- === 0) throw new WireError("limit", `a Struct has more than ${STRUCT_VALUES_MAX} values`);
  const outerEnd = reader.enter();
  let value: StructValue = null;
  while (reader.nextField()) value = readKind(reader, budget, depth, value);
  reader.leave(outerEnd);
  return value;
}

/** The value that the current field gives; an unknown field changes nothing. */
function readKind(reader: ProtobufReader, budget: Budget, depth: number, previous: StructValue): StructValue {
  switch (reader.field) {
    case VALUE.null:
      reader.readUint32();
      return null;
    case VALUE.number:
      return reader.readDouble();
    case VALUE.string:
      return reader.readString();
    case VALUE.bool:
      return reader.readBool();
    case VALUE.struct: {
      const outerEnd = reader.enter();
      const object = readStruct(reader, budget, depth + 1);
      reader.leave(outerEnd);
      return object;
    }
    case VALUE.list: {
      const outerEnd = reader.enter();
      const list = readList(reader, budget, depth + 1);
      reader.leave(outerEnd);
      return list;
    }
    default:
      reader.skipField();
      return previous;
  }
}

function readList(reader: ProtobufReader, budget: Budget, depth: number): StructValue[] {
  assertDepth(depth);
  const list: StructValue[] = [];
  while (reader.nextField()) {
    if (reader.field === LIST_VALUE.values) list.push(readEmbeddedValue(reader, budget, depth));
    else reader.skipField();
  }
  return list;
}

function assertDepth(depth: number): void {
  if (depth > STRUCT_DEPTH_MAX) throw new WireError("limit", `a Struct is nested more than ${STRUCT_DEPTH_MAX} levels`);
}
