import protobuf from "protobufjs";
import { describe, expect, it } from "vitest";
import { ProtobufWriter } from "../../../../src/wire/protobuf/writer.ts";

/** One field written by protobufjs: the origin of the expected bytes. */
function byOracle(write: (writer: protobuf.Writer) => protobuf.Writer): string {
  return Buffer.from(write(protobuf.Writer.create()).finish()).toString("hex");
}

function byUs(write: (writer: ProtobufWriter) => void, sizeHint = 64): string {
  const writer = new ProtobufWriter(sizeHint);
  write(writer);
  return writer.finish().toString("hex");
}

describe("ProtobufWriter", () => {
  it.each([0, 1, 127, 128, 16_383, 16_384, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1])(
    "writes the number %d",
    (value) => {
      expect(byUs((writer) => writer.uint(1, value))).toBe(byOracle((writer) => writer.uint32(8).uint64(value)));
    },
  );

  it.each([1, 15, 16, 2047, 2048, 2 ** 29 - 1])("writes field number %d", (field) => {
    const tag = field * 8;
    expect(byUs((writer) => writer.bool(field, true))).toBe(byOracle((writer) => writer.uint32(tag).bool(true)));
  });

  it.each([
    ["of ASCII", "x-gateway-destination-endpoint"],
    ["that is empty", ""],
    ["of two-byte characters", "größe"],
    ["of characters outside the first plane", "🐦 magpie"],
    ["of 64 characters", "a".repeat(64)],
    ["of 65 characters", "a".repeat(65)],
    ["of 64 characters with a last one that is not ASCII", `${"a".repeat(63)}é`],
    ["of 1,000 characters", "é".repeat(1_000)],
  ])("writes a string %s", (_, text) => {
    expect(byUs((writer) => writer.string(2, text))).toBe(byOracle((writer) => writer.uint32(0x12).string(text)));
  });

  it("writes a double", () => {
    expect(byUs((writer) => writer.double(2, -1.5e300))).toBe(
      byOracle((writer) => writer.uint32(0x11).double(-1.5e300)),
    );
  });

  it.each([0, 1, 7, 64])("grows from room for %d bytes to what it needs", (sizeHint) => {
    const write = (writer: ProtobufWriter): void => {
      writer.bytes(3, Buffer.alloc(300, 7));
      writer.string(2, "é".repeat(50));
      writer.uint(1, 300);
    };
    expect(byUs(write, sizeHint)).toBe(
      byOracle((writer) =>
        writer.uint32(8).uint32(300).uint32(0x12).string("é".repeat(50)).uint32(0x1a).bytes(Buffer.alloc(300, 7)),
      ),
    );
  });

  it("writes a message around the fields written since its end", () => {
    const written = byUs((writer) => {
      writer.bool(9, true);
      const end = writer.size;
      writer.uint(2, 5);
      writer.string(1, "a");
      writer.message(4, end);
    });
    expect(written).toBe(
      byOracle((writer) =>
        writer.uint32(0x22).fork().uint32(0x0a).string("a").uint32(0x10).uint32(5).ldelim().uint32(0x48).bool(true),
      ),
    );
  });
});
