/** What the proxy does with pickers that end their stream early or break the protocol. */
import { status as grpcStatus } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import {
  encodeBodyResponse,
  encodeHeadersResponse,
  encodeStreamedBodyResponse,
  encodeTrailersResponse,
} from "../../../src/wire/ext-proc/response-encoder.ts";
import { ask, beginAsk, closeBeds, readAll, startBed, startUpstream, twoChunks } from "../../support/devproxy-bed.ts";
import { except, pickEndpoint, pickOf } from "../../support/scripted-ext-proc.ts";

afterEach(closeBeds);

const LOOPBACK = "127.0.0.1";
const POST = { method: "POST", path: "/v1/completions" };

describe("a picker that ends the stream", () => {
  const proxy = { failureModeAllow: true };

  it("well, before it has picked, leaves a request without an address", async () => {
    const bed = await startBed({ script: except("requestHeaders", (stream) => stream.end()) });
    expect((await ask(bed.proxy.port)).status).toBe(503);
  });

  it("with an error, before it has picked, is 500", async () => {
    const bed = await startBed({
      script: except("requestHeaders", (stream) => stream.fail(grpcStatus.INTERNAL, "broken")),
    });
    expect(await ask(bed.proxy.port)).toMatchObject({ status: 500, body: Buffer.from("gRPC status 13: broken") });
  });

  it("when it has picked lets the response pass as it is", async () => {
    const bed = await startBed({
      script: (endpoint) => (stream, message) => {
        pickEndpoint(endpoint)(stream, message);
        stream.end();
      },
    });
    const answer = await ask(bed.proxy.port);
    expect(String(answer.body)).toBe("ok");
    expect(answer.headers["x-went-into-resp-headers"]).toBeUndefined();
    expect(await bed.record(0)).toMatchObject({ outcome: "completed", responseSize: 2 });
  });

  it("when it has seen the response's head and some of its body lets all of it pass", async () => {
    const body = Buffer.alloc(200_000, 7);
    const bed = await startBed({
      upstream: (_, response) => response.end(body),
      script: (endpoint) => (stream, message) => {
        if (message.kind === "requestHeaders") stream.send(pickOf(endpoint));
        else if (message.kind === "responseBody" && stream.received.length === 3) stream.end();
      },
    });
    expect((await ask(bed.proxy.port)).body.equals(body)).toBe(true);
  });

  it("with an error, after it has picked, is 500 unless the proxy may go on", async () => {
    const script = except("responseHeaders", (stream) => stream.fail(grpcStatus.UNAVAILABLE, "gone"));
    expect((await ask((await startBed({ script })).proxy.port)).status).toBe(500);
    expect((await ask((await startBed({ script, proxy })).proxy.port)).status).toBe(200);
  });

  it("with part of a body in its hands cuts the response off", async () => {
    const bed = await startBed({
      upstream: twoChunks().listener,
      script: except("responseBody", (stream) => stream.end()),
      proxy,
    });
    const response = await beginAsk(bed.proxy.port);
    await expect(readAll(response)).rejects.toThrow("aborted");
    expect(await bed.record(0)).toMatchObject({
      outcome: "picker-failed",
      detail: "the picker ended the stream early",
    });
  });

  it("with part of a request in its hands is 500", async () => {
    const bed = await startBed({
      upstream: () => {},
      script: except("requestBody", (stream, endpoint) => {
        if (stream.received.length > 2) return;
        stream.send(pickOf(endpoint));
        stream.send(encodeStreamedBodyResponse("request", Buffer.from("h"), false));
        stream.end();
      }),
      proxy,
    });
    expect((await ask(bed.proxy.port, POST, ["hi"])).status).toBe(500);
  });

  it("with its last words still unread is heard out", async () => {
    let forwardedSize = 0;
    const bed = await startBed({
      upstream: async (incoming, response) => {
        forwardedSize = (await readAll(incoming)).length;
        response.end("ok");
      },
      script: (endpoint) => (stream, message) => {
        pickEndpoint(endpoint)(stream, message);
        if ("endOfStream" in message && message.endOfStream) stream.end();
      },
    });
    expect((await ask(bed.proxy.port, POST, [Buffer.alloc(600_000)])).status).toBe(200);
    expect(forwardedSize).toBe(600_000);
  });

  it("with more of a response in its hands than the proxy keeps is 500", async () => {
    const bed = await startBed({
      upstream: (_, response) => response.end(Buffer.alloc(2_000_000)),
      script: (endpoint) => (stream, message) => {
        if (message.kind === "requestHeaders") stream.send(pickOf(endpoint));
        else if (message.kind === "responseBody" && message.endOfStream) stream.end();
      },
    });
    expect((await ask(bed.proxy.port)).status).toBe(500);
  });

  it("never, although the exchange is over, has it cancelled after five seconds", async () => {
    const clock = new ManualClock();
    const bed = await startBed({ pickerOptions: { endsStreams: false }, proxy: { clock } });
    await ask(bed.proxy.port);
    await bed.record(0);
    expect(clock.pendingCount).toBe(1);
    clock.advance(5_000);
    expect(await (await bed.picker.stream(0)).ended).toBe("cancelled");
    expect(clock.pendingCount).toBe(0);
  });

  it("never, has it cancelled when the proxy closes", async () => {
    const clock = new ManualClock();
    const bed = await startBed({ pickerOptions: { endsStreams: false }, proxy: { clock } });
    await ask(bed.proxy.port);
    await bed.record(0);
    await bed.proxy.close();
    expect(await (await bed.picker.stream(0)).ended).toBe("cancelled");
    expect(clock.pendingCount).toBe(0);
  });

  it("with more of a request in its hands than the proxy keeps is 500", async () => {
    const fallbackPort = await startUpstream((_, response) => response.end("fallback"));
    const bed = await startBed({
      script: except("requestBody", (stream) => {
        if (stream.received.length === 18) stream.fail(grpcStatus.UNAVAILABLE, "gone");
      }),
      proxy: { ...proxy, fallback: { host: LOOPBACK, port: fallbackPort } },
    });
    expect((await ask(bed.proxy.port, POST, [Buffer.alloc(2_000_000)])).status).toBe(500);
  });
});

describe("a picker that breaks the protocol", () => {
  const oneByte = Buffer.from("x");

  it.each<[what: string, kind: string, message: (endpoint: string) => readonly Buffer[], status: number]>([
    ["with bytes that are no message", "requestHeaders", () => [Buffer.from([0x0b])], 500],
    [
      "with a body before the headers",
      "requestHeaders",
      () => [encodeStreamedBodyResponse("request", oneByte, true)],
      500,
    ],
    ["with trailers before the headers", "requestHeaders", () => [encodeTrailersResponse("request")], 500],
    ["with response headers before a response", "requestHeaders", () => [encodeHeadersResponse("response", {})], 500],
    ["with headers twice", "requestBody", (endpoint) => [pickOf(endpoint), pickOf(endpoint)], 500],
    ["without an address", "requestHeaders", () => [encodeHeadersResponse("request", {})], 503],
    ["with a name for an address", "requestHeaders", () => [pickOf("localhost:80")], 503],
    [
      "with a replaced body",
      "requestBody",
      (endpoint) => [
        pickOf(endpoint),
        encodeBodyResponse("request", { bodyMutation: { kind: "replace", body: oneByte } }),
      ],
      500,
    ],
    ["with CONTINUE_AND_REPLACE", "requestHeaders", () => [encodeHeadersResponse("request", { status: 1 })], 500],
    [
      "with a header that is not HTTP",
      "requestHeaders",
      (endpoint) => [pickOf(endpoint, { name: "a", value: "b\r\nc: d" })],
      500,
    ],
    [
      "with less body than it promised",
      "requestBody",
      (endpoint) => [
        pickOf(endpoint, { name: "content-length", value: "2" }),
        encodeStreamedBodyResponse("request", oneByte, true),
      ],
      500,
    ],
    [
      "with more body than it promised",
      "requestBody",
      (endpoint) => [
        pickOf(endpoint, { name: "content-length", value: "2" }),
        encodeStreamedBodyResponse("request", Buffer.alloc(3), false),
      ],
      500,
    ],
    [
      "with a body's size for a request without a body",
      "requestHeaders",
      (endpoint) => [pickOf(endpoint, { name: "content-length", value: "2" })],
      500,
    ],
    [
      "with a status that is none",
      "responseHeaders",
      () => [encodeHeadersResponse("response", { setHeaders: [{ name: ":status", value: "1e9" }] })],
      500,
    ],
    [
      "with a body before the response's headers",
      "responseHeaders",
      () => [encodeStreamedBodyResponse("response", oneByte, true)],
      500,
    ],
    [
      "with a response header that is not HTTP",
      "responseHeaders",
      () => [encodeHeadersResponse("response", { setHeaders: [{ name: "a", value: "b\r\nc: d" }] })],
      500,
    ],
  ])("%s is answered for", async (_, kind, messages, status) => {
    let sent = false;
    const bed = await startBed({
      script: (endpoint) => (stream, message) => {
        if (message.kind !== kind) pickEndpoint(endpoint)(stream, message);
        else if (!sent) for (const bytes of messages(endpoint)) stream.send(bytes);
        sent ||= message.kind === kind;
      },
    });
    const hasBody = kind === "requestBody";
    const answer = await ask(bed.proxy.port, hasBody ? POST : {}, hasBody ? ["hi"] : []);
    expect(answer.status).toBe(status);
    expect(await bed.record(0)).toMatchObject({ outcome: "picker-failed", status });
    await (await bed.picker.stream(0)).ended;
  });
});
