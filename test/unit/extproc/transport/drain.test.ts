import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { FLAG, FRAME, frame, STREAM_ID_MAX } from "../../../../src/wire/http2/frame.ts";
import { grpcFrame } from "../../../support/grpc-messages.ts";
import { callHeaders, dataFrames, endFrame, Http2Peer, headersFrame } from "../../../support/http2-peer.ts";
import {
  closeTransports,
  ECHO_PATH,
  startTransport,
  type TransportBed,
  WAYS,
  type Way,
} from "../../../support/transport-bed.ts";
import { until } from "../../../support/until.ts";

afterEach(closeTransports);

const GRACE_MS = 60_000;
/** Beyond what any test advances. */
const KEEP_ALIVE_MS = 3_600_000;
const HELLO = grpcFrame(Buffer.from("hello"));

interface Bed extends TransportBed {
  readonly clock: ManualClock;
  readonly peer: Http2Peer;
}

/** A transport on a clock that the test moves, with stream 1 open, which was answered. */
async function startBed(way: Partial<Way>): Promise<Bed> {
  const clock = new ManualClock();
  const bed = await startTransport({ ...way, clock, keepAliveMs: KEEP_ALIVE_MS });
  const peer = await bed.greet();
  await openCall(peer, 1);
  return { ...bed, clock, peer };
}

async function openCall(peer: Http2Peer, streamId: number): Promise<void> {
  peer.write(headersFrame(streamId, callHeaders(ECHO_PATH)), dataFrames(streamId, HELLO));
  await until("it is answered", () => peer.dataOf(streamId).equals(HELLO));
}

/** Whether it has resolved, once everything that is under way has had time. */
async function isOver(drained: Promise<unknown>): Promise<boolean> {
  let over = false;
  void drained.then(() => {
    over = true;
  });
  for (let turn = 0; turn < 50; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
  return over;
}

describe.each(WAYS)("a draining transport, $way,", (way) => {
  it("refuses no stream that was begun, and says so", async () => {
    const { transport, peer } = await startBed(way);
    peer.answerPings();
    const drained = transport.drain(GRACE_MS);
    await until("the client is told", () => peer.goawayCode !== undefined);
    expect(peer.framesOf(FRAME.goaway)[0]?.payload.readUInt32BE(0)).toBe(STREAM_ID_MAX);
    expect(peer.goawayCode).toBe(0);
    peer.write(endFrame(1));
    expect(await peer.statusOf(1)).toBe(0);
    expect(await drained).toBe(0);
  });

  it("serves an open stream for as long as it may, and is over when that has ended", async () => {
    const { clock, transport, peer } = await startBed(way);
    peer.answerPings();
    const drained = transport.drain(GRACE_MS);
    clock.advance(GRACE_MS - 1);
    expect(await isOver(drained)).toBe(false);
    peer.write(dataFrames(1, HELLO), endFrame(1));
    expect(await peer.statusOf(1)).toBe(0);
    expect(peer.dataOf(1)).toHaveLength(2 * HELLO.length);
    expect(await drained).toBe(0);
    await peer.closed;
    await until("no timer is left", () => clock.pendingCount === 0);
  });

  it("is over when the open stream takes longer, and the last bytes have had their time", async () => {
    const { clock, transport, peer, calls } = await startBed(way);
    peer.answerPings();
    const drained = transport.drain(GRACE_MS);
    clock.advance(GRACE_MS);
    await until("the wait for the last bytes has begun", () => clock.nextDueMs === GRACE_MS + 500);
    expect(await isOver(drained)).toBe(false);
    clock.advance(500);
    expect(await drained).toBe(1);
    expect(calls).toMatchObject([{ closes: [] }]);
    await transport.close();
    expect(calls).toMatchObject([{ closes: ["cancelled"] }]);
    await peer.closed;
  });

  it("takes the streams that a client begins before it hears of that, and serves them", async () => {
    const { transport, peer } = await startBed(way);
    const drained = transport.drain(GRACE_MS);
    peer.write(endFrame(1));
    expect(await peer.statusOf(1)).toBe(0);
    // The client has not answered the question behind the announcement.
    await openCall(peer, 3);
    expect(await isOver(drained)).toBe(false);
    const ping = peer.framesOf(FRAME.ping).find(({ flags }) => (flags & FLAG.ack) === 0);
    peer.write(frame(FRAME.ping, FLAG.ack, 0, ping?.payload), endFrame(3));
    expect(await peer.statusOf(3)).toBe(0);
    expect(await drained).toBe(0);
    await peer.closed;
  });

  it("takes no new connection", async () => {
    const { port, transport, peer, calls } = await startBed(way);
    peer.answerPings();
    const drained = transport.drain(GRACE_MS);
    // Over TLS the server would have to say something first.
    const late = await Promise.race([Http2Peer.greet(port), isOver(new Promise(() => undefined))]);
    if (late instanceof Http2Peer) await late.closed;
    expect(calls).toHaveLength(1);
    peer.write(endFrame(1));
    expect(await drained).toBe(0);
  });

  it("does not wait for a connection on which nothing was said", async () => {
    const bed = await startTransport({ ...way, clock: new ManualClock() });
    const silent = await Http2Peer.connect(bed.port, way);
    await until("it is there", () => bed.transport.load().connections === 1);
    expect(await bed.transport.drain(GRACE_MS)).toBe(0);
    await silent.closed;
  });
});

describe("a draining transport, direct,", () => {
  it("waits for streams on their way on a connection that was to be replaced just before", async () => {
    const { transport, peer, greet } = await startBed({});
    const other = (await greet()).answerPings();
    await openCall(other, 1);
    expect(transport.shedConnection(0.5)).toBe(true);
    await until("a client is told", () => peer.goawayCode ?? other.goawayCode);
    const [told, untold] = peer.goawayCode === undefined ? [other, peer] : [peer, other];
    expect(told).toBe(peer);
    const drained = transport.drain(GRACE_MS);
    told.write(endFrame(1));
    untold.write(endFrame(1));
    expect([await told.statusOf(1), await untold.statusOf(1)]).toEqual([0, 0]);
    await openCall(told, 3);
    told.answerPings().write(endFrame(3));
    const ping = told.framesOf(FRAME.ping)[0];
    told.write(frame(FRAME.ping, FLAG.ack, 0, ping?.payload));
    expect(await told.statusOf(3)).toBe(0);
    expect(await drained).toBe(0);
  });
});
