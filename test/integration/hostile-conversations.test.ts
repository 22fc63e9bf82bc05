import { describe, expect, it } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { BODY_SEND_MODE } from "../../src/wire/ext-proc/fields.ts";
import type { HeaderPair } from "../../src/wire/ext-proc/header-map.ts";
import {
  encodeProcessingRequest,
  type ProcessingRequestInput,
  type RequestExtras,
} from "../../src/wire/ext-proc/request-encoder.ts";
import { type TestShard, type TestStream, testShard } from "../support/conversation.ts";
import { CHAT_PATH, requestHeaders } from "../support/ext-proc-messages.ts";
import { KERNEL_BUILDS } from "../support/kernel.ts";
import { drawPlan } from "../support/request-plans.ts";

const MESSAGES_COUNT = 25_000;
const SEED = 20_261;
const STREAMS_MAX = 24;
const WINDOW_COUNT = 16;
const ENDPOINT_COUNT = 3;
const BODY_SIZE_MAX = 10_000;

/** What a stream was going to say, if nobody interfered. */
interface Talk {
  readonly stream: TestStream;
  readonly messages: ProcessingRequestInput[];
}

// Strategy: up to 24 streams over 16 windows, of random body modes, each with a plan of valid messages from request
// headers to response trailers. A step sends the next one of a stream, or one that is not due, or one whose bytes were
// changed, cut, doubled or joined with others; or it half-closes, cancels, or lets the deferred decisions be made.
// Invariants: nothing throws; a stream is open or over; each failed stream is one protocol error; and when all are
// closed nothing is charged and every window is free.
describe.each(KERNEL_BUILDS)("conversations with a hostile proxy (%s kernel)", (build) => {
  it(`leave nothing behind (${MESSAGES_COUNT} messages, seed ${SEED})`, () => {
    const prng = new Prng(SEED);
    const shard = testShard({
      build,
      endpointCount: ENDPOINT_COUNT,
      windowCount: WINDOW_COUNT,
      requestBodySizeMax: BODY_SIZE_MAX,
    });
    let talks: Talk[] = [];
    let failedCount = 0;
    let endedCount = 0;
    let sentCount = 0;
    while (sentCount < MESSAGES_COUNT) {
      if (talks.length < STREAMS_MAX && prng.nextBelow(4) === 0) talks.push(openTalk(shard, prng));
      const talk = talks[prng.nextBelow(STREAMS_MAX)];
      if (talk !== undefined) sentCount += step(talk, talks, prng);
      if (prng.nextBelow(8) === 0) shard.turn();
      failedCount += talks.filter(({ stream }) => stream.state === "failed").length;
      endedCount += talks.filter(({ stream }) => stream.state === "ended").length;
      talks = talks.filter(({ stream }) => stream.state === "open");
      expect(shard.streamsOpen).toBe(talks.length);
      expect(shard.protocolErrors.length).toBe(failedCount);
    }
    for (const { stream } of talks) stream.cancel();
    shard.turn();
    expect(shard.streamsOpen).toBe(0);
    expect(shard.freeWindowCount()).toBe(WINDOW_COUNT);
    for (let slot = 0; slot < ENDPOINT_COUNT; slot++) {
      expect([shard.counters.inFlightRequests(slot), shard.counters.inFlightTokens(slot)], `slot ${slot}`).toEqual([
        0, 0,
      ]);
    }
    // Guards against a fuzzer that has become tame: every way out was taken often.
    const ways = [failedCount, endedCount, shard.refusals.length, shard.decisions.length, shard.finished.length];
    for (const count of ways) expect(count, ways.join(", ")).toBeGreaterThan(200);
  });
});

function openTalk(shard: TestShard, prng: Prng): Talk {
  const { path, body } = drawPlan(prng, BODY_SIZE_MAX);
  const messages: ProcessingRequestInput[] = [
    { ...requestHeaders({ path, endOfStream: body === undefined, more: drawHeaders(prng) }), ...drawExtras(prng) },
  ];
  for (const [index, piece] of (body?.pieces ?? []).entries()) {
    const isLast = index === (body?.pieces.length ?? 0) - 1 && body?.endsWithTrailers === false;
    messages.push({ kind: "requestBody", body: piece, endOfStream: isLast });
  }
  if (body?.endsWithTrailers === true) messages.push({ kind: "requestTrailers", headers: drawHeaders(prng) });
  messages.push(...drawResponse(prng));
  return { stream: shard.open(), messages };
}

function drawResponse(prng: Prng): ProcessingRequestInput[] {
  const contentType = draw(prng, ["text/event-stream", "application/json", ""]);
  const headers = [
    { name: ":status", value: draw(prng, ["200", "500", "x"]) },
    { name: "content-type", value: contentType },
  ];
  const pieces = Array.from({ length: prng.nextBelow(4) }, (): ProcessingRequestInput => {
    const text = draw(prng, ['data: {"model":"m","usage":{"prompt_tokens":3}}\n\n', "data: [DO", "NE]\n\n", "", "{"]);
    return { kind: "responseBody", body: Buffer.from(text), endOfStream: prng.nextBelow(4) === 0 };
  });
  return [{ kind: "responseHeaders", headers }, ...pieces, { kind: "responseTrailers", headers: [] }];
}

function drawHeaders(prng: Prng): HeaderPair[] {
  const names = ["x-llm-d-model-name-rewrite", "x-gateway-destination-endpoint", "x-prefiller-host-port", ":path", ""];
  return Array.from({ length: prng.nextBelow(3) }, () => {
    return { name: draw(prng, names), value: draw(prng, [CHAT_PATH, "m", "", "\u{1f426}".repeat(100)]) };
  });
}

function drawExtras(prng: Prng): RequestExtras {
  const modes = Object.values(BODY_SEND_MODE);
  const protocolConfig = { requestBodyMode: draw(prng, modes), responseBodyMode: draw(prng, modes) };
  const hint = draw(prng, [["10.0.0.1:8000"], [], "10.0.0.0:8000", 7, null, ["10.9.9.9:1", 3]]);
  const key = "x-gateway-destination-endpoint-subset";
  return {
    ...(prng.nextBelow(2) === 0 && { protocolConfig }),
    ...(prng.nextBelow(4) === 0 && { metadataContext: { "envoy.lb.subset_hint": { [key]: hint } } }),
    observabilityMode: prng.nextBelow(8) === 0,
  };
}

/** One thing that happens to a stream. Returns how many messages that sent. */
function step(talk: Talk, talks: readonly Talk[], prng: Prng): number {
  const { stream, messages } = talk;
  switch (prng.nextBelow(24)) {
    case 0:
      stream.cancel();
      return 0;
    case 1:
      stream.halfClose();
      return 0;
    case 2: {
      const other = talks[prng.nextBelow(talks.length)] ?? talk;
      const notDue = other.messages[prng.nextBelow(other.messages.length + 1)];
      stream.send(notDue ?? requestHeaders());
      return 1;
    }
    case 3: {
      const victim = messages[0] ?? requestHeaders();
      stream.sendBytes(mutate(encodeProcessingRequest(victim), prng));
      return 1;
    }
    default: {
      const next = messages.shift();
      if (next === undefined) {
        stream.halfClose();
        return 0;
      }
      stream.send(next);
      return 1;
    }
  }
}

function mutate(original: Buffer, prng: Prng): Buffer {
  const bytes = Buffer.from(original);
  const at = prng.nextBelow(bytes.length + 1);
  switch (prng.nextBelow(5)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Buffer.concat([bytes, bytes]);
    case 2:
      return Buffer.concat([bytes.subarray(0, at), Buffer.from([prng.nextBelow(256)]), bytes.subarray(at)]);
    case 3:
      return Buffer.concat([bytes.subarray(at), bytes.subarray(0, at)]);
    default:
      // The first bytes hold tags and sizes.
      for (let count = 1 + prng.nextBelow(6); count > 0; count--) {
        bytes[prng.nextBelow(Math.min(bytes.length, prng.nextBelow(2) === 0 ? 12 : bytes.length))] =
          prng.nextBelow(256);
      }
      return bytes;
  }
}

function draw<Value>(prng: Prng, values: readonly Value[]): Value {
  return values[prng.nextBelow(values.length)] as Value;
}
