import { describe, expect, it } from "vitest";
import { FrameReader, forEachSetting } from "../../../../bench/load/http2-frames.ts";
import { FLAG, FRAME, frame, SETTING, settingsFrame } from "../../../../src/wire/http2/frame.ts";

/** What a reader hears, DATA of one frame joined. */
function read(stream: Buffer, cuts: readonly number[] = []): string[] {
  const heard: string[] = [];
  const reader = new FrameReader({
    onData: (streamId, bytes, start, end) => {
      const text = bytes.toString("latin1", start, end);
      const last = heard.at(-1);
      if (last?.startsWith(`data ${streamId} `) === true) heard[heard.length - 1] = last + text;
      else heard.push(`data ${streamId} ${text}`);
    },
    onStreamEnd: (streamId) => heard.push(`end ${streamId}`),
    onControl: (type, flags, streamId, payload) =>
      heard.push(`control ${type} ${flags} ${streamId} ${payload.toString("hex")}`),
  });
  const ends = [...cuts, stream.length];
  for (const [index, end] of ends.entries()) {
    // As a socket does, in a buffer that is used again.
    const piece = Buffer.from(stream.subarray(ends[index - 1] ?? 0, end));
    reader.push(piece, piece.length);
    piece.fill(0xff);
  }
  return heard;
}

const STREAM = Buffer.concat([
  settingsFrame(new Map()),
  frame(FRAME.settings, FLAG.ack, 0, Buffer.alloc(0)),
  frame(FRAME.headers, FLAG.endHeaders, 1, Buffer.from("00ff", "hex")),
  frame(FRAME.data, 0, 1, Buffer.from("first")),
  frame(FRAME.windowUpdate, 0, 1, Buffer.from("00008000", "hex")),
  frame(FRAME.data, FLAG.endStream, 3, Buffer.from("other")),
  frame(FRAME.data, FLAG.endStream, 5, Buffer.alloc(0)),
  frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, Buffer.from("aa", "hex")),
  frame(FRAME.ping, 0, 0, Buffer.from("0102030405060708", "hex")),
]);

const HEARD = [
  "control 4 0 0 ",
  "control 4 1 0 ",
  "data 1 first",
  "control 8 0 1 00008000",
  "data 3 other",
  "end 3",
  "end 5",
  "end 1",
  "control 6 0 0 0102030405060708",
];

describe("a frame reader", () => {
  it("hears frames in their order, also those without a payload", () => {
    expect(read(STREAM)).toEqual(HEARD);
  });

  it("hears the same wherever the stream is cut", () => {
    for (let cut = 1; cut < STREAM.length; cut++) expect(read(STREAM, [cut]), `cut at ${cut}`).toEqual(HEARD);
    expect(
      read(
        STREAM,
        Array.from({ length: STREAM.length - 1 }, (_, index) => index + 1),
      ),
    ).toEqual(HEARD);
  });

  it("refuses frames larger than it allows, and padding", () => {
    expect(() => read(frame(FRAME.data, 0, 1, Buffer.alloc(16_385)))).toThrow("16385 bytes");
    expect(() => read(frame(FRAME.data, FLAG.padded, 1, Buffer.alloc(3)))).toThrow("padded");
  });
});

it("settings are read as they were written", () => {
  const seen: number[][] = [];
  const settings = settingsFrame(
    new Map([
      [SETTING.initialWindowSize, 2 ** 31 - 1],
      [SETTING.maxFrameSize, 16_384],
    ]),
  );
  forEachSetting(settings.subarray(9), (id, value) => seen.push([id, value]));
  expect(seen).toEqual([
    [4, 2 ** 31 - 1],
    [5, 16_384],
  ]);
});
