import { afterEach, expect, it } from "vitest";
import { STREAM_WINDOW_SIZE } from "../../../../../src/extproc/transport/direct/data-frames.ts";
import { FRAME, numberFrame } from "../../../../../src/wire/http2/frame.ts";
import { grpcFrame } from "../../../../support/grpc-messages.ts";
import { callHeaders, dataFrames, type Http2Peer, headersFrame } from "../../../../support/http2-peer.ts";
import { closeTransports, ECHO_PATH, startTransport } from "../../../../support/transport-bed.ts";
import { until } from "../../../../support/until.ts";

afterEach(closeTransports);

const MESSAGE = grpcFrame(Buffer.alloc(99_995));

function creditOf(peer: Http2Peer, streamId: number): number {
  return peer
    .framesOf(FRAME.windowUpdate, streamId)
    .reduce((sum, { payload }) => sum + payload.readUInt32BE(0), streamId === 0 ? 65_535 : STREAM_WINDOW_SIZE);
}

/** Sends whole messages for as long as there is credit; resolves with what was sent when there is no more. */
async function sendUntilNoCredit(peer: Http2Peer, streamId: number, sizeMax: number): Promise<number> {
  let sent = 0;
  while (sent + MESSAGE.length <= Math.min(sizeMax, creditOf(peer, streamId))) {
    peer.write(dataFrames(streamId, MESSAGE));
    sent += MESSAGE.length;
    await peer.settle();
  }
  return sent;
}

it("a client that reads gets credit for all that it sends, on the stream and on the connection", async () => {
  const bed = await startTransport();
  const peer = await bed.greet(new Map([[4, 0x7fff_ffff]]));
  peer.write(numberFrame(FRAME.windowUpdate, 0, 0x7000_0000), headersFrame(1, callHeaders(ECHO_PATH)));
  expect(await sendUntilNoCredit(peer, 1, 20_000_000)).toBe(20_000_000);
  expect(creditOf(peer, 1)).toBeLessThanOrEqual(20_000_000 + STREAM_WINDOW_SIZE);
  expect(creditOf(peer, 0)).toBeGreaterThan(20_000_000);
});

it("a client that takes no answers gets no more credit on that stream, and gets it when it takes them", async () => {
  const bed = await startTransport();
  const peer = await bed.greet(new Map([[4, 0]]));
  peer.write(headersFrame(1, callHeaders(ECHO_PATH)), headersFrame(3, callHeaders(ECHO_PATH)));
  const sent = await sendUntilNoCredit(peer, 1, 20_000_000);
  expect(sent).toBeLessThanOrEqual(STREAM_WINDOW_SIZE);
  expect(creditOf(peer, 1)).toBe(STREAM_WINDOW_SIZE);
  // Another stream has its own.
  peer.write(dataFrames(3, MESSAGE), numberFrame(FRAME.windowUpdate, 3, 1_000));
  await until("it is answered", () => peer.dataOf(3).length === 1_000);
  peer.write(numberFrame(FRAME.windowUpdate, 0, 10_000_000), numberFrame(FRAME.windowUpdate, 1, sent));
  await until("all of it is back", () => peer.dataOf(1).length === sent);
  await until("there is credit again", () => creditOf(peer, 1) > STREAM_WINDOW_SIZE);
});
