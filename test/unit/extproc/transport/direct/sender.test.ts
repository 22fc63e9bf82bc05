import { describe, expect, it } from "vitest";
import { Prng, randomSeed } from "../../../../../src/base/prng.ts";
import { SlabPool } from "../../../../../src/extproc/slab-pool.ts";
import { CONGESTED_SIZE, OutBufferPool, Output } from "../../../../../src/extproc/transport/direct/output.ts";
import { ConnectionError } from "../../../../../src/extproc/transport/direct/protocol-error.ts";
import { Sender } from "../../../../../src/extproc/transport/direct/sender.ts";
import { DirectStream } from "../../../../../src/extproc/transport/direct/stream.ts";
import { ERROR_CODE, FLAG, FRAME, WINDOW_SIZE_MAX } from "../../../../../src/wire/http2/frame.ts";
import { FrameSink } from "../../../../support/frame-sink.ts";
import { grpcFrame } from "../../../../support/grpc-messages.ts";

const WINDOW = 65_535;

function newSender(messageSendSizeMax = 1_000_000) {
  const sink = new FrameSink();
  const output = new Output(sink.socket, new OutBufferPool());
  const ended: number[] = [];
  const caughtUp: number[] = [];
  const ready: number[] = [];
  const sender = new Sender({
    output,
    messageSendSizeMax,
    onReady: ({ id }) => ready.push(id),
    onCaughtUp: ({ id }) => caughtUp.push(id),
    onEnded: ({ id }) => ended.push(id),
  });
  const slabs = new SlabPool({ slabsMax: 1_000, onExhausted: () => undefined });
  const open = (id: number): DirectStream => {
    const owner = {
      send: (stream: DirectStream, message: Buffer | readonly Buffer[]) => sender.send(stream, message),
      requestReady: (stream: DirectStream) => sender.requestReady(stream),
      finish: (stream: DirectStream) => sender.finish(stream),
      onClosedAbove: () => undefined,
    };
    const handler = { onMessage: ignore, onMessagePiece: ignore, onHalfClose: ignore, onClose: ignore };
    const windows = { sendWindow: sender.streamWindow, receiveWindow: WINDOW };
    return new DirectStream(id, { owner, open: () => handler, ...windows, messageSizeMax: 1_000, slabs });
  };
  const dataOf = (id: number): Buffer => {
    output.flush();
    const frames = sink.frames.filter(({ type, streamId }) => type === FRAME.data && streamId === id);
    return Buffer.concat(frames.map(({ payload }) => payload));
  };
  return { sink, output, sender, open, dataOf, ended, caughtUp, ready, slabs };
}

function ignore(): void {
  // A handler that hears nothing.
}

const RUNS = 25;
const STEPS = 120;

/**
 * Strategy: streams send messages of random sizes while windows open, settings shrink and grow them, and the socket is
 * full now and then. The model counts what the client has allowed. Invariants: bytes come in order, never more than the
 * windows of stream and connection allow, and everything once both are wide open; then no slab is taken.
 */
it(`${RUNS} runs of ${STEPS} steps keep within the windows, and send everything in order in the end`, () => {
  const seed = randomSeed();
  for (let run = 0; run < RUNS; run++) {
    const prng = new Prng((seed + run) >>> 0);
    const name = `seed ${seed}, run ${run}`;
    const { sink, sender, open, dataOf, ended, slabs } = newSender();
    const streams = [1, 3, 5].map((id) => ({ stream: open(id), sent: [] as Buffer[], isOver: false }));
    let settings = WINDOW;
    let allowed = WINDOW;
    const allowedOf = new Map(streams.map(({ stream }) => [stream.id, 0]));
    /** Most that a stream was ever allowed: settings take nothing back that was sent. */
    const mostOf = new Map(streams.map(({ stream }) => [stream.id, WINDOW]));
    const noteMost = (): void => {
      for (const [id, more] of allowedOf) mostOf.set(id, Math.max(mostOf.get(id) as number, settings + more));
    };
    for (let step = 0; step < STEPS; step++) {
      const one = streams[prng.nextBelow(streams.length)] as (typeof streams)[0];
      switch (prng.nextBelow(8)) {
        case 0: {
          const more = 1 + prng.nextBelow(100_000);
          allowed += more;
          sender.addWindow(more);
          break;
        }
        case 1: {
          const more = 1 + prng.nextBelow(50_000);
          allowedOf.set(one.stream.id, (allowedOf.get(one.stream.id) as number) + more);
          noteMost();
          expect(sender.addStreamWindow(one.stream, more), name).toBe(true);
          break;
        }
        case 2:
          settings = prng.nextBelow(3) === 0 ? 0 : prng.nextBelow(200_000);
          noteMost();
          sender.setStreamWindow(
            settings,
            streams.map(({ stream }) => stream),
          );
          break;
        case 3:
          sink.writableLength = CONGESTED_SIZE;
          break;
        case 4:
          sink.drain();
          sender.resume();
          break;
        default: {
          const message = Buffer.alloc(prng.nextBelow(prng.nextBelow(4) === 0 ? 60_000 : 100), step);
          one.stream.send(message);
          if (!one.isOver) one.sent.push(grpcFrame(message));
          if (prng.nextBelow(40) > 0) break;
          one.isOver = true;
          one.stream.end();
        }
      }
      let total = 0;
      for (const { stream, sent } of streams) {
        const data = dataOf(stream.id);
        total += data.length;
        expect(Buffer.concat(sent).subarray(0, data.length).equals(data), `${name}, step ${step}`).toBe(true);
        expect(data.length, `${name}, step ${step}`).toBeLessThanOrEqual(mostOf.get(stream.id) as number);
      }
      expect(total, `${name}, step ${step}`).toBeLessThanOrEqual(allowed);
    }
    sender.setStreamWindow(
      WINDOW_SIZE_MAX - 50_000 * STEPS,
      streams.map(({ stream }) => stream),
    );
    sender.addWindow(WINDOW_SIZE_MAX - allowed);
    while (streams.some(({ stream }) => stream.waiting.size > 0)) {
      sink.drain();
      sender.resume();
    }
    for (const { stream, sent } of streams) expect(dataOf(stream.id).equals(Buffer.concat(sent)), name).toBe(true);
    expect(ended.toSorted(), name).toEqual(streams.flatMap(({ stream, isOver }) => (isOver ? [stream.id] : [])));
    expect(
      sink.frames.every(({ payload }) => payload.length <= 16_384),
      name,
    ).toBe(true);
    expect(slabs.takenCount, name).toBe(0);
  }
});

describe("a sender", () => {
  it("sends the response's head once, before the first message, and trailers behind the last", () => {
    const { sink, output, open } = newSender();
    const stream = open(1);
    stream.send(Buffer.from("a"));
    stream.send([Buffer.from("b"), Buffer.from("c")]);
    stream.end();
    output.flush();
    const { headers, data, rstStream } = FRAME;
    expect(sink.frames.map(({ type, flags }) => [type, flags])).toEqual([
      [headers, FLAG.endHeaders],
      [data, 0],
      [data, 0],
      [headers, FLAG.endHeaders | FLAG.endStream],
      // The client has not ended it.
      [rstStream, 0],
    ]);
  });

  it("sends no RST_STREAM behind the trailers of a stream that its client has ended", () => {
    const { sink, output, sender, open } = newSender();
    const stream = open(1);
    stream.isRemoteEnded = true;
    stream.end();
    output.flush();
    expect(sink.frames.map(({ type }) => type)).toEqual([FRAME.headers]);
    expect(sender.wasReset(1)).toBe(false);
  });

  it("holds trailers back until what waits before them has left", () => {
    const { sink, output, sender, open, dataOf, ended } = newSender();
    const stream = open(1);
    const message = Buffer.alloc(100_000);
    stream.send(message);
    stream.end();
    expect(dataOf(1)).toHaveLength(WINDOW);
    expect(ended).toEqual([]);
    sender.addWindow(100_000);
    expect(sender.addStreamWindow(stream, 100_000)).toBe(true);
    expect(dataOf(1).equals(grpcFrame(message))).toBe(true);
    expect(ended).toEqual([1]);
    output.flush();
    expect(sink.frames.at(-2)).toMatchObject({ type: FRAME.headers, flags: FLAG.endHeaders | FLAG.endStream });
  });

  it("sends nothing into windows that settings have made negative, until they are above 0 again", () => {
    const { sender, open, dataOf } = newSender();
    const stream = open(1);
    stream.send(Buffer.alloc(40_000));
    sender.setStreamWindow(1_000, [stream]);
    expect(stream.sendWindow).toBe(1_000 - 40_005);
    stream.send(Buffer.from("more"));
    sender.addStreamWindow(stream, 39_005);
    expect(dataOf(1)).toHaveLength(40_005);
    sender.addStreamWindow(stream, 1);
    expect(dataOf(1)).toHaveLength(40_006);
  });

  it("lets streams that wait for the connection's window have it in turn", () => {
    const { sender, open, dataOf } = newSender();
    const streams = [1, 3, 5].map((id) => open(id));
    for (const stream of streams) stream.send(Buffer.alloc(60_000));
    for (let turn = 0; turn < 3; turn++) {
      sender.addWindow(60_000);
      for (const stream of streams) sender.addStreamWindow(stream, 1);
    }
    expect(streams.map(({ id }) => dataOf(id).length)).toEqual([60_005, 60_005, 60_005]);
  });

  it("says that a stream has caught up once all that waited has left", () => {
    const { sender, open, caughtUp } = newSender();
    const stream = open(1);
    stream.send(Buffer.alloc(70_000));
    sender.addWindow(70_000);
    sender.addStreamWindow(stream, 4_469);
    expect(caughtUp).toEqual([]);
    sender.addStreamWindow(stream, 1);
    expect(caughtUp).toEqual([1]);
  });

  it("says once to whoever asks that more may be sent: when nothing waits, and the socket takes it", () => {
    const { sink, sender, open, ready } = newSender();
    const [stream, other] = [open(1), open(3)];
    stream.requestReady();
    expect(ready).toEqual([1]);
    stream.send(Buffer.alloc(70_000));
    stream.requestReady();
    sender.addWindow(1_000_000);
    sender.addStreamWindow(stream, 4_469);
    expect(ready).toEqual([1]);
    sender.addStreamWindow(stream, 1);
    expect(ready).toEqual([1, 1]);
    sink.writableLength = CONGESTED_SIZE;
    other.requestReady();
    expect(ready).toEqual([1, 1]);
    sink.drain();
    sender.resume();
    sender.resume();
    expect(ready).toEqual([1, 1, 3]);
  });

  it("says nothing to a stream that is over meanwhile, and sends the others'", () => {
    const { sink, sender, open, ready, dataOf } = newSender();
    const [over, other, waiting] = [open(1), open(3), open(5)];
    sink.writableLength = CONGESTED_SIZE;
    over.requestReady();
    other.requestReady();
    over.send(Buffer.alloc(10));
    waiting.send(Buffer.alloc(10));
    sender.forget(over);
    sink.drain();
    sender.resume();
    expect(ready).toEqual([3]);
    expect([dataOf(1).length, dataOf(5).length]).toEqual([0, 15]);
  });

  it("takes windows of 2^31 − 1 and no larger ones", () => {
    const { sender, open } = newSender();
    const stream = open(1);
    expect(sender.addStreamWindow(stream, WINDOW_SIZE_MAX - WINDOW)).toBe(true);
    expect(sender.addStreamWindow(stream, 1)).toBe(false);
    sender.addWindow(WINDOW_SIZE_MAX - WINDOW);
    const flowControl = new ConnectionError(ERROR_CODE.flowControlError, "a flow-control window is too large");
    expect(() => sender.addWindow(1)).toThrow(flowControl);
    expect(() => sender.setStreamWindow(WINDOW + 1, [stream])).toThrow(flowControl);
  });

  it("knows the last streams that were reset, a bounded number of them", () => {
    const { sender } = newSender();
    for (let id = 1; id < 1_000; id += 2) sender.reset(id, ERROR_CODE.cancel);
    expect([sender.wasReset(1), sender.wasReset(487), sender.wasReset(489), sender.wasReset(999)]).toEqual([
      false,
      false,
      true,
      true,
    ]);
  });

  it("forgets what waits on a stream that is over", () => {
    const { sender, open, dataOf, slabs } = newSender();
    const stream = open(1);
    stream.send(Buffer.alloc(100_000));
    sender.forget(stream);
    sender.addWindow(100_000);
    sender.resume();
    expect(dataOf(1)).toHaveLength(WINDOW);
    expect(slabs.takenCount).toBe(0);
  });
});
