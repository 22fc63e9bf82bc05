/** What a call goes through, over both transports: the contract of platform/grpc-call.ts, seen from the wire. */
import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { Prng } from "../../../../src/base/prng.ts";
import { ERROR_CODE, FLAG, FRAME, numberFrame } from "../../../../src/wire/http2/frame.ts";
import { grpcFrame } from "../../../support/grpc-messages.ts";
import { callHeaders, dataFrames, endFrame, type Http2Peer, headersFrame } from "../../../support/http2-peer.ts";
import { closeTransports, ECHO_PATH, PLAIN_WAYS, startTransport, WAYS } from "../../../support/transport-bed.ts";
import { until } from "../../../support/until.ts";

afterEach(closeTransports);

const HELLO = grpcFrame(Buffer.from("hello"));

/** Opens a call, which has sent these bytes. */
function openCall(peer: Http2Peer, streamId: number, bytes: Buffer = Buffer.alloc(0)): void {
  peer.write(headersFrame(streamId, callHeaders(ECHO_PATH)), dataFrames(streamId, bytes));
}

async function untilEchoed(peer: Http2Peer, streamId: number, bytes: Buffer): Promise<void> {
  await until(`${bytes.length} bytes are back`, () => peer.dataOf(streamId).length >= bytes.length);
  expect(peer.dataOf(streamId).equals(bytes)).toBe(true);
}

describe.each(WAYS)("a call, $way,", (way) => {
  it("that its client half-closes may still answer, and ends with status 0", async () => {
    const bed = await startTransport({
      ...way,
      onHalfClose: ({ call }) => {
        call.send(Buffer.from("last words"));
        call.end();
      },
    });
    const peer = await bed.greet();
    openCall(peer, 1, HELLO);
    await untilEchoed(peer, 1, HELLO);
    peer.write(endFrame(1));
    expect(await peer.statusOf(1)).toBe(0);
    expect(peer.dataOf(1).includes("last words")).toBe(true);
    expect(bed.calls).toMatchObject([{ isHalfClosed: true, closes: ["ended"] }]);
  });

  it("that its client ends and resets in one write, as Envoy does, is cancelled and not half-closed", async () => {
    const bed = await startTransport(way);
    const peer = await bed.greet();
    openCall(peer, 1, HELLO);
    await untilEchoed(peer, 1, HELLO);
    peer.write(endFrame(1), numberFrame(FRAME.rstStream, 1, ERROR_CODE.noError));
    await until("it is over", () => bed.openCount() === 0);
    expect(bed.calls).toMatchObject([{ isHalfClosed: false, closes: ["cancelled"] }]);
  });

  it("is cancelled, once, when its connection is lost; so are all of that connection, and no others", async () => {
    const bed = await startTransport(way);
    const [lost, other] = [await bed.greet(), await bed.greet()];
    for (let streamId = 1; streamId < 100; streamId += 2) openCall(lost, streamId, HELLO);
    await untilEchoed(lost, 99, HELLO);
    openCall(other, 1, HELLO);
    await untilEchoed(other, 1, HELLO);
    lost.socket.destroy();
    await until("its calls are over", () => bed.openCount() === 1);
    const cancelled = bed.calls.slice(0, 50);
    expect(cancelled.map(({ closes }) => closes)).toEqual(cancelled.map(() => ["cancelled"]));
    other.write(endFrame(1));
    expect(await other.statusOf(1)).toBe(0);
  });
});

describe.each(PLAIN_WAYS)("a call, $kind,", (way) => {
  it("that fails gives its code and its message, percent-encoded, and hears nothing more", async () => {
    const bed = await startTransport({
      ...way,
      onMessage: ({ call }) => {
        call.fail("50% of “all”\nis lost", 3);
        call.send(Buffer.from("too late"));
      },
    });
    const peer = await bed.greet();
    openCall(peer, 1, Buffer.concat([HELLO, HELLO]));
    expect(await peer.statusOf(1)).toBe(3);
    expect(decodeURIComponent(peer.fieldsOf(1).get("grpc-message") ?? "")).toBe("50% of “all”\nis lost");
    expect(peer.fieldsOf(1).get("grpc-message")).toMatch(/^[\x20-\x7e]*$/);
    expect(peer.dataOf(1)).toHaveLength(0);
    await peer.settle();
    expect(bed.calls).toMatchObject([{ messageSizes: [5], closes: ["ended"] }]);
  });

  it("that fails behind an answer gives the answer first", async () => {
    const bed = await startTransport({
      ...way,
      onMessage: ({ call }, message) => {
        call.send(message);
        call.fail("no more");
      },
    });
    const peer = await bed.greet();
    openCall(peer, 1, HELLO);
    expect(await peer.statusOf(1)).toBe(2);
    expect(peer.dataOf(1).equals(HELLO)).toBe(true);
  });

  it("of an unknown method ends with UNIMPLEMENTED, which opens nothing", async () => {
    const bed = await startTransport(way);
    const peer = await bed.greet();
    peer.write(headersFrame(1, callHeaders("/test.Echo/Other")), dataFrames(1, HELLO));
    expect(await peer.statusOf(1)).toBe(12);
    openCall(peer, 3, HELLO);
    await untilEchoed(peer, 3, HELLO);
    expect(bed.calls).toHaveLength(1);
  });

  it("that is not gRPC is refused with 415, which opens nothing", async () => {
    const bed = await startTransport(way);
    const peer = await bed.greet();
    const block = callHeaders(ECHO_PATH);
    const json = Buffer.from(block.toString("latin1").replace("application/grpc", "application/json"), "latin1");
    peer.write(headersFrame(1, json));
    expect(await peer.statusOf(1)).toBe(415);
    expect(bed.calls).toHaveLength(0);
  });

  it("passes messages from nothing to 4 MB whole, wherever DATA frames and sockets cut them", async () => {
    const prng = new Prng(20_261_120);
    const bed = await startTransport(way);
    const peer = await bed.greet(new Map([[4, 0x7fff_ffff]]));
    peer.write(numberFrame(FRAME.windowUpdate, 0, 0x7000_0000));
    let streamId = 1;
    for (const sizes of [[0], [0, 0, 1], [4_095, 4_096, 4_097], [16_384, 16_379], [220_000, 3], [4_194_304]]) {
      const bytes = Buffer.concat(sizes.map((size) => grpcFrame(Buffer.alloc(size, randomWord(prng)))));
      openCall(peer, streamId);
      await sendAsAllowed(peer, streamId, bytes, prng);
      await untilEchoed(peer, streamId, bytes);
      expect(bed.calls.at(-1)?.messageSizes).toEqual(sizes);
      streamId += 2;
    }
  });

  it("that is sent a message above the limit ends with RESOURCE_EXHAUSTED; one at the limit is taken", async () => {
    const bed = await startTransport({ ...way, messageSizeMax: 1_000 });
    const peer = await bed.greet();
    const most = grpcFrame(Buffer.alloc(1_000));
    openCall(peer, 1, most);
    await untilEchoed(peer, 1, most);
    openCall(peer, 3, grpcFrame(Buffer.alloc(1_001)));
    expect(await peer.statusOf(3)).toBe(8);
    await until("the handler knows", () => bed.openCount() === 1);
    expect(bed.calls[1]).toMatchObject({ messageSizes: [] });
  });

  it("that sends a message above the limit ends with RESOURCE_EXHAUSTED; one at the limit is sent", async () => {
    const bed = await startTransport({ ...way, messageSendSizeMax: 1_000 });
    const peer = await bed.greet();
    const most = grpcFrame(Buffer.alloc(1_000));
    openCall(peer, 1, most);
    await untilEchoed(peer, 1, most);
    openCall(peer, 3, grpcFrame(Buffer.alloc(1_001)));
    expect(await peer.statusOf(3)).toBe(8);
    await until("the handler knows", () => bed.openCount() === 1);
  });

  it("that has much to send is told when its client takes more, so that little waits", async () => {
    const parts = 100;
    let sentCount = 0;
    const bed = await startTransport({
      ...way,
      onMessage: ({ call }) => call.requestReady(),
      onReady: ({ call }) => {
        call.send(Buffer.alloc(10_000, sentCount));
        sentCount++;
        if (sentCount < parts) call.requestReady();
        else call.end();
      },
    });
    const peer = await bed.greet();
    openCall(peer, 1, HELLO);
    await until("the window is full", () => peer.dataOf(1).length === 65_535);
    await peer.settle();
    // grpc-js and Node's HTTP/2 have buffers of their own.
    expect(sentCount).toBeLessThan(30);
    peer.write(numberFrame(FRAME.windowUpdate, 0, 2_000_000), numberFrame(FRAME.windowUpdate, 1, 2_000_000));
    expect(await peer.statusOf(1)).toBe(0);
    const expected = Array.from({ length: parts }, (_, index) => grpcFrame(Buffer.alloc(10_000, index)));
    expect(peer.dataOf(1).equals(Buffer.concat(expected))).toBe(true);
  });

  it("is one of 1,000 at once on a connection, which all are served", async () => {
    const bed = await startTransport(way);
    const peer = await bed.greet();
    const streamIds = Array.from({ length: 1_000 }, (_, index) => 1 + 2 * index);
    for (const streamId of streamIds) openCall(peer, streamId, HELLO);
    await until("all are open", () => bed.calls.length === 1_000);
    expect(bed.transport.load().streams).toBe(1_000);
    await until("all are answered", () => peer.framesOf(FRAME.data).length >= 1_000);
    peer.write(...streamIds.map(endFrame));
    await until("all are over", () => bed.openCount() === 0 && bed.transport.load().streams === 0);
    expect(new Set(bed.calls.map(({ closes }) => closes.join()))).toEqual(new Set(["ended"]));
    expect(new Set(streamIds.map((streamId) => peer.dataOf(streamId).toString("hex")))).toEqual(
      new Set([HELLO.toString("hex")]),
    );
  });
});

describe("a call with a deadline, direct,", () => {
  it("ends with DEADLINE_EXCEEDED when that has passed, and not before", async () => {
    const clock = new ManualClock();
    const bed = await startTransport({ clock });
    const peer = await bed.greet();
    peer.write(headersFrame(1, callHeaders(ECHO_PATH, [["grpc-timeout", "250m"]])), dataFrames(1, HELLO));
    await untilEchoed(peer, 1, HELLO);
    clock.advance(249);
    expect(bed.openCount()).toBe(1);
    clock.advance(1);
    expect(bed.openCount()).toBe(0);
    expect(await peer.statusOf(1)).toBe(4);
  });

  it("leaves no timer behind when it ends in time", async () => {
    const clock = new ManualClock();
    const bed = await startTransport({ clock });
    const peer = await bed.greet();
    openCall(peer, 1, HELLO);
    await untilEchoed(peer, 1, HELLO);
    const timersBefore = clock.pendingCount;
    peer.write(headersFrame(3, callHeaders(ECHO_PATH, [["grpc-timeout", "1H"]]), FLAG.endHeaders | FLAG.endStream));
    expect(await peer.statusOf(3)).toBe(0);
    expect(clock.pendingCount).toBe(timersBefore);
  });
});

describe("a call, direct,", () => {
  it("that is ended and reset by its client is cancelled wherever the two frames are cut", async () => {
    const bed = await startTransport();
    const peer = await bed.greet();
    const ending = Buffer.concat([endFrame(1), numberFrame(FRAME.rstStream, 1, ERROR_CODE.cancel)]);
    let cutCount = 0;
    for (let cut = 1; cut < ending.length; cut++) {
      // The server has read the one part before the other goes out, where that is a whole frame or less.
      const streamId = 1 + 2 * cut;
      const bytes = Buffer.concat([endFrame(streamId), numberFrame(FRAME.rstStream, streamId, ERROR_CODE.cancel)]);
      openCall(peer, streamId, HELLO);
      await untilEchoed(peer, streamId, HELLO);
      peer.write(bytes.subarray(0, cut));
      peer.write(bytes.subarray(cut));
      await until("it is over", () => bed.openCount() === 0);
      cutCount++;
    }
    expect(cutCount).toBe(ending.length - 1);
    expect(bed.calls.filter(({ closes }) => closes.join() !== "cancelled")).toEqual([]);
  });

  it("that its client ends within a message fails", async () => {
    const bed = await startTransport();
    const peer = await bed.greet();
    openCall(peer, 1, HELLO.subarray(0, 7));
    peer.write(endFrame(1));
    expect(await peer.statusOf(1)).toBe(2);
    expect(bed.calls).toMatchObject([{ isHalfClosed: false, closes: ["ended"] }]);
  });

  it("with compressed messages ends with UNIMPLEMENTED", async () => {
    const bed = await startTransport();
    const peer = await bed.greet();
    openCall(peer, 1, grpcFrame(Buffer.from("hello"), 1));
    expect(await peer.statusOf(1)).toBe(12);
  });
});

function randomWord(prng: Prng): Buffer {
  const word = Buffer.alloc(4);
  word.writeUInt32BE(prng.nextU32());
  return word;
}

/** In frames and writes of random sizes, as far as the server's windows allow. */
async function sendAsAllowed(peer: Http2Peer, streamId: number, bytes: Buffer, prng: Prng): Promise<void> {
  const creditOf = (id: number): number =>
    peer.framesOf(FRAME.windowUpdate, id).reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);
  await until("the settings have come", () => peer.framesOf(FRAME.settings).length > 0);
  const initial = initialWindow(peer);
  let sent = 0;
  while (sent < bytes.length) {
    const end = Math.min(bytes.length, sent + 1 + prng.nextBelow(60_000), initial + creditOf(streamId));
    if (end === sent) {
      await until("there is credit", () => initial + creditOf(streamId) > sent);
      continue;
    }
    const frames = dataFrames(streamId, bytes.subarray(sent, end), 1 + prng.nextBelow(16_384));
    const cut = prng.nextBelow(frames.length);
    peer.write(frames.subarray(0, cut));
    peer.write(frames.subarray(cut));
    sent = end;
    // grpc-js takes what comes in an hour of its own.
    if (prng.nextBelow(4) === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

/** INITIAL_WINDOW_SIZE as the server has set it. */
function initialWindow(peer: Http2Peer): number {
  const payload = peer.framesOf(FRAME.settings)[0]?.payload ?? Buffer.alloc(0);
  for (let at = 0; at < payload.length; at += 6)
    if (payload.readUInt16BE(at) === 4) return payload.readUInt32BE(at + 2);
  return 65_535;
}
