import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, expect, it } from "vitest";
import { Prng } from "../../../../../src/base/prng.ts";
import { CLIENT_PREFACE, FLAG, FRAME, frame, numberFrame } from "../../../../../src/wire/http2/frame.ts";
import { cutAtRandom } from "../../../../support/cuts.ts";
import { grpcFrame } from "../../../../support/grpc-messages.ts";
import { callHeaders, dataFrames, endFrame, Http2Peer, headersFrame } from "../../../../support/http2-peer.ts";
import { closeTransports, ECHO_PATH, startTransport, type TransportBed } from "../../../../support/transport-bed.ts";
import { until } from "../../../../support/until.ts";

afterEach(closeTransports);

const SEED = 20_261_124;
const CONVERSATIONS = 5_000;
/** Hostile clients at a time. */
const AT_ONCE = 100;
/** The payload buffer of every other conversation would be more. */
const GROWTH_MAX = 32 * 1024 * 1024;

const BLOCK = callHeaders(ECHO_PATH);
const HELLO = grpcFrame(Buffer.from("hello"));

/**
 * Strategy: conversations of valid frames, then bits flipped, frames cut, repeated, swapped or left out, wrong sizes,
 * floods of small frames, random bytes; cut at random places on their way; half of the clients read nothing, and all
 * leave without a word. Invariants: nothing is thrown, a good client that was there before is served all the time, each
 * call that was opened is closed once, and memory does not grow.
 */
it(`${CONVERSATIONS} hostile conversations harm neither the server nor another client`, async () => {
  const prng = new Prng(SEED);
  const bed = await startTransport({ messageSizeMax: 100_000 });
  const good = await bed.greet();
  let goodStreamId = 1;
  let callCount = 0;
  let sizeEarly = 0;
  for (let run = 0; run < CONVERSATIONS; run += AT_ONCE) {
    const name = `seed ${SEED}, conversations from ${run} on`;
    const peers = await Promise.all(Array.from({ length: AT_ONCE }, () => converse(bed, prng)));
    good.write(headersFrame(goodStreamId, BLOCK), dataFrames(goodStreamId, HELLO), endFrame(goodStreamId));
    expect(await good.statusOf(goodStreamId), name).toBe(0);
    expect(good.dataOf(goodStreamId).equals(HELLO), name).toBe(true);
    good.write(numberFrame(FRAME.windowUpdate, 0, HELLO.length));
    good.frames.length = 0;
    goodStreamId += 2;
    for (const { socket } of peers) socket.destroy();
    await until(`${name}: all calls are over`, () => bed.openCount() === 0 && bed.transport.load().connections === 1);
    const calls = bed.takeCalls();
    callCount += calls.length;
    expect(
      calls.filter(({ closes }) => closes.length !== 1),
      name,
    ).toEqual([]);
    // Buffers that are used again are there by then.
    if (run === CONVERSATIONS / 5) sizeEarly = sizeOfLive();
  }
  // The conversations were those that they should be: some opened calls, and some ended their connections.
  expect(callCount).toBeGreaterThan(CONVERSATIONS);
  expect(bed.failures.length).toBeGreaterThan(CONVERSATIONS / 4);
  expect(bed.failures.length).toBeLessThan(CONVERSATIONS);
  expect(new Set(bed.failures.map((reason) => reason.replaceAll(/\d+/g, "N"))).size).toBeGreaterThan(20);
  // Sockets of clients that do not read are closed, and buffers swept, some time later.
  await until("memory is given back", () => sizeOfLive() - sizeEarly < GROWTH_MAX);
}, 60_000);

/** Bytes that are still referred to. */
function sizeOfLive(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** One hostile client, which has said all that it had to say. */
async function converse(bed: TransportBed, prng: Prng): Promise<Http2Peer> {
  const frames = mutated(conversation(prng), prng);
  const hasPreface = prng.nextBelow(50) > 0;
  const bytes = Buffer.concat([...(hasPreface ? [CLIENT_PREFACE] : []), ...frames]);
  if (prng.nextBelow(3) === 0) flipBits(bytes, prng);
  const pieces = cutAtRandom(bytes, prng, 4);
  const isReader = prng.nextBelow(2) === 0;
  const peer = await Http2Peer.connect(bed.port);
  if (!isReader) peer.socket.pause();
  for (const piece of pieces) {
    if (piece.length > 0 && peer.socket.writable) peer.socket.write(piece);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return peer;
}

/** Frames as a good client sends them. */
function conversation(prng: Prng): Buffer[] {
  const frames = [frame(FRAME.settings, 0, 0), numberFrame(FRAME.windowUpdate, 0, 1 + prng.nextBelow(1_000_000))];
  const callCount = 1 + prng.nextBelow(6);
  for (let call = 0; call < callCount; call++) {
    const streamId = 1 + 2 * call;
    if (prng.nextBelow(4) === 0) {
      const cut = prng.nextBelow(BLOCK.length);
      frames.push(headersFrame(streamId, BLOCK.subarray(0, cut), 0));
      frames.push(frame(FRAME.continuation, FLAG.endHeaders, streamId, BLOCK.subarray(cut)));
    } else frames.push(headersFrame(streamId, BLOCK));
    for (let count = prng.nextBelow(5); count > 0; count--) {
      const size = [0, 5, 100, 4_097, 30_000][prng.nextBelow(5)] as number;
      frames.push(dataFrames(streamId, grpcFrame(Buffer.alloc(size)), 1 + prng.nextBelow(16_384)));
    }
    if (prng.nextBelow(2) === 0) frames.push(endFrame(streamId));
    if (prng.nextBelow(2) === 0) frames.push(numberFrame(FRAME.rstStream, streamId, prng.nextBelow(14)));
    if (prng.nextBelow(4) === 0) frames.push(numberFrame(FRAME.windowUpdate, streamId, prng.nextBelow(100_000)));
  }
  return frames;
}

function mutated(frames: Buffer[], prng: Prng): Buffer[] {
  const at = prng.nextBelow(frames.length);
  const one = frames[at] as Buffer;
  switch (prng.nextBelow(10)) {
    case 0:
      return frames;
    case 1:
      return frames.toSpliced(at, 1);
    case 2:
      return frames.toSpliced(at, 0, ...Array.from({ length: 1 + prng.nextBelow(20) }, () => one));
    case 3:
      return frames.toSpliced(at, 1, one.subarray(0, prng.nextBelow(one.length)));
    case 4: {
      const other = prng.nextBelow(frames.length);
      return frames.with(at, frames[other] as Buffer).with(other, one);
    }
    case 5: {
      // A size that is not that of the frame, up to the largest that three bytes hold.
      const sized = Buffer.from(one);
      sized.writeUIntBE(prng.nextBelow(2) === 0 ? prng.nextBelow(1 << 24) : prng.nextBelow(100), 0, 3);
      return frames.with(at, sized);
    }
    case 6:
      return frames.toSpliced(at, 0, flood(prng));
    case 7: {
      // Any head before a payload of any kind.
      const headed = Buffer.from(one);
      headed[3] = prng.nextBelow(12);
      headed[4] = prng.nextBelow(256);
      headed.writeUInt32BE(prng.nextBelow(16), 5);
      return frames.with(at, headed);
    }
    case 8:
      return frames.toSpliced(at, 0, randomBytes(prng, 1 + prng.nextBelow(300)));
    default:
      return frames.map((bytes) => {
        const flipped = Buffer.from(bytes);
        if (prng.nextBelow(4) === 0) flipBits(flipped, prng);
        return flipped;
      });
  }
}

/** Many small frames that cost their sender nothing. */
function flood(prng: Prng): Buffer {
  const kinds = [
    () => frame(FRAME.ping, 0, 0, Buffer.alloc(8)),
    () => frame(FRAME.settings, 0, 0),
    () => frame(FRAME.data, 0, 1),
    () => numberFrame(FRAME.rstStream, 1, 8),
    () => numberFrame(FRAME.windowUpdate, 1, 1),
    () => frame(FRAME.priority, 0, 1, Buffer.alloc(5)),
    () => frame(FRAME.headers, FLAG.endHeaders, 1 + 2 * prng.nextBelow(100), BLOCK),
    () => frame(0x20 + prng.nextBelow(200), 0, 0, Buffer.alloc(20)),
  ];
  const kind = kinds[prng.nextBelow(kinds.length)] as () => Buffer;
  return Buffer.concat(Array.from({ length: 1_000 }, kind));
}

function flipBits(bytes: Buffer, prng: Prng): void {
  for (let flips = 1 + prng.nextBelow(4); flips > 0 && bytes.length > 0; flips--) {
    const at = prng.nextBelow(bytes.length);
    bytes[at] = (bytes[at] as number) ^ (1 << prng.nextBelow(8));
  }
}

function randomBytes(prng: Prng, size: number): Buffer {
  return Buffer.from(Array.from({ length: size }, () => prng.nextBelow(256)));
}
