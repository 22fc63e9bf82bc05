/** Connections of both transports: which are given up and found lost, and what one that does not read costs. */

import type { TLSSocket } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { ManualClock, systemClock } from "../../../../src/base/clock.ts";
import { createSelfSignedCertificate } from "../../../../src/platform/self-signed-certificate.ts";
import { FLAG, FRAME, frame, numberFrame } from "../../../../src/wire/http2/frame.ts";
import { grpcFrame } from "../../../support/grpc-messages.ts";
import { callHeaders, dataFrames, endFrame, Http2Peer, headersFrame } from "../../../support/http2-peer.ts";
import { closeWires, startWire } from "../../../support/test-wire.ts";
import { closeTransports, ECHO_PATH, type RecordedCall, startTransport, WAYS } from "../../../support/transport-bed.ts";
import { until } from "../../../support/until.ts";

afterEach(async () => {
  closeWires();
  await closeTransports();
});

const HELLO = grpcFrame(Buffer.from("hello"));
/** Larger than a window. */
const LARGE = grpcFrame(Buffer.alloc(200_000, "x"));

async function openCall(peer: Http2Peer, streamId: number): Promise<void> {
  peer.write(headersFrame(streamId, callHeaders(ECHO_PATH)), dataFrames(streamId, HELLO));
  await until("it is answered", () => peer.dataOf(streamId).length >= HELLO.length);
}

describe.each(WAYS)("connections, $way:", (way) => {
  it("one that is given up is told so, serves what it has to the end, and then ends; others do not hear of it", async () => {
    const { transport, greet } = await startTransport(way);
    const [light, heavy] = [(await greet()).answerPings(), (await greet()).answerPings()];
    await openCall(light, 1);
    for (const streamId of [1, 3, 5]) await openCall(heavy, streamId);
    expect(transport.load()).toEqual({ connections: 2, streams: 4 });
    expect(transport.shedConnection(0.75)).toBe(true);
    await until("its client is told", () => heavy.goawayCode === 0);
    expect(transport.load()).toEqual({ connections: 1, streams: 4 });
    expect(transport.shedConnection(0.75)).toBe(false);
    heavy.write(...[1, 3, 5].map((streamId) => dataFrames(streamId, HELLO)), ...[1, 3, 5].map(endFrame));
    expect(await Promise.all([1, 3, 5].map((streamId) => heavy.statusOf(streamId)))).toEqual([0, 0, 0]);
    expect(heavy.dataOf(3)).toHaveLength(2 * HELLO.length);
    if (way.kind === "direct") await heavy.closed;
    expect(light.goawayCode).toBeUndefined();
    await openCall(light, 3);
  });

  it("one that is lost without a word is noticed, and its calls are over", async () => {
    const bed = await startTransport({ ...way, keepAliveMs: 50 });
    const wire = await startWire(bed.port);
    const peer = (await Http2Peer.greet(wire.port, way)).answerPings();
    await openCall(peer, 1);
    wire.cut();
    await until("the call is over", () => bed.openCount() === 0);
    expect(bed.calls).toMatchObject([{ closes: ["cancelled"] }]);
  });

  it("one that is silent is asked whether it is there, and kept when it is", async () => {
    const bed = await startTransport({ ...way, keepAliveMs: 20 });
    const peer = (await bed.greet()).answerPings();
    await openCall(peer, 1);
    await until("it was asked ten times", () => peer.framesOf(FRAME.ping).length >= 10);
    expect(bed.openCount()).toBe(1);
    await openCall(peer, 3);
  });

  it("one call that takes no answers waits, while the others on its connection go on", async () => {
    const bed = await startTransport(way);
    const peer = await bed.greet(new Map([[4, 1_000]]));
    peer.write(headersFrame(1, callHeaders(ECHO_PATH)), dataFrames(1, grpcFrame(Buffer.alloc(40_000))));
    await until("its window is full", () => peer.dataOf(1).length === 1_000);
    for (let streamId = 3; streamId < 60; streamId += 2) await openCall(peer, streamId);
    expect(peer.dataOf(1)).toHaveLength(1_000);
    peer.write(numberFrame(FRAME.windowUpdate, 1, 100_000), endFrame(1));
    expect(await peer.statusOf(1)).toBe(0);
    expect(peer.dataOf(1)).toHaveLength(40_005);
  });

  it("a client that sends without end and reads nothing is not listened to for long; another is served", async () => {
    const bed = await startTransport({ ...way, messageSizeMax: 1_000_000 });
    const greedy = await bed.greet(new Map([[4, 0x7fff_ffff]]));
    greedy.write(numberFrame(FRAME.windowUpdate, 0, 0x7000_0000), headersFrame(1, callHeaders(ECHO_PATH)));
    await greedy.settle();
    greedy.socket.pause();
    // The windows are not heeded: a server that reads on must cut the stream, one that does not stops reading.
    const wanted = 150;
    let taken = 0;
    for (let count = 0; count < wanted; count++) greedy.socket.write(dataFrames(1, LARGE), () => taken++);
    const polite = await bed.greet();
    await openCall(polite, 1);
    let before = -1;
    await until("nothing more is taken", async () => {
      const isStill = before === taken;
      before = taken;
      for (let turn = 0; turn < 20; turn++) await polite.settle();
      return isStill && before === taken;
    });
    const echoed = bed.calls[0]?.messageSizes.length ?? 0;
    expect(echoed * LARGE.length).toBeLessThan(20_000_000);
    await openCall(polite, 3);
    greedy.socket.destroy();
    await until("its calls are over", () => bed.calls[0]?.closes.length === 1);
  });
});

describe.each(WAYS.filter(({ isSecure }) => isSecure))("a certificate that is replaced, $kind,", (way) => {
  it("is shown to new connections, while an open call goes on", async () => {
    const bed = await startTransport(way);
    const old = await bed.greet();
    await openCall(old, 1);
    bed.transport.replaceCertificate(createSelfSignedCertificate(["replaced.test"], systemClock));
    const young = await bed.greet();
    const shown = ({ socket }: Http2Peer): string | undefined =>
      (socket as TLSSocket).getPeerCertificate().subjectaltname;
    expect([shown(old), shown(young)]).toEqual(["IP Address:127.0.0.1", "DNS:replaced.test"]);
    await openCall(young, 1);
    old.write(endFrame(1));
    expect(await old.statusOf(1)).toBe(0);
  });
});

describe("a client, direct,", () => {
  const SILENCE_MS = 3_600_000;

  /** A connection whose client does not read on while much is sent to it. */
  async function startUnread(clock: ManualClock) {
    const onMessage = ({ call }: RecordedCall): void => {
      for (let count = 0; count < 10; count++) call.send(Buffer.alloc(2_000_000));
    };
    const bed = await startTransport({ clock, keepAliveMs: SILENCE_MS, onMessage });
    const peer = await bed.greet(new Map([[4, 0x7fff_ffff]]));
    peer.write(numberFrame(FRAME.windowUpdate, 0, 0x7000_0000));
    await peer.settle();
    peer.socket.pause();
    peer.write(headersFrame(1, callHeaders(ECHO_PATH)), dataFrames(1, HELLO));
    await until("it is answered", () => bed.calls[0]?.messageSizes.length === 1);
    return { bed, peer };
  }

  it("that breaks the rules and does not read why is cut after a while", async () => {
    const clock = new ManualClock();
    const { bed, peer } = await startUnread(clock);
    peer.write(frame(FRAME.ping, 0, 1, Buffer.alloc(8)));
    await until("the connection is given up", () => bed.failures.length === 1);
    expect(bed.calls).toMatchObject([{ closes: ["cancelled"] }]);
    clock.advance(5_000);
    peer.socket.resume();
    await peer.closed;
    // What waited before that would have come first.
    expect(peer.goawayCode).toBeUndefined();
    await until("no timer is left", () => clock.pendingCount === 0);
  });

  it("that asks without end and does not read the answers is given up", async () => {
    const { bed, peer } = await startUnread(new ManualClock());
    const pings = Buffer.concat(Array.from({ length: 10_000 }, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8))));
    for (let count = 0; count < 150; count++) peer.write(pings);
    await until("the connection is given up", () => bed.failures.length === 1);
    expect(bed.failures).toEqual(["answers are not read"]);
  });

  it("that was told to go, and does not, is cut after a while", async () => {
    const clock = new ManualClock();
    const bed = await startTransport({ clock, keepAliveMs: SILENCE_MS });
    const [peer, other] = [await bed.greet(), await bed.greet()];
    await openCall(peer, 1);
    await openCall(other, 1);
    expect(bed.transport.shedConnection(0.5)).toBe(true);
    await until("it is told", () => peer.goawayCode === 0);
    peer.socket.allowHalfOpen = true;
    peer.write(frame(FRAME.ping, FLAG.ack, 0, peer.framesOf(FRAME.ping)[0]?.payload), endFrame(1));
    expect(await peer.statusOf(1)).toBe(0);
    await until("its time runs", () => clock.nextDueMs === 5_000);
    clock.advance(5_000);
    await until("it is gone", () => clock.pendingCount === 1);
    await openCall(other, 3);
  });
});
