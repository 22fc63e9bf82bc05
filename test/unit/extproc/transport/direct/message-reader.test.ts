import { describe, expect, it } from "vitest";
import { Prng, randomSeed } from "../../../../../src/base/prng.ts";
import { ASSEMBLED_SIZE_MAX, MessageReader } from "../../../../../src/extproc/transport/direct/message-reader.ts";
import { cutAtRandom, everyCut } from "../../../../support/cuts.ts";
import { grpcFrame } from "../../../../support/grpc-messages.ts";

const SIZE_MAX = 1_000_000;

interface Heard {
  readonly messages: Buffer[];
  /** How many of them came in pieces. */
  readonly pieced: number;
  readonly fault: string | undefined;
  readonly isBetweenMessages: boolean;
}

function heardOf(cuts: readonly Buffer[], sizeMax = SIZE_MAX): Heard {
  const reader = new MessageReader(sizeMax);
  const messages: Buffer[] = [];
  const pieces: Buffer[] = [];
  let pieced = 0;
  let fault: string | undefined;
  const handler = {
    onMessage(message: Buffer) {
      expect(pieces).toEqual([]);
      messages.push(Buffer.from(message));
    },
    onMessagePiece(bytes: Buffer, left: number) {
      expect(bytes.length).toBeGreaterThan(0);
      pieces.push(Buffer.from(bytes));
      if (left > 0) return;
      pieced++;
      messages.push(Buffer.concat(pieces.splice(0)));
    },
    onHalfClose: () => undefined,
    onClose: () => undefined,
  };
  for (const cut of cuts) {
    const around = Buffer.concat([Buffer.from("<<<"), cut, Buffer.from(">>")]);
    fault = reader.push(around, 3, 3 + cut.length, handler);
    if (fault !== undefined) break;
  }
  return { messages, pieced, fault, isBetweenMessages: reader.isBetweenMessages };
}

const RUNS = 1_000;
const SIZES = [0, 1, 5, 300, ASSEMBLED_SIZE_MAX - 1, ASSEMBLED_SIZE_MAX, ASSEMBLED_SIZE_MAX + 1, 60_000];

it(`${RUNS} sequences of messages are read whole wherever they are cut`, () => {
  const seed = randomSeed();
  const prng = new Prng(seed);
  let pieced = 0;
  for (let run = 0; run < RUNS; run++) {
    const messages = Array.from({ length: 1 + prng.nextBelow(5) }, () => {
      return Buffer.alloc(SIZES[prng.nextBelow(SIZES.length)] as number, Buffer.from([prng.nextBelow(256), run & 255]));
    });
    const bytes = Buffer.concat(messages.map((message) => grpcFrame(message)));
    const heard = heardOf(cutAtRandom(bytes, prng, 10));
    expect(heard.messages.length, `seed ${seed}, run ${run}`).toBe(messages.length);
    expect(heard.messages.every((message, index) => message.equals(messages[index] as Buffer))).toBe(true);
    expect(heard).toMatchObject({ fault: undefined, isBetweenMessages: true });
    pieced += heard.pieced;
  }
  expect(pieced).toBeGreaterThan(RUNS / 10);
});

describe("a message reader", () => {
  it("reads messages at every cut, and byte by byte", () => {
    const messages = ["", "hello", "", "you"].map((text) => Buffer.from(text));
    const bytes = Buffer.concat(messages.map((message) => grpcFrame(message)));
    for (const cuts of everyCut(bytes)) expect(heardOf(cuts).messages).toEqual(messages);
    expect(heardOf([...bytes].map((byte) => Buffer.from([byte]))).messages).toEqual(messages);
  });

  it("puts small messages together, and gives large ones in the pieces in which they come", () => {
    for (const [size, pieced] of [
      [ASSEMBLED_SIZE_MAX, 0],
      [ASSEMBLED_SIZE_MAX + 1, 1],
    ] as const) {
      const bytes = grpcFrame(Buffer.alloc(size));
      expect(heardOf([bytes.subarray(0, 100), bytes.subarray(100)]).pieced).toBe(pieced);
      expect(heardOf([bytes]).pieced).toBe(0);
    }
  });

  it("is between messages only where one has ended", () => {
    const bytes = Buffer.concat([grpcFrame(Buffer.from("ab")), grpcFrame(Buffer.alloc(0))]);
    const between = everyCut(bytes).map(([first]) => heardOf([first as Buffer]).isBetweenMessages);
    expect(between.flatMap((isBetween, size) => (isBetween ? [size] : []))).toEqual([0, 7, 12]);
  });

  it.each([
    ["compressed", grpcFrame(Buffer.from("a"), 1)],
    ["too-large", grpcFrame(Buffer.alloc(11))],
    ["too-large", Buffer.from("00ffffffff", "hex")],
  ])("says of a message that it is %s, behind those before it", (fault, bytes) => {
    const before = grpcFrame(Buffer.alloc(10));
    const all = Buffer.concat([before, bytes]);
    for (const cuts of everyCut(all)) {
      const heard = heardOf(cuts, 10);
      expect([heard.fault, heard.messages]).toEqual([fault, [Buffer.alloc(10)]]);
    }
  });
});
