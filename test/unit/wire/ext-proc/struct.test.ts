import { describe, expect, it } from "vitest";
import {
  decodeStruct,
  encodeStruct,
  STRUCT_DEPTH_MAX,
  STRUCT_VALUES_MAX,
  type StructObject,
  type StructValue,
} from "../../../../src/wire/ext-proc/struct.ts";
import { ProtobufWriter } from "../../../../src/wire/protobuf/writer.ts";
import { WireError } from "../../../../src/wire/wire-error.ts";

/** An object with `levels` objects (or lists) in each other, itself included. */
function nested(levels: number, wrap: (inner: StructValue) => StructValue): StructObject {
  let value: StructValue = 1;
  for (let level = 1; level < levels; level++) value = wrap(value);
  return { key: value };
}

describe("a Struct", () => {
  it("keeps `__proto__` as a key of its own", () => {
    const entry = JSON.parse('{"__proto__":{"isAdmin":true}}') as StructObject;
    const decoded = decodeStruct(encodeStruct(entry));
    expect(Object.keys(decoded)).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf(decoded)).toBeNull();
  });

  it("takes the last of equal keys", () => {
    const twice = Buffer.concat([encodeStruct({ key: 1 }), encodeStruct({ key: "last" })]);
    expect(decodeStruct(twice)).toEqual({ key: "last" });
  });

  it("reads an entry without a value as null and one without a key as the empty key", () => {
    expect(decodeStruct(Buffer.from([0x0a, 3, 0x0a, 1, 0x61]))).toEqual({ a: null });
    expect(decodeStruct(Buffer.from([0x0a, 0]))).toEqual({ "": null });
  });

  it.each<[what: string, wrap: (inner: StructValue) => StructValue]>([
    ["objects", (inner) => ({ key: inner })],
    ["lists", (inner) => [inner]],
  ])(`holds ${STRUCT_DEPTH_MAX} %s in each other and no more`, (_, wrap) => {
    const deepest = nested(STRUCT_DEPTH_MAX, wrap);
    expect(decodeStruct(encodeStruct(deepest))).toEqual(deepest);
    expect(() => encodeStruct(nested(STRUCT_DEPTH_MAX + 1, wrap))).toThrow(WireError);
  });

  it.each([
    ["objects", 5],
    ["lists", 6],
  ])(`is refused when it comes with ${STRUCT_DEPTH_MAX + 1} %s in each other`, (_, kindField) => {
    // Written by hand, from the innermost: no encoder that respects a limit makes these.
    const wrap = (inner: Buffer, fields: readonly number[]): Buffer => {
      const writer = new ProtobufWriter(inner.length + 32);
      writer.raw(inner);
      for (const field of fields) writer.message(field, 0);
      return writer.finish();
    };
    const insides = kindField === 5 ? [2, 1, 5] : [1, 6];
    let value: Buffer = Buffer.alloc(0);
    for (let level = 1; level < STRUCT_DEPTH_MAX; level++) value = wrap(value, insides);
    expect(decodeStruct(wrap(value, [2, 1]))).toBeDefined();
    expect(() => decodeStruct(wrap(wrap(value, insides), [2, 1]))).toThrow(WireError);
  });

  it(`holds ${STRUCT_VALUES_MAX} values and no more`, () => {
    const list = new Array<null>(STRUCT_VALUES_MAX - 1).fill(null);
    expect(decodeStruct(encodeStruct({ list }))).toEqual({ list });
    expect(() => decodeStruct(encodeStruct({ list: [...list, null] }))).toThrow(WireError);
  });
});
