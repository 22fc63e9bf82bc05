/** What the proxy does with exchanges that go well: what the picker is shown, what goes on, what the client gets. */
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { forEachHeader } from "../../../src/wire/ext-proc/header-map.ts";
import { readProtocolConfig } from "../../../src/wire/ext-proc/request-context.ts";
import type { ProcessingRequest } from "../../../src/wire/ext-proc/request-decoder.ts";
import { encodeHeadersResponse, encodeStreamedBodyResponse } from "../../../src/wire/ext-proc/response-encoder.ts";
import { ask, beginAsk, closeBeds, readAll, startBed } from "../../support/devproxy-bed.ts";
import { bodyOf, pickEndpoint } from "../../support/scripted-ext-proc.ts";

afterEach(closeBeds);

function headersOf(message: ProcessingRequest | undefined): [string, string][] {
  const headers: [string, string][] = [];
  if (message !== undefined && "headers" in message) {
    forEachHeader(message.headers, (name, value) => headers.push([name, value]));
  }
  return headers;
}

/** Kind, size and end of each message. */
function outline(messages: readonly ProcessingRequest[]): string[] {
  return messages.map((message) => {
    const size = "body" in message ? ` ${message.body.length}` : "";
    return `${message.kind}${size}${"endOfStream" in message && message.endOfStream ? " end" : ""}`;
  });
}

const POST = { method: "POST", path: "/v1/completions" };

describe("a request without a body", () => {
  it("is shown to the picker in one message, pseudo headers first", async () => {
    const bed = await startBed();
    await ask(bed.proxy.port, { path: "/v1/models?x=1", headers: { Host: "models.test", "X-Mixed-Case": "Yes" } });
    const stream = await bed.picker.stream(0);
    const [message] = stream.received;
    expect(outline(stream.received.slice(0, 1))).toEqual(["requestHeaders end"]);
    expect(headersOf(message)).toEqual([
      [":method", "GET"],
      [":scheme", "http"],
      [":authority", "models.test"],
      [":path", "/v1/models?x=1"],
      ["x-mixed-case", "Yes"],
      ["x-request-id", expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)],
    ]);
  });

  it("tells the picker both body modes in its first message and not again", async () => {
    const bed = await startBed();
    await ask(bed.proxy.port);
    const configs = (await bed.picker.stream(0)).received.map(readProtocolConfig);
    expect(configs[0]).toEqual({
      requestBodyMode: 4,
      responseBodyMode: 4,
      sendBodyWithoutWaitingForHeaderResponse: false,
    });
    expect(configs.slice(1).filter((config) => config !== undefined)).toEqual([]);
  });

  it("keeps the request id of the client", async () => {
    const bed = await startBed();
    await ask(bed.proxy.port, { headers: { "X-Request-Id": "mine" } });
    const headers = headersOf((await bed.picker.stream(0)).received[0]);
    expect(headers.filter(([name]) => name === "x-request-id")).toEqual([["x-request-id", "mine"]]);
    expect((await bed.record(0)).requestId).toBe("mine");
  });

  it("goes to the picked endpoint with the picker's headers and without a body", async () => {
    const bed = await startBed();
    const answer = await ask(bed.proxy.port, { path: "/health", headers: { Host: "models.test" } });
    expect(answer).toMatchObject({ status: 200, body: Buffer.from("ok") });
    const [incoming] = bed.upstreamRequests;
    expect(incoming).toMatchObject({ method: "GET", url: "/health" });
    expect(incoming?.headers).toEqual({
      host: "models.test",
      "x-request-id": expect.any(String),
      "x-gateway-destination-endpoint": `127.0.0.1:${bed.upstreamPort}`,
      connection: "keep-alive",
    });
  });

  it("goes on as an empty one when it is a POST", async () => {
    const bed = await startBed();
    await ask(bed.proxy.port, { ...POST, headers: { "content-length": "0" } });
    expect(outline((await bed.picker.stream(0)).received)[0]).toBe("requestHeaders end");
    expect(bed.upstreamRequests[0]?.headers["content-length"]).toBe("0");
  });

  it("goes on as an empty one when it is a POST that does not say so", async () => {
    const bed = await startBed();
    const socket = connect(bed.proxy.port, "127.0.0.1");
    socket.write("POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    for await (const _ of socket);
    expect(bed.upstreamRequests[0]?.headers).toMatchObject({ "content-length": "0" });
    expect(bed.upstreamRequests[0]?.headers["transfer-encoding"]).toBeUndefined();
  });

  it("gets the answer's head alone when it is a HEAD", async () => {
    const bed = await startBed({
      upstream: (_, response) => response.writeHead(200, { "content-length": "17" }).end(),
    });
    const answer = await ask(bed.proxy.port, { method: "HEAD" });
    expect(answer.headers["content-length"]).toBe("17");
    expect(outline((await bed.picker.stream(0)).received)).toEqual(["requestHeaders end", "responseHeaders end"]);
  });
});

describe("a request body", () => {
  const pieces = ['{"model":"m",', '"prompt":"', "Grüße".repeat(1_000), '"}'];
  const body = Buffer.from(pieces.join(""));

  it.each([
    ["with a length", { "content-length": String(body.length) }],
    ["in chunks", { "transfer-encoding": "chunked" }],
  ])("%s goes through picker and proxy byte for byte", async (_, headers) => {
    const bodies: Buffer[] = [];
    const bed = await startBed({
      upstream: async (incoming, response) => {
        bodies.push(await readAll(incoming));
        response.end("ok");
      },
    });
    const answer = await ask(bed.proxy.port, { ...POST, headers }, pieces);
    expect(answer.status).toBe(200);
    expect(bodyOf(await bed.picker.stream(0), "request").equals(body)).toBe(true);
    expect(bodies[0]?.equals(body)).toBe(true);
  });

  it("goes on in chunks for a method that seldom has one", async () => {
    let forwarded = "";
    const bed = await startBed({
      upstream: async (incoming, response) => {
        forwarded = String(await readAll(incoming));
        response.end();
      },
    });
    await ask(bed.proxy.port, { method: "DELETE", headers: { "transfer-encoding": "chunked" } }, ["all of it"]);
    expect(forwarded).toBe("all of it");
  });

  it("ends with its last bytes when its length is known", async () => {
    const bed = await startBed();
    await ask(bed.proxy.port, { ...POST, headers: { "content-length": "2" } }, ["hi"]);
    expect(outline((await bed.picker.stream(0)).received.slice(0, 2))).toEqual(["requestHeaders", "requestBody 2 end"]);
  });

  it("ends with an empty message when it comes in chunks", async () => {
    const bed = await startBed();
    await ask(bed.proxy.port, { ...POST, headers: { "transfer-encoding": "chunked" } }, ["hi"]);
    const messages = outline((await bed.picker.stream(0)).received.slice(0, 3));
    expect(messages).toEqual(["requestHeaders", "requestBody 2", "requestBody 0 end"]);
  });

  it("comes to the picker in messages of 64 KiB at most", async () => {
    const bed = await startBed();
    await ask(bed.proxy.port, POST, [Buffer.alloc(300_000, "x")]);
    const messages = (await bed.picker.stream(0)).received.filter((message) => message.kind === "requestBody");
    const sizes = messages.map((message) => ("body" in message ? message.body.length : 0));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(65_536);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(300_000);
  });

  it("reaches the model server as the picker changed it", async () => {
    let forwarded = "";
    const bed = await startBed({
      upstream: async (incoming, response) => {
        forwarded = `${incoming.headers["content-length"]}: ${await readAll(incoming)}`;
        response.end();
      },
      script: (endpoint) => (stream, message) => {
        if (message.kind !== "requestBody") return pickEndpoint(endpoint)(stream, message);
        const setHeaders = [
          { name: "x-gateway-destination-endpoint", value: endpoint },
          { name: "Content-Length", value: "7" },
        ];
        stream.send(encodeHeadersResponse("request", { setHeaders }));
        stream.send(encodeStreamedBodyResponse("request", Buffer.from("chan"), false));
        stream.send(encodeStreamedBodyResponse("request", [Buffer.from("g"), Buffer.from("ed")], true));
      },
    });
    await ask(bed.proxy.port, { ...POST, headers: { "content-length": "8" } }, ["original"]);
    expect(forwarded).toBe("7: changed");
  });

  it("keeps its trailers", async () => {
    let trailers: unknown;
    const bed = await startBed({
      upstream: async (incoming, response) => {
        await readAll(incoming);
        trailers = incoming.trailers;
        response.writeHead(200, { trailer: "x-checked" });
        response.write("body");
        response.addTrailers({ "x-checked": "yes" });
        response.end();
      },
    });
    const answer = await beginAsk(bed.proxy.port, { ...POST, headers: { trailer: "x-sum" } }, ["hi"], { "x-sum": "1" });
    expect(String(await readAll(answer))).toBe("body");
    expect([trailers, answer.trailers]).toEqual([{ "x-sum": "1" }, { "x-checked": "yes" }]);
    expect(outline((await bed.picker.stream(0)).received)).toEqual([
      "requestHeaders",
      "requestBody 2",
      "requestTrailers",
      "responseHeaders",
      "responseBody 4",
      "responseTrailers",
    ]);
  });
});

describe("a response", () => {
  it("is shown to the picker, status first, and carries the picker's headers", async () => {
    const bed = await startBed({
      upstream: (_, response) => response.writeHead(201, { "content-length": "2", "X-Model": "m" }).end("hi"),
    });
    const answer = await ask(bed.proxy.port);
    expect(answer).toMatchObject({ status: 201, body: Buffer.from("hi") });
    expect(answer.headers).toMatchObject({ "x-model": "m", "x-went-into-resp-headers": "true", "content-length": "2" });
    const stream = await bed.picker.stream(0);
    expect(outline(stream.received)).toEqual(["requestHeaders end", "responseHeaders", "responseBody 2 end"]);
    expect(headersOf(stream.received[1]).slice(0, 3)).toEqual([
      [":status", "201"],
      ["content-length", "2"],
      ["x-model", "m"],
    ]);
  });

  it("streams: an event reaches the client before the model server writes the next", async () => {
    const events = ["data: one\n\n", "data: two\n\n", "data: [DONE]\n\n"];
    let writeNext = (): void => {};
    const bed = await startBed({
      upstream: (_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        let written = 0;
        writeNext = () => (written < events.length ? response.write(events[written++]) : response.end());
        writeNext();
      },
    });
    const response = await beginAsk(bed.proxy.port);
    const seen: string[] = [];
    for await (const chunk of response) {
      seen.push(String(chunk));
      writeNext();
    }
    expect(seen).toEqual(events);
  });

  it("reaches the client as the picker changed it", async () => {
    const bed = await startBed({
      script: (endpoint) => (stream, message) => {
        if (message.kind !== "responseBody")
          return pickEndpoint(endpoint, { removeResponseHeaders: ["content-length"] })(stream, message);
        stream.send(encodeStreamedBodyResponse("response", Buffer.from("more than "), false));
        stream.send(encodeStreamedBodyResponse("response", message.body, message.endOfStream));
      },
    });
    expect(String((await ask(bed.proxy.port)).body)).toBe("more than ok");
  });

  it("may come back as one message of more than gRPC's usual 4 MiB", async () => {
    const bed = await startBed({
      upstream: (_, response) => response.writeHead(200, ["x", "y"]).end("x"),
      script: (endpoint) => (stream, message) => {
        if (message.kind !== "responseBody") pickEndpoint(endpoint)(stream, message);
        else if (message.endOfStream)
          stream.send(encodeStreamedBodyResponse("response", Buffer.alloc(5_000_000), true));
      },
    });
    expect((await ask(bed.proxy.port)).body.length).toBe(5_000_000);
  });

  it("gets no header of the proxy's own but those of the connection", async () => {
    const bed = await startBed({
      upstream: (_, response) => {
        response.sendDate = false;
        response.writeHead(200, { "content-length": "0" }).end();
      },
    });
    expect(Object.keys((await ask(bed.proxy.port)).headers).sort()).toEqual([
      "connection",
      "content-length",
      "x-went-into-resp-headers",
    ]);
  });

  it("without a body ends with its headers", async () => {
    const bed = await startBed({ upstream: (_, response) => response.writeHead(204).end() });
    expect(await ask(bed.proxy.port)).toMatchObject({ status: 204, body: Buffer.alloc(0) });
    expect(outline((await bed.picker.stream(0)).received)).toEqual(["requestHeaders end", "responseHeaders end"]);
  });

  it("keeps repeated headers apart, and bytes that are not ASCII", async () => {
    const bed = await startBed({
      upstream: (_, response) =>
        response.writeHead(200, ["set-cookie", "a=1", "set-cookie", "b=2", "x-name", "gr\u00fcn"]).end(),
    });
    const { headers } = await ask(bed.proxy.port);
    expect(headers).toMatchObject({ "set-cookie": ["a=1", "b=2"], "x-name": "gr\u00fcn" });
  });
});

describe("the record of an exchange", () => {
  it("tells where it went and how much it was", async () => {
    const bed = await startBed();
    await ask(bed.proxy.port, { ...POST, headers: { "x-request-id": "7" } }, ["12345"]);
    const record = await bed.record(0);
    expect(record).toEqual({
      requestId: "7",
      method: "POST",
      path: "/v1/completions",
      outcome: "completed",
      detail: undefined,
      status: 200,
      destination: `127.0.0.1:${bed.upstreamPort}`,
      pickMs: expect.any(Number),
      firstByteMs: expect.any(Number),
      totalMs: expect.any(Number),
      requestSize: 5,
      responseSize: 2,
    });
    expect(record.pickMs).toBeLessThanOrEqual(record.firstByteMs ?? 0);
    expect(record.firstByteMs).toBeLessThanOrEqual(record.totalMs);
  });

  it("comes when the picker has been told that nothing follows", async () => {
    const bed = await startBed();
    await ask(bed.proxy.port);
    expect(await (await bed.picker.stream(0)).ended).toBe("half-closed");
  });
});
