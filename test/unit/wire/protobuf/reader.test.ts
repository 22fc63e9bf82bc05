import { describe, expect, it } from "vitest";
import { bufferOver, ProtobufReader } from "../../../../src/wire/protobuf/reader.ts";
import { WireError, type WireErrorCode } from "../../../../src/wire/wire-error.ts";

/** Skips every field, and gives the numbers found. */
function fieldNumbers(bytes: readonly number[]): number[] {
  const reader = new ProtobufReader(Buffer.from(bytes));
  const numbers: number[] = [];
  while (reader.nextField()) {
    numbers.push(reader.field);
    reader.skipField();
  }
  return numbers;
}

function codeOf(action: () => unknown): WireErrorCode | undefined {
  try {
    action();
  } catch (error) {
    if (error instanceof WireError) return error.code;
    throw error;
  }
  return undefined;
}

describe("ProtobufReader", () => {
  it("finds fields of all four encodings", () => {
    const varint = [0x08, 0x96, 0x01];
    const fixed64 = [0x11, 1, 2, 3, 4, 5, 6, 7, 8];
    const bytes = [0x1a, 2, 0xff, 0xff];
    const fixed32 = [0x25, 1, 2, 3, 4];
    expect(fieldNumbers([...varint, ...fixed64, ...bytes, ...fixed32])).toEqual([1, 2, 3, 4]);
  });

  it("takes the largest field number", () => {
    expect(fieldNumbers([0xf8, 0xff, 0xff, 0xff, 0x0f, 0])).toEqual([2 ** 29 - 1]);
  });

  it.each<[reason: string, bytes: number[], code: WireErrorCode]>([
    ["field number 0", [0x00, 0x00], "field-number"],
    ["field number 2^29", [0x80, 0x80, 0x80, 0x80, 0x10, 0x00], "field-number"],
    ["a group's start", [0x0b], "wire-type"],
    ["a group's end", [0x0c], "wire-type"],
    ["wire type 6", [0x0e], "wire-type"],
    ["wire type 7", [0x0f], "wire-type"],
    ["a tag that ends early", [0x88], "truncated"],
    ["a tag without a value", [0x08], "truncated"],
    ["a varint that ends early", [0x08, 0x80], "truncated"],
    ["a varint of 65 bits", [0x08, ...new Array(9).fill(0xff), 0x02], "varint-overflow"],
    ["a varint of 11 bytes", [0x08, ...new Array(10).fill(0x80), 0x00], "varint-overflow"],
    ["a fixed64 that ends early", [0x09, 1, 2, 3, 4, 5, 6, 7], "truncated"],
    ["a fixed32 that ends early", [0x0d, 1, 2, 3], "truncated"],
    ["a length behind the end", [0x0a, 2, 1], "truncated"],
    ["a length near 2^64", [0x0a, ...new Array(9).fill(0xff), 0x01], "truncated"],
  ])("refuses %s", (_, bytes, code) => {
    expect(codeOf(() => fieldNumbers(bytes))).toBe(code);
  });

  it("takes a varint of 64 bits where it is skipped", () => {
    expect(fieldNumbers([0x08, ...new Array(9).fill(0xff), 0x01])).toEqual([1]);
  });

  it("takes any number but 0 as true, also one of 64 bits", () => {
    const read = (...bytes: number[]): boolean => {
      const reader = new ProtobufReader(Buffer.from([0x08, ...bytes]));
      reader.nextField();
      return reader.readBool();
    };
    expect([read(0), read(0x80, 0x00), read(1), read(0x80, 0x01), read(...new Array(9).fill(0x80), 0x01)]).toEqual([
      false,
      false,
      true,
      true,
      true,
    ]);
  });

  it.each<[expected: string, tag: number, read: (reader: ProtobufReader) => unknown]>([
    ["a bool", 0x0a, (reader) => reader.readBool()],
    ["a number", 0x09, (reader) => reader.readUint32()],
    ["a double", 0x08, (reader) => reader.readDouble()],
    ["bytes", 0x08, (reader) => reader.readBytes()],
    ["a string", 0x0d, (reader) => reader.readString()],
    ["a message", 0x08, (reader) => reader.enter()],
  ])("refuses to read %s from another encoding", (_, tag, read) => {
    const reader = new ProtobufReader(Buffer.from([tag, 1, 0, 0, 0, 0, 0, 0, 0]));
    reader.nextField();
    expect(codeOf(() => read(reader))).toBe("wire-type");
  });

  it("keeps an embedded message's fields inside it", () => {
    // Field 1 is a message of 2 bytes, whose own field 1 claims 3 bytes: they would reach into what follows.
    const reader = new ProtobufReader(Buffer.from([0x0a, 2, 0x0a, 3, 1, 2, 3]));
    reader.nextField();
    reader.enter();
    reader.nextField();
    expect(codeOf(() => reader.readRange())).toBe("truncated");
  });

  it("continues behind an embedded message that was left half read", () => {
    const reader = new ProtobufReader(Buffer.from([0x0a, 4, 0x08, 1, 0x10, 2, 0x18, 3]));
    reader.nextField();
    const outerEnd = reader.enter();
    reader.nextField();
    reader.leave(outerEnd);
    expect(reader.nextField() && reader.field).toBe(3);
  });

  it("reads no byte outside the range it was given", () => {
    const reader = new ProtobufReader(Buffer.from([0x08, 0x08, 0x05, 0x08, 0x06]), 1, 3);
    reader.nextField();
    expect([reader.readUint32(), reader.nextField()]).toEqual([5, false]);
  });
});

describe("bufferOver", () => {
  it("shares the memory of an array that is no Buffer", () => {
    const array = new Uint8Array([0, 1, 2, 3]).subarray(1, 3);
    const buffer = bufferOver(array);
    array[0] = 9;
    expect([...buffer]).toEqual([9, 2]);
  });

  it("returns a Buffer itself", () => {
    const buffer = Buffer.alloc(1);
    expect(bufferOver(buffer)).toBe(buffer);
  });
});
