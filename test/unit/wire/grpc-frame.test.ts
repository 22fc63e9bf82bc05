import { describe, expect, it } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { GrpcFrameReader, readGrpcFrame } from "../../../src/wire/grpc-frame.ts";
import { cutAtRandom } from "../../support/cuts.ts";
import { grpcFrame } from "../../support/grpc-messages.ts";

const SEED = 20_261_123;

describe("a body that should be one frame", () => {
  it("is the message in it, whatever follows", () => {
    const message = Buffer.from("message");
    for (const after of ["", "x", "more than five bytes"]) {
      expect(readGrpcFrame(Buffer.concat([grpcFrame(message), Buffer.from(after)]))).toEqual({
        kind: "message",
        message,
      });
    }
    expect(readGrpcFrame(grpcFrame(Buffer.alloc(0)))).toEqual({ kind: "message", message: Buffer.alloc(0) });
  });

  it("is cut wherever it ends early", () => {
    const frame = grpcFrame(Buffer.from("message"));
    for (let size = 0; size < frame.length; size++)
      expect(readGrpcFrame(frame.subarray(0, size))).toEqual({ kind: "cut" });
    expect(readGrpcFrame(Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1]))).toEqual({ kind: "cut" });
  });

  it.each([1, 2, 255])("is not read with flags %i", (flags) => {
    expect(readGrpcFrame(grpcFrame(Buffer.from("message"), flags))).toEqual({ kind: "compressed" });
  });
});

describe("a stream of frames", () => {
  const read = (pieces: readonly Buffer[], messageSizeMax = 100): string[] => {
    const messages: string[] = [];
    const reader = new GrpcFrameReader({ messageSizeMax, onMessage: (message) => messages.push(message.toString()) });
    for (const piece of pieces) {
      const memory = Buffer.from(piece);
      reader.push(memory);
      // What is kept of it is a copy.
      memory.fill(0xff);
    }
    return messages;
  };

  it("gives the same messages however it is cut", () => {
    const prng = new Prng(SEED);
    const messages = ["", "a", "message", "x".repeat(100), "", "last"];
    const stream = Buffer.concat(messages.map((message) => grpcFrame(Buffer.from(message))));
    expect(read([stream])).toEqual(messages);
    expect(read(Array.from(stream, (byte) => Buffer.from([byte])))).toEqual(messages);
    for (let index = 0; index < 200; index++) expect(read(cutAtRandom(stream, prng, 12))).toEqual(messages);
  });

  it("passes over what is compressed or too large, and reads on behind it", () => {
    const frames = [
      grpcFrame(Buffer.from("one")),
      grpcFrame(Buffer.from("packed"), 1),
      grpcFrame(Buffer.from("x".repeat(101))),
      grpcFrame(Buffer.from("two")),
    ];
    const stream = Buffer.concat(frames);
    expect(read([stream])).toEqual(["one", "two"]);
    expect(read(Array.from(stream, (byte) => Buffer.from([byte])))).toEqual(["one", "two"]);
  });

  it("has no message from a frame that does not end", () => {
    expect(read([grpcFrame(Buffer.from("message")).subarray(0, -1)])).toEqual([]);
  });
});
