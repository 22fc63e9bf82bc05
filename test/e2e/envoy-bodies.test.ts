import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Bed, closeBeds, startBed, untilNothingInFlight } from "../support/envoy-bed.ts";
import { CHAT_PATH, chatBody } from "../support/ext-proc-messages.ts";
import { getHttp, postHttp } from "../support/http-client.ts";
import { postHttp2 } from "../support/http2-client.ts";
import { closeHttp2Upstreams, startHttp2Upstream } from "../support/http2-upstream.ts";
import { type Received, sha256, startUpstream } from "../support/upstream.ts";

const MIB = 1024 * 1024;
const SIZES = [
  { name: "0 B", size: 0 },
  { name: "1 B", size: 1 },
  { name: "64 KiB", size: 64 * 1024 },
  { name: "1 MiB", size: MIB },
  { name: "10 MiB", size: 10 * MIB },
] as const;

/** Every value of a byte, in no order that a frame has. */
function binary(size: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: size }, (_, index) => (index * 167 + (index >> 8)) & 255));
}

/** A chat request of exactly this size. */
function chatOfSize(size: number): Buffer {
  return chatBody("x".repeat(size - chatBody("").length));
}

/** JSON of exactly this size; below 2 bytes there is none. */
function jsonOfSize(size: number): Buffer {
  return size < 2 ? binary(size) : Buffer.from(JSON.stringify("y".repeat(size - 2)));
}

/** Events of together exactly this size. */
function eventsOfSize(size: number): Buffer {
  const event = `data: ${"z".repeat(992)}\n\n`;
  return Buffer.from(event.repeat(Math.ceil(size / event.length)).slice(0, size));
}

describe("bodies of every size", () => {
  let bed: Bed;

  // One bed for all: what is tested is that they pass, one after the other.
  beforeAll(async () => {
    const answers = SIZES.flatMap(({ size }) => [
      [`${CHAT_PATH}?json=${size}`, { type: "application/json", body: jsonOfSize(size) }] as const,
      [`${CHAT_PATH}?events=${size}`, { type: "text/event-stream", body: eventsOfSize(size) }] as const,
    ]);
    const upstream = await startUpstream(
      Object.fromEntries(
        answers.map(([path, { type, body }]) => [
          path,
          (request, response) => {
            request.resume();
            response.writeHead(200, {
              "content-type": type,
              ...(type.endsWith("json") && { "content-length": body.length }),
            });
            response.end(body);
          },
        ]),
      ),
    );
    bed = await startBed([{ name: "echo", port: upstream.port }], {}, { requestBodySizeMax: 16 * MIB });
  });
  afterAll(closeBeds);

  it.each(SIZES)("a request of $name that no parser claims arrives byte for byte", async ({ size }) => {
    const body = binary(size);
    const { status, text } = await postHttp(bed.port, "/other", body);
    const received = JSON.parse(text) as Received;
    expect([status, received.size, received.sha256]).toEqual([200, size, sha256(body)]);
    await untilNothingInFlight(bed);
  });

  it.each(SIZES.filter(({ size }) => size > 1))("a chat request of $name arrives byte for byte", async ({ size }) => {
    const body = chatOfSize(size);
    const { status, text } = await postHttp(bed.port, CHAT_PATH, body);
    const received = JSON.parse(text) as Received;
    expect([status, received.size, received.sha256]).toEqual([200, size, sha256(body)]);
    await untilNothingInFlight(bed);
  });

  it.each(SIZES)("a JSON answer of $name arrives byte for byte", async ({ size }) => {
    const answer = await postHttp(bed.port, `${CHAT_PATH}?json=${size}`, chatBody("hello"));
    expect([answer.status, sha256(answer.body)]).toEqual([200, sha256(jsonOfSize(size))]);
    await untilNothingInFlight(bed);
  });

  it.each(SIZES)("events of $name arrive byte for byte", async ({ size }) => {
    const answer = await postHttp(
      bed.port,
      `${CHAT_PATH}?events=${size}`,
      chatBody("hello", undefined, { stream: true }),
    );
    expect([answer.status, sha256(answer.body)]).toEqual([200, sha256(eventsOfSize(size))]);
    await untilNothingInFlight(bed);
  });

  it("a GET has none, and is served", async () => {
    const { status, text } = await getHttp(bed.port, "/v1/models");
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ method: "GET", path: "/v1/models", size: 0 });
    await untilNothingInFlight(bed);
  });
});

/** The server speaks HTTP/2. */
const HTTP2 = {
  "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    explicit_http_config: { http2_protocol_options: {} },
  },
};

describe("over HTTP/2", () => {
  afterEach(async () => {
    await closeBeds();
    await closeHttp2Upstreams();
  });

  it.each([
    { name: "with trailers", trailers: { "x-request-checksum": "1" } },
    { name: "without trailers", trailers: undefined },
  ])("a request $name passes from end to end, and so do its answer's trailers", async ({ trailers }) => {
    const upstream = await startHttp2Upstream("data: 1\n\n", { "x-answer-checksum": "2" });
    const bed = await startBed([{ name: "h2", port: upstream.port }], {
      modelServers: { typed_extension_protocol_options: HTTP2 },
    });
    const body = chatOfSize(100_000);
    const answer = await postHttp2(bed.port, CHAT_PATH, body, trailers);
    expect([answer.status, answer.body.toString()]).toEqual([200, "data: 1\n\n"]);
    expect(answer.trailers).toMatchObject({ "x-answer-checksum": "2" });
    expect(upstream.received).toHaveLength(1);
    expect(upstream.received[0]?.body.equals(body)).toBe(true);
    expect(upstream.received[0]?.trailers ?? {}).toMatchObject(trailers ?? {});
    await untilNothingInFlight(bed);
  });
});

describe("the length of a body", () => {
  afterEach(closeBeds);

  // Envoy drops what says it in full duplex, since the picker might change the body.
  it.each([
    { name: "is not told by default", externalProcessor: {}, length: undefined },
    {
      name: "is told where `allow_content_length_header` is set",
      externalProcessor: { allow_content_length_header: true },
      length: "65536",
    },
  ])("$name, to servers and clients", async ({ externalProcessor, length }) => {
    const body = jsonOfSize(65_536);
    const upstream = await startUpstream({
      "/fixed": (request, response) => {
        request.resume();
        response.setHeader("content-length", body.length);
        response.end(body);
      },
    });
    const bed = await startBed([{ name: "echo", port: upstream.port }], { externalProcessor });
    const toServer = await postHttp(bed.port, CHAT_PATH, chatOfSize(65_536));
    expect((JSON.parse(toServer.text) as Received).headers["content-length"]).toBe(length);
    const toClient = await getHttp(bed.port, "/fixed");
    expect([toClient.headers["content-length"], toClient.body.length]).toEqual([length, body.length]);
  });
});
