import { describe, expect, it } from "vitest";
import { Prng, randomSeed } from "../../../../../src/base/prng.ts";
import { FrameReader } from "../../../../../src/extproc/transport/direct/frame-reader.ts";
import { ConnectionError } from "../../../../../src/extproc/transport/direct/protocol-error.ts";
import { ERROR_CODE, FLAG, FRAME, frame } from "../../../../../src/wire/http2/frame.ts";
import { cutAtRandom, everyCut } from "../../../../support/cuts.ts";

/** What is heard of the bytes, the pieces of a DATA frame put together. */
function heardOf(pieces: readonly Buffer[]): string[] {
  const heard: string[] = [];
  let data = "";
  const reader = new FrameReader(
    {
      onDataBegin: (streamId, size) => (data = `DATA ${streamId} ${size}: `),
      onData: (bytes, start, end) => (data += bytes.toString("hex", start, end)),
      onDataEnd: (endsStream) => heard.push(`${data}${endsStream ? " end" : ""}`),
    },
    (type, flags, streamId, bytes, start, end) =>
      heard.push(`${type} ${flags} ${streamId}: ${bytes.toString("hex", start, end)}`),
  );
  // Each piece lies behind other bytes, as in a socket's buffer.
  for (const piece of pieces) reader.push(Buffer.concat([Buffer.from("??"), piece]), 2);
  return heard;
}

function paddedData(streamId: number, bytes: Buffer, padding: number, flags = 0): Buffer {
  return frame(
    FRAME.data,
    flags | FLAG.padded,
    streamId,
    Buffer.concat([Buffer.from([padding]), bytes, Buffer.alloc(padding, 1)]),
  );
}

const RUNS = 500;

/**
 * Strategy: random sequences of frames of all types and sizes, cut at random places. Invariant: what is heard is what
 * was put together, and the same wherever the sequence is cut.
 */
it(`${RUNS} sequences of frames are heard the same wherever they are cut`, () => {
  const seed = randomSeed();
  const prng = new Prng(seed);
  for (let run = 0; run < RUNS; run++) {
    const expected: string[] = [];
    const frames = Array.from({ length: 1 + prng.nextBelow(8) }, () => {
      const size = [0, 1, 4, 9, 100, 16_000, 16_384][prng.nextBelow(7)] as number;
      const payload = Buffer.alloc(size, prng.nextBelow(256));
      const streamId = prng.nextBelow(2 ** 31);
      const type = prng.nextBelow(12);
      const hex = payload.toString("hex");
      if (type !== FRAME.data) {
        const flags = prng.nextBelow(256);
        expected.push(`${type} ${flags} ${streamId}: ${hex}`);
        return frame(type, flags, streamId, payload);
      }
      const endsStream = prng.nextBelow(2) === 0;
      const end = endsStream ? " end" : "";
      const flags = endsStream ? FLAG.endStream : 0;
      const padding = prng.nextBelow(256);
      if (prng.nextBelow(2) === 0 || size + 1 + padding > 16_384) {
        expected.push(`DATA ${streamId} ${size}: ${hex}${end}`);
        return frame(FRAME.data, flags, streamId, payload);
      }
      expected.push(`DATA ${streamId} ${size + 1 + padding}: ${hex}${end}`);
      return paddedData(streamId, payload, padding, flags);
    });
    const bytes = Buffer.concat(frames);
    expect(heardOf([bytes]), `seed ${seed}, run ${run}`).toEqual(expected);
    expect(heardOf(cutAtRandom(bytes, prng, 12)), `seed ${seed}, run ${run}`).toEqual(expected);
  }
});

describe("a frame reader", () => {
  it("hears frames the same at every cut, and byte by byte", () => {
    const bytes = Buffer.concat([
      frame(FRAME.ping, FLAG.ack, 0, Buffer.from("12345678")),
      paddedData(1, Buffer.from("abc"), 3),
      paddedData(3, Buffer.alloc(0), 2, FLAG.endStream),
      frame(FRAME.data, 0, 5),
      frame(FRAME.settings, 0, 0),
      frame(FRAME.data, FLAG.endStream, 7, Buffer.from("d")),
    ]);
    const whole = heardOf([bytes]);
    expect(whole).toEqual([
      "6 1 0: 3132333435363738",
      "DATA 1 7: 616263",
      "DATA 3 3:  end",
      "DATA 5 0: ",
      "4 0 0: ",
      "DATA 7 1: 64 end",
    ]);
    for (const pieces of everyCut(bytes)) expect(heardOf(pieces)).toEqual(whole);
    expect(heardOf([...bytes].map((byte) => Buffer.from([byte])))).toEqual(whole);
  });

  it("gives the bytes of a whole frame where they lie, and copies none", () => {
    const bytes = Buffer.concat([
      frame(FRAME.data, 0, 1, Buffer.from("abc")),
      frame(FRAME.ping, 0, 0, Buffer.alloc(8)),
    ]);
    const given: unknown[] = [];
    const ignore = (): void => undefined;
    const onData = (...args: unknown[]): void => void given.push(...args);
    const reader = new FrameReader({ onDataBegin: ignore, onData, onDataEnd: ignore }, (_type, _flags, _id, ...where) =>
      given.push(...where),
    );
    reader.push(bytes, 0);
    expect(given).toEqual([bytes, 9, 12, bytes, 21, 29]);
    expect([given[0], given[3]].every((one) => one === bytes)).toBe(true);
  });

  it.each([
    ["larger than allowed", Buffer.from("004001000000000001", "hex"), ERROR_CODE.frameSizeError],
    ["of DATA that is padded and empty", frame(FRAME.data, FLAG.padded, 1), ERROR_CODE.frameSizeError],
    [
      "of DATA with more padding than payload",
      paddedData(1, Buffer.alloc(0), 1).fill(2, 9, 10),
      ERROR_CODE.protocolError,
    ],
  ])("throws for a frame %s", (_what, bytes, code) => {
    const thrown = (): unknown => {
      try {
        return heardOf([bytes]);
      } catch (error) {
        return error;
      }
    };
    expect(thrown()).toBeInstanceOf(ConnectionError);
    expect(thrown()).toMatchObject({ code });
  });
});
