/** What the proxy does when one of the three others fails, leaves, or does not keep to the protocol. */

import { type RequestListener, request } from "node:http";
import { createServer } from "node:net";
import { status as grpcStatus } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import type { HostPort } from "../../../src/devproxy/http-headers.ts";
import {
  encodeBodyResponse,
  encodeHeadersResponse,
  encodeImmediateResponse,
  encodeStreamedBodyResponse,
  encodeTrailersResponse,
} from "../../../src/wire/ext-proc/response-encoder.ts";
import {
  ask,
  type Bed,
  beginAsk,
  closeBeds,
  deadPort,
  readAll,
  startBed,
  startUpstream,
} from "../../support/devproxy-bed.ts";
import {
  pickEndpoint,
  type Script,
  type ScriptedStream,
  startScriptedPicker,
} from "../../support/scripted-ext-proc.ts";

afterEach(closeBeds);

const LOOPBACK = "127.0.0.1";
const POST = { method: "POST", path: "/v1/completions" };

/** A good picker, except for what it does with messages of one kind. */
function except(kind: string, step: (stream: ScriptedStream, endpoint: string) => void): (endpoint: string) => Script {
  return (endpoint) => (stream, message) => {
    if (message.kind === kind) step(stream, endpoint);
    else pickEndpoint(endpoint)(stream, message);
  };
}

function pickOf(endpoint: string, ...more: { name: string; value: string }[]): Buffer {
  return encodeHeadersResponse("request", {
    setHeaders: [{ name: "x-gateway-destination-endpoint", value: endpoint }, ...more],
  });
}

/** Begins an answer of two chunks, and writes the second when it is told to. */
function twoChunks(): { readonly listener: RequestListener; readonly next: () => void; readonly reset: () => void } {
  let next = (): void => {};
  let reset = (): void => {};
  return {
    listener: (_, response) => {
      response.write("first");
      next = () => response.end("second");
      reset = () => response.destroy();
    },
    next: () => next(),
    reset: () => reset(),
  };
}

async function upstreamClosed(bed: Bed): Promise<void> {
  const [incoming] = bed.upstreamRequests;
  if (incoming?.socket.destroyed === false)
    await new Promise<void>((resolve) => incoming.socket.once("close", () => resolve()));
}

describe("an immediate response", () => {
  const refusal = encodeImmediateResponse({
    status: 429,
    setHeaders: [{ name: "x-llm-d-request-dropped-reason", value: "rejected-saturated" }],
    body: "full",
  });

  it("answers the client in the model server's place", async () => {
    const bed = await startBed({ script: except("requestBody", (stream) => stream.send(refusal)) });
    const answer = await ask(bed.proxy.port, POST, ["hi"]);
    expect(answer).toMatchObject({ status: 429, body: Buffer.from("full") });
    expect(answer.headers).toMatchObject({
      "x-llm-d-request-dropped-reason": "rejected-saturated",
      "content-type": "text/plain",
      "content-length": "4",
    });
    expect(bed.upstreamRequests.length).toBe(0);
    expect(await bed.record(0)).toMatchObject({ outcome: "immediate", status: 429, destination: undefined });
  });

  it("takes the place of a response whose head the client has not seen", async () => {
    const bed = await startBed({
      upstream: twoChunks().listener,
      script: except("responseHeaders", (stream) => stream.send(refusal)),
    });
    expect(await ask(bed.proxy.port)).toMatchObject({ status: 429, body: Buffer.from("full") });
    await upstreamClosed(bed);
  });

  it("cuts off a response whose head the client has seen", async () => {
    const bed = await startBed({
      upstream: twoChunks().listener,
      script: except("responseBody", (stream) => stream.send(refusal)),
    });
    const response = await beginAsk(bed.proxy.port);
    await expect(readAll(response)).rejects.toThrow("aborted");
    expect(await bed.record(0)).toMatchObject({ outcome: "immediate", status: 200 });
  });
});

describe("a client that leaves", () => {
  it("while the picker thinks has its stream cancelled", async () => {
    const bed = await startBed({ script: () => () => {} });
    const outgoing = request({ host: LOOPBACK, port: bed.proxy.port, agent: false }).on("error", () => {});
    outgoing.end();
    const stream = await bed.picker.stream(0);
    await stream.message(0);
    outgoing.destroy();
    expect(await stream.ended).toBe("cancelled");
    expect(await bed.record(0)).toMatchObject({ outcome: "client-left", status: undefined });
  });

  it("while the model server answers has stream and request cancelled", async () => {
    const bed = await startBed({ upstream: twoChunks().listener });
    const response = await beginAsk(bed.proxy.port);
    response.on("error", () => {});
    response.destroy();
    expect(await (await bed.picker.stream(0)).ended).toBe("cancelled");
    await upstreamClosed(bed);
    expect(await bed.record(0)).toMatchObject({ outcome: "client-left", status: 200 });
  });
});

describe("a picker that cannot be reached", () => {
  async function without(proxy: { failureModeAllow?: boolean; fallback?: HostPort }): Promise<Bed> {
    return startBed({ proxy: { picker: { host: LOOPBACK, port: await deadPort() }, ...proxy } });
  }

  async function fallback(): Promise<HostPort> {
    const port = await startUpstream(async (incoming, response) => {
      response.end(`fallback got ${(await readAll(incoming)).length}`);
    });
    return { host: LOOPBACK, port };
  }

  it("makes the proxy answer 500, as Envoy does", async () => {
    const bed = await without({ fallback: await fallback() });
    expect((await ask(bed.proxy.port)).status).toBe(500);
    expect(await bed.record(0)).toMatchObject({ outcome: "picker-failed", detail: expect.stringContaining("14") });
  });

  it("makes it answer 503 when it may go on but does not know where", async () => {
    const bed = await without({ failureModeAllow: true });
    expect((await ask(bed.proxy.port)).status).toBe(503);
  });

  it.each([
    ["without a body", 0],
    ["with a body", 300_000],
  ])("lets requests %s go to the fallback when it may go on", async (_, size) => {
    const bed = await without({ failureModeAllow: true, fallback: await fallback() });
    const answer = await ask(bed.proxy.port, size === 0 ? {} : POST, size === 0 ? [] : [Buffer.alloc(size)]);
    expect(String(answer.body)).toBe(`fallback got ${size}`);
    expect(await bed.record(0)).toMatchObject({ outcome: "completed", pickMs: undefined });
  });

  it("is used again when it has come back", async () => {
    const port = await deadPort();
    const bed = await startBed({ proxy: { picker: { host: LOOPBACK, port } } });
    expect((await ask(bed.proxy.port)).status).toBe(500);
    const picker = await startScriptedPicker(pickEndpoint(`${LOOPBACK}:${bed.upstreamPort}`), { port });
    let status = 500;
    // The connection is tried again after 100 ms to 1 s. Each request is an answer from the event loop, so this ends.
    while (status === 500) ({ status } = await ask(bed.proxy.port));
    expect(status).toBe(200);
    await picker.close();
  });
});

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

describe("a model server", () => {
  it("that cannot be reached is 503", async () => {
    const port = await deadPort();
    const bed = await startBed({ script: () => pickEndpoint(`${LOOPBACK}:${port}`) });
    const answer = await ask(bed.proxy.port, POST, ["hi"]);
    expect(answer.status).toBe(503);
    expect(String(answer.body)).toContain("upstream connect error");
    expect(await (await bed.picker.stream(0)).ended).toBe("cancelled");
    expect(await bed.record(0)).toMatchObject({ outcome: "upstream-failed", destination: `${LOOPBACK}:${port}` });
  });

  it("that hangs up before it answers is 503", async () => {
    const bed = await startBed({ upstream: (incoming) => incoming.socket.destroy() });
    expect((await ask(bed.proxy.port)).status).toBe(503);
  });

  it("that hangs up within its answer cuts the client off and ends the stream", async () => {
    const { listener, reset } = twoChunks();
    const bed = await startBed({ upstream: listener });
    const response = await beginAsk(bed.proxy.port);
    response.once("data", reset);
    await expect(readAll(response)).rejects.toThrow("aborted");
    expect(await (await bed.picker.stream(0)).ended).toBe("cancelled");
    expect(await bed.record(0)).toMatchObject({ outcome: "upstream-failed", status: 200 });
  });

  it("that answers before it has read the request is heard", async () => {
    const bed = await startBed({
      upstream: (_, response) => response.writeHead(413).end("too large"),
      script: (endpoint) => (stream, message) => {
        // Picks at once, as a picker that reads headers only, and keeps the body.
        if (message.kind === "requestHeaders") stream.send(pickOf(endpoint));
        else if (message.kind === "requestBody")
          stream.send(encodeStreamedBodyResponse("request", message.body, false));
        else pickEndpoint(endpoint)(stream, message);
      },
    });
    expect(await ask(bed.proxy.port, POST, ["hi"])).toMatchObject({ status: 413, body: Buffer.from("too large") });
    expect(await bed.record(0)).toMatchObject({ outcome: "completed" });
  });
});

describe("the proxy", () => {
  it("rejects when its port is taken", async () => {
    const bed = await startBed();
    await expect(startBed({ proxy: { port: bed.proxy.port } })).rejects.toMatchObject({ code: "EADDRINUSE" });
  });

  it("answers 503 to one exchange more than its maximum, and does not ask the picker", async () => {
    const bed = await startBed({ script: () => () => {}, proxy: { exchangesMax: 1 } });
    const held = request({ host: LOOPBACK, port: bed.proxy.port, agent: false }).on("error", () => {});
    held.end();
    await bed.picker.stream(0);
    expect(await ask(bed.proxy.port)).toMatchObject({ status: 503, body: Buffer.from("overload") });
    expect(bed.picker.streams.length).toBe(1);
  });

  it("breaks off what is under way when it closes, and frees its port", async () => {
    const bed = await startBed({ script: () => () => {} });
    const asked = ask(bed.proxy.port).then(
      () => "answered",
      () => "cut off",
    );
    const stream = await bed.picker.stream(0);
    await bed.proxy.close();
    expect(await stream.ended).toBe("cancelled");
    expect(["answered", "cut off"]).toContain(await asked);
    const server = createServer();
    await new Promise<void>((resolve, reject) =>
      server.once("error", reject).listen(bed.proxy.port, LOOPBACK, resolve),
    );
    await new Promise((resolve) => server.close(resolve));
  });
});
