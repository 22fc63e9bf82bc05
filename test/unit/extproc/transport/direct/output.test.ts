import { describe, expect, it } from "vitest";
import {
  CONGESTED_SIZE,
  OUT_BUFFER_SIZE,
  OUT_SIZE_MAX,
  OutBufferPool,
  Output,
} from "../../../../../src/extproc/transport/direct/output.ts";
import { FRAME, frame } from "../../../../../src/wire/http2/frame.ts";
import { FrameSink } from "../../../../support/frame-sink.ts";

function newOutput() {
  const sink = new FrameSink();
  const pool = new OutBufferPool();
  return { sink, pool, output: new Output(sink.socket, pool) };
}

const PING = frame(FRAME.ping, 0, 0, Buffer.alloc(8));
const LARGE = frame(FRAME.data, 0, 1, Buffer.alloc(16_384));

describe("an output", () => {
  it("writes all frames of a task in one piece, at its end", async () => {
    const { sink, output } = newOutput();
    for (let count = 0; count < 10; count++) output.write(PING);
    expect(sink.writes).toEqual([]);
    await Promise.resolve();
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(sink.writes).toEqual([170]);
    expect(sink.frames).toHaveLength(10);
  });

  it("writes at once what is flushed, and nothing when there is nothing", async () => {
    const { sink, output } = newOutput();
    output.write(PING);
    output.flush();
    output.flush();
    expect(sink.writes).toEqual([17]);
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(sink.writes).toEqual([17]);
  });

  it("writes a buffer that is full, in the order of the frames", () => {
    const { sink, output } = newOutput();
    for (let count = 0; count < 7; count++) output.write(LARGE);
    output.write(PING);
    output.flush();
    expect(Math.max(...sink.writes)).toBeLessThanOrEqual(OUT_BUFFER_SIZE);
    expect(sink.frames.map(({ type }) => type)).toEqual([0, 0, 0, 0, 0, 0, 0, 6]);
  });

  it("uses a buffer again once the socket has let go of it, and not before", () => {
    const { sink, output } = newOutput();
    const bufferOf = (): Buffer => {
      output.write(PING);
      const { bytes } = output;
      output.flush();
      return bytes;
    };
    const held = [bufferOf(), bufferOf()];
    expect(new Set(held).size).toBe(2);
    sink.drain();
    expect(new Set([bufferOf(), bufferOf()])).toEqual(new Set(held));
    expect(held).not.toContain(bufferOf());
  });

  it("gives back the buffer of what a socket does not take any more", () => {
    const { sink, output } = newOutput();
    sink.writable = false;
    output.write(PING);
    const { bytes } = output;
    output.flush();
    output.write(PING);
    expect(sink.writes).toEqual([]);
    expect(output.bytes).toBe(bytes);
  });

  it("is congested, and overfull, by what the socket holds", () => {
    const { sink, output } = newOutput();
    const states = [0, CONGESTED_SIZE - 1, CONGESTED_SIZE, OUT_SIZE_MAX - 1, OUT_SIZE_MAX].map((size) => {
      sink.writableLength = size;
      return [output.isCongested, output.isOverfull];
    });
    expect(states).toEqual([
      [false, false],
      [false, false],
      [true, false],
      [true, false],
      [true, true],
    ]);
  });
});
