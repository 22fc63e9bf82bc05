/**
 * Strategy: random conversations in all body modes (valid, bad, cut, too large and unread bodies, in messages of any
 * size, with another model name, with trailers, with metadata behind bodies, out of order, with a response) on two
 * shards of the same seed: one gets its messages whole, the other in pieces that are cut at random. Invariants: both
 * give the same answers and end alike, and neither keeps a slab when its streams are over.
 */
import { describe, expect, it } from "vitest";
import { Prng, randomSeed } from "../../../src/base/prng.ts";
import { BODY_SEND_MODE } from "../../../src/wire/ext-proc/fields.ts";
import { encodeProcessingRequest, type ProcessingRequestInput } from "../../../src/wire/ext-proc/request-encoder.ts";
import type { ProcessingResponse } from "../../../src/wire/ext-proc/response-decoder.ts";
import { testShard } from "../../support/conversation.ts";
import { bodyMessages, chatBody, requestHeaders } from "../../support/ext-proc-messages.ts";
import { drawPlan } from "../../support/request-plans.ts";

const CONVERSATIONS_COUNT = 1_000;
const BODY_SIZE_MAX = 60_000;
const seed = randomSeed();

const MODES = Object.values(BODY_SEND_MODE);
const RENAME = [{ name: "x-llm-d-model-name-rewrite", value: "another-name" }];
const SUBSET = { "envoy.lb.subset_hint": { "x-gateway-destination-endpoint-subset": "10.0.0.1:8000" } };
const RESPONSE: readonly ProcessingRequestInput[] = [
  { kind: "responseHeaders", headers: [{ name: ":status", value: "200" }] },
  { kind: "responseBody", body: Buffer.alloc(2_000, "r"), endOfStream: false },
  {
    kind: "responseBody",
    body: Buffer.from('{"model":"another-name","usage":{"prompt_tokens":7}}'),
    endOfStream: true,
  },
];

/** For comparisons, which are slow on buffers. */
function textOf(answer: ProcessingResponse): string {
  return JSON.stringify(answer, (_, value: unknown) =>
    typeof value === "object" && value !== null && "data" in value
      ? Buffer.from(value.data as number[]).toString("latin1")
      : value,
  );
}

/** The messages of one request and its response; `undefined` for the end of an event-loop turn. */
function drawConversation(prng: Prng): (ProcessingRequestInput | undefined)[] {
  const chance = (percent: number): boolean => prng.nextBelow(100) < percent;
  const plan = chance(20)
    ? { path: "/v1/chat/completions", body: { pieces: [chatBody("l".repeat(30_000))], endsWithTrailers: false } }
    : drawPlan(prng, chance(10) ? BODY_SIZE_MAX : 2_000);
  const { path, body } = plan;
  const mode = MODES[prng.nextBelow(MODES.length)] ?? 0;
  const more = chance(30) ? RENAME : [];
  const messages: (ProcessingRequestInput | undefined)[] = [
    {
      ...requestHeaders({ path, endOfStream: body === undefined, more }),
      protocolConfig: { requestBodyMode: mode, responseBodyMode: mode },
    },
  ];
  const isOne = mode === BODY_SEND_MODE.buffered || mode === BODY_SEND_MODE.bufferedPartial;
  const pieces = isOne ? [Buffer.concat(body?.pieces ?? [])] : (body?.pieces ?? []);
  const endsWithTrailers = body?.endsWithTrailers === true || chance(5);
  for (const [index, piece] of pieces.entries()) {
    const endOfStream = index === pieces.length - 1 && !endsWithTrailers;
    const extras = chance(10) ? { metadataContext: SUBSET } : {};
    if (chance(10)) messages.push(undefined);
    messages.push({ kind: "requestBody", body: piece, endOfStream, ...extras });
  }
  if (endsWithTrailers) messages.push({ kind: "requestTrailers", headers: [] });
  if (chance(3)) messages.splice(prng.nextBelow(messages.length), 1);
  return [...messages, undefined, ...(chance(50) ? RESPONSE : [])];
}

describe("a conversation whose messages come in pieces", () => {
  it(`answers as one whose messages come whole (${CONVERSATIONS_COUNT} conversations, seed ${seed})`, () => {
    const prng = new Prng(seed);
    const [whole, cut] = (["whole", "in pieces"] as const).map((delivery) =>
      testShard({ build: "release", delivery, seed, requestBodySizeMax: BODY_SIZE_MAX }),
    );
    if (whole === undefined || cut === undefined) throw new Error("there are two shards");
    const ends = new Map<string, number>();
    for (let count = 0; count < CONVERSATIONS_COUNT; count++) {
      const messages = drawConversation(prng);
      const isHalfClosed = prng.nextBelow(5) === 0;
      const [expected, actual] = [whole, cut].map((shard) => {
        const stream = shard.open();
        for (const message of messages) {
          if (message === undefined) shard.turn();
          else stream.send(message);
        }
        if (isHalfClosed) stream.halfClose();
        shard.turn();
        const { answers, state, failure } = stream;
        stream.cancel();
        return { answers: answers.map(textOf), last: answers.at(-1)?.kind, state, failure };
      });
      expect(actual, `conversation ${count}`).toEqual(expected);
      expect([whole.slabsTaken, cut.slabsTaken]).toEqual([0, 0]);
      const end = `${expected?.state} with ${expected?.last}`;
      ends.set(end, (ends.get(end) ?? 0) + 1);
    }
    expect(cut.refusals.map(({ code }) => code)).toEqual(whole.refusals.map(({ code }) => code));
    expect(cut.decisions.map(({ pick }) => pick)).toEqual(whole.decisions.map(({ pick }) => pick));
    for (const end of ["open with responseBody", "ended with immediateResponse", "open with requestBody"]) {
      expect(ends.get(end), end).toBeGreaterThan(CONVERSATIONS_COUNT / 50);
    }
    expect(ends.get("failed with undefined") ?? 0, "failed").toBeGreaterThan(0);
  });
});

/** Gives the message in pieces of that size, as long as the stream is open. Returns how many it took. */
function sendInPieces(shard: ReturnType<typeof testShard>, message: ProcessingRequestInput, size: number) {
  const stream = shard.open();
  stream.send(requestHeaders());
  const bytes = encodeProcessingRequest(message);
  let taken = 0;
  for (let at = 0; at < bytes.length && stream.state === "open"; at += size, taken++) {
    stream.sendPiece(bytes.subarray(at, at + size), Math.max(0, bytes.length - at - size));
  }
  return { stream, taken };
}

describe("a large body message", () => {
  it("is refused at the piece that cannot be right, and takes no slab from then on", () => {
    const shard = testShard();
    const body = Buffer.concat([Buffer.from('{"model":"m",!'), Buffer.alloc(100_000, "x")]);
    const { stream, taken } = sendInPieces(shard, { kind: "requestBody", body, endOfStream: true }, 1_000);
    expect([taken, stream.state]).toEqual([1, "ended"]);
    expect(stream.answers.at(-1)).toMatchObject({ kind: "immediateResponse", immediate: { status: 400 } });
    expect(shard.slabsTaken).toBe(0);
  });

  it("is refused at the piece with which it is too large", () => {
    const shard = testShard({ requestBodySizeMax: 10_000 });
    const message = { kind: "requestBody", body: chatBody("x".repeat(50_000)), endOfStream: true } as const;
    const { stream, taken } = sendInPieces(shard, message, 1_000);
    expect(taken).toBe(11);
    expect(stream.answers.at(-1)).toMatchObject({ kind: "immediateResponse", immediate: { status: 413 } });
  });

  it("fails the stream as soon as it is malformed, and not before", () => {
    const shard = testShard();
    const stream = shard.open();
    stream.send(requestHeaders());
    stream.sendPiece(Buffer.from([0x22, 100, 0x0a, 2, 0x7b]), 200);
    expect(stream.state).toBe("open");
    stream.sendPiece(Buffer.from([0x7d, 0x0a]), 198);
    expect(stream.state).toBe("open");
    stream.sendPiece(Buffer.alloc(198), 0);
    expect([stream.state, stream.failure]).toEqual(["failed", "malformed message: a message has two bodies"]);
    expect(shard.slabsTaken).toBe(0);
  });
});

describe("slabs", () => {
  it("hold a body until it is answered, and no longer", () => {
    const shard = testShard();
    const stream = shard.open();
    const messages = bodyMessages("requestBody", chatBody("x".repeat(40_000)));
    stream.send(requestHeaders(), ...messages.slice(0, 2));
    expect(shard.slabsTaken).toBe(2);
    stream.send(...messages.slice(2));
    expect(shard.slabsTaken).toBe(3);
    shard.turn();
    expect(shard.slabsTaken).toBe(0);
    expect(stream.state).toBe("open");
  });

  it("hold no body that the proxy keeps and that is not changed", () => {
    const shard = testShard();
    const stream = shard.open();
    stream.send({ ...requestHeaders(), protocolConfig: { requestBodyMode: BODY_SEND_MODE.buffered } });
    stream.send({ kind: "requestBody", body: chatBody("hello"), endOfStream: true });
    expect(shard.slabsTaken).toBe(0);
    shard.turn();
    expect(stream.answers).toHaveLength(2);
  });

  it("that do not suffice are counted, and the body goes its way all the same", () => {
    const shard = testShard({ slabsMax: 1 });
    const body = chatBody("x".repeat(100_000));
    const stream = shard.open();
    stream.send(requestHeaders(), ...bodyMessages("requestBody", body));
    shard.turn();
    const pieces = stream.answers.flatMap((answer) =>
      answer.kind === "requestBody" && answer.common.bodyMutation?.kind === "streamed"
        ? [answer.common.bodyMutation.body]
        : [],
    );
    expect(Buffer.concat(pieces).equals(body)).toBe(true);
    expect([shard.slabsExhausted, shard.slabsTaken]).toEqual([1, 0]);
  });
});
