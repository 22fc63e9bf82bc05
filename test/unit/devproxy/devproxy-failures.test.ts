/** What the proxy does when one of the three others fails, leaves or refuses. */

import { request } from "node:http";
import { createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { HostPort } from "../../../src/devproxy/http-headers.ts";
import { encodeImmediateResponse, encodeStreamedBodyResponse } from "../../../src/wire/ext-proc/response-encoder.ts";
import {
  ask,
  type Bed,
  beginAsk,
  closeBeds,
  deadPort,
  readAll,
  startBed,
  startUpstream,
  twoChunks,
} from "../../support/devproxy-bed.ts";
import { except, pickEndpoint, pickOf, startScriptedPicker } from "../../support/scripted-ext-proc.ts";

afterEach(closeBeds);

const LOOPBACK = "127.0.0.1";
const POST = { method: "POST", path: "/v1/completions" };

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
