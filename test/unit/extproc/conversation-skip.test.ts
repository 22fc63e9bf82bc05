/** Responses whose bodies nobody looks at, or that a proxy does not show. */
import { describe, expect, it } from "vitest";
import type { ResponseBodyHandling } from "../../../src/config/config.ts";
import type { ResponseEnd } from "../../../src/framework/request.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { BODY_SEND_MODE, HEADER_SEND_MODE } from "../../../src/wire/ext-proc/fields.ts";
import type { ProcessingResponse } from "../../../src/wire/ext-proc/response-decoder.ts";
import { type TestShard, type TestStream, testShard } from "../../support/conversation.ts";
import { bodyMessages, chatBody, requestHeaders } from "../../support/ext-proc-messages.ts";
import { configOf, testPlugin } from "../../support/plugins.ts";

type Mode = keyof typeof BODY_SEND_MODE;

interface ShardOptions {
  readonly responseBody?: ResponseBodyHandling;
  readonly onEnd?: (end: ResponseEnd) => void;
}

function shardThat({ responseBody = "skip", onEnd = () => undefined }: ShardOptions = {}): TestShard {
  const noting = testPlugin("noting", ["hook"], () => ({ hooks: { onEnd: (_request, end) => onEnd(end) } }));
  const config = configOf(["single-profile-handler", "queue-scorer", "noting"], { default: ["queue-scorer"] });
  return testShard({ plugins: [noting], config: { ...config, responseBody }, endpointCount: 1 });
}

interface AskOptions {
  readonly request?: Mode;
  readonly response?: Mode;
  readonly rewriteTo?: string;
}

/** A request that has been picked for. */
function ask(shard: TestShard, options: AskOptions = {}): TestStream {
  const { request = "fullDuplexStreamed", response = "fullDuplexStreamed", rewriteTo } = options;
  const more = rewriteTo === undefined ? [] : [{ name: "x-llm-d-model-name-rewrite", value: rewriteTo }];
  const protocolConfig = { requestBodyMode: BODY_SEND_MODE[request], responseBodyMode: BODY_SEND_MODE[response] };
  const stream = shard.open();
  stream.send({ ...requestHeaders({ more }), protocolConfig });
  if (request === "streamed" || request === "none") shard.turn();
  if (request !== "none") stream.send(...bodyMessages("requestBody", chatBody("hello", "asked", { stream: true })));
  shard.turn();
  return stream;
}

const HEAD = {
  kind: "responseHeaders",
  headers: [
    { name: ":status", value: "200" },
    { name: "content-type", value: "text/event-stream" },
  ],
} as const;
const EVENT = Buffer.from('data: {"model":"renamed","usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n');

const bodyMutationOf = (answer: ProcessingResponse) => ("common" in answer ? answer.common.bodyMutation : undefined);

const inFlight = (shard: TestShard) => [shard.counters.inFlightRequests(0), shard.counters.inFlightTokens(0)];

const overrides = (answers: readonly ProcessingResponse[]) =>
  answers.flatMap(({ kind, modeOverride }) => (modeOverride === undefined ? [] : [{ kind, ...modeOverride }]));

describe("a proxy is asked not to show a body", () => {
  it("in full duplex with the pick, since later pieces would be on their way", () => {
    const shard = shardThat();
    const stream = ask(shard);
    stream.send(HEAD);
    expect(overrides(stream.answers)).toEqual([
      {
        kind: "requestHeaders",
        requestHeaderMode: HEADER_SEND_MODE.default,
        responseHeaderMode: HEADER_SEND_MODE.default,
        requestBodyMode: BODY_SEND_MODE.fullDuplexStreamed,
        responseBodyMode: BODY_SEND_MODE.none,
        requestTrailerMode: HEADER_SEND_MODE.send,
        responseTrailerMode: HEADER_SEND_MODE.send,
      },
    ]);
  });

  it.each(["buffered", "bufferedPartial", "streamed", "none"] as const)(
    "in mode %s with the answer to the response's headers, which leaves the request's mode as it is",
    (mode) => {
      const shard = shardThat();
      const stream = ask(shard, { request: mode, response: mode });
      expect(overrides(stream.answers)).toEqual([]);
      stream.send(HEAD);
      expect(overrides(stream.answers)).toMatchObject([
        {
          kind: "responseHeaders",
          requestBodyMode: BODY_SEND_MODE[mode],
          responseBodyMode: BODY_SEND_MODE.none,
          requestTrailerMode: HEADER_SEND_MODE.default,
          responseTrailerMode: HEADER_SEND_MODE.send,
        },
      ]);
    },
  );

  it("never where bodies are observed, nor for a response without one", () => {
    const observed = ask(shardThat({ responseBody: "observe" }));
    observed.send(HEAD);
    const bodiless = ask(shardThat(), { response: "streamed" });
    bodiless.send({ ...HEAD, endOfStream: true });
    expect([...overrides(observed.answers), ...overrides(bodiless.answers)]).toEqual([]);
  });

  it("not where the model's name has to be put back, which it is", () => {
    const shard = shardThat();
    const stream = ask(shard, { rewriteTo: "renamed" });
    stream.send(HEAD, { kind: "responseBody", body: EVENT, endOfStream: true });
    expect(overrides(stream.answers)).toEqual([]);
    const sentOn = stream.answers.slice(-2).map(bodyMutationOf);
    expect(JSON.stringify(sentOn)).toContain(JSON.stringify(Buffer.from(String(EVENT).replace("renamed", "asked"))));
    stream.cancel();
    expect(shard.proxyReports).toEqual(["as wanted"]);
  });
});

describe("a response that is not shown", () => {
  it("is in flight, with all its tokens, until its stream is over, which is its end", () => {
    const ends: ResponseEnd[] = [];
    const shard = shardThat({ onEnd: (end) => ends.push(end) });
    const stream = ask(shard, { response: "none" });
    const charged = inFlight(shard);
    expect(charged[0]).toBe(1);
    stream.send(HEAD);
    shard.clock.advance(60_000);
    expect(inFlight(shard)).toEqual(charged);
    stream.cancel();
    expect(inFlight(shard)).toEqual([0, 0]);
    expect(ends).toEqual([{ cause: "natural", promptTokens: undefined, completionTokens: undefined }]);
    expect(shard.finished).toMatchObject([{ cause: "natural", response: { status: 200, isUnseen: true } }]);
    expect(shard.proxyReports).toEqual(["unseen for 60000 ms", "as wanted"]);
  });

  it("whose stream ends before its headers is none", () => {
    const shard = shardThat();
    ask(shard, { response: "none" }).cancel();
    expect(shard.finished).toMatchObject([{ cause: "client-disconnect" }]);
    expect(shard.proxyReports).toEqual([]);
  });

  it("ends with its trailers, too, which are answered", () => {
    const shard = shardThat();
    const stream = ask(shard, { response: "none" });
    stream.send(HEAD, { kind: "responseTrailers", headers: [] });
    expect(stream.answers.at(-1)?.kind).toBe("responseTrailers");
    expect(inFlight(shard)[0]).toBe(1);
    stream.halfClose();
    expect([stream.state, inFlight(shard)]).toEqual(["ended", [0, 0]]);
  });

  it("though it is to be observed is reported", () => {
    const shard = shardThat({ responseBody: "observe" });
    const stream = ask(shard, { response: "none" });
    stream.send(HEAD);
    stream.cancel();
    expect(shard.proxyReports).toEqual(["hidden", "unseen for 0 ms"]);
    expect(shard.finished).toMatchObject([{ cause: "natural" }]);
  });

  it("though the model's name would have to be put back counts as a rewrite that was not made", () => {
    const shard = shardThat();
    const stream = ask(shard, { response: "none", rewriteTo: "renamed" });
    stream.send(HEAD);
    stream.cancel();
    expect([shard.rewritesSkipped, ...shard.proxyReports]).toEqual([1, "unseen for 0 ms", "as wanted"]);
  });
});

describe("a body that is shown although nobody looks at it", () => {
  it.each(["fullDuplexStreamed", "streamed", "buffered"] as const)(
    "in mode %s passes unread, and is reported once",
    (mode) => {
      const shard = shardThat();
      const stream = ask(shard, { response: mode });
      stream.send(HEAD);
      const before = stream.answers.length;
      stream.send({ kind: "responseBody", body: EVENT }, { kind: "responseBody", body: EVENT, endOfStream: true });
      const answers = stream.answers.slice(before).map(bodyMutationOf);
      const echo = (endOfStream: boolean) => ({ kind: "streamed", body: EVENT, endOfStream });
      expect(answers).toEqual(mode === "fullDuplexStreamed" ? [echo(false), echo(true)] : [undefined, undefined]);
      stream.cancel();
      expect(shard.finished).toMatchObject([{ cause: "natural", response: { bodySize: 0, usage: undefined } }]);
      expect(shard.counters.shards(layout.SHARD_COUNTER_COMPLETION_TOKENS)).toBe(0);
      expect(shard.proxyReports).toEqual([`shown in ${mode === "fullDuplexStreamed" ? "full-duplex" : mode}`]);
      expect(inFlight(shard)).toEqual([0, 0]);
    },
  );
});

describe("a proxy that half-closes", () => {
  it("before it has sent the whole body has given the request up, if it says how it sends bodies", () => {
    const shard = shardThat();
    const stream = shard.open();
    const modes = { requestBodyMode: BODY_SEND_MODE.fullDuplexStreamed, responseBodyMode: BODY_SEND_MODE.none };
    stream.send({ ...requestHeaders(), protocolConfig: modes });
    stream.send({ kind: "requestBody", body: chatBody("hello"), endOfStream: false });
    stream.halfClose();
    shard.turn();
    expect([stream.state, stream.answers.length, shard.decisions.length]).toEqual(["ended", 0, 0]);
    expect(shard.finished).toMatchObject([{ cause: "client-disconnect" }]);
  });

  it("within a response has given it up", () => {
    const shard = shardThat({ responseBody: "observe" });
    const stream = ask(shard);
    stream.send(HEAD, { kind: "responseBody", body: EVENT });
    stream.halfClose();
    expect([stream.state, inFlight(shard)]).toEqual(["ended", [0, 0]]);
    expect(shard.finished).toMatchObject([{ cause: "client-disconnect" }]);
  });
});
