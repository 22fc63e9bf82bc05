import { connect as connectHttp2 } from "node:http2";
import { afterEach, describe, expect, it } from "vitest";
import { envoyConfig, type FailOpen } from "../../src/start/envoy-config.ts";
import { layout } from "../../src/wasm/layout.ts";
import { type RunningEnvoy, startEnvoy } from "../support/envoy.ts";
import { closeEpps, type EndpointAddress, LOOPBACK, startTestEpp, type TestEpp } from "../support/epp.ts";
import { CHAT_PATH, chatBody } from "../support/ext-proc-messages.ts";
import { addressesOf, closeSimulators, startSimulators } from "../support/fleet-of-simulators.ts";
import { freePorts } from "../support/free-ports.ts";
import { beginHttp, getHttp, type HttpAnswer, postChat, postHttp, readHttp } from "../support/http-client.ts";
import { until } from "../support/until.ts";
import { closeUpstreams, type Received, sha256, startUpstream } from "../support/upstream.ts";

const envoys: RunningEnvoy[] = [];

afterEach(async () => {
  await Promise.all(envoys.splice(0).map((envoy) => envoy.stop()));
  await closeEpps();
  await closeSimulators();
  await closeUpstreams();
});

interface Bed {
  readonly epp: TestEpp;
  /** Envoy's port for clients. */
  readonly port: number;
}

/** Client → Envoy → picker, and → these servers. */
async function startBed(endpoints: readonly EndpointAddress[]): Promise<Bed> {
  const epp = await startTestEpp(endpoints);
  return { epp, port: await startProxy(configFor(epp.grpcPort)) };
}

function configFor(pickerPort: number, failOpen?: FailOpen): object {
  const picker = { host: LOOPBACK, port: pickerPort };
  return envoyConfig({ host: LOOPBACK, port: 0, adminPort: 0, picker, ...(failOpen && { failOpen }) });
}

/** Runs Envoy; its port for clients. */
async function startProxy(config: object): Promise<number> {
  const envoy = await startEnvoy(config);
  envoys.push(envoy);
  const port = envoy.ports["requests"];
  if (port === undefined) throw new Error(`Envoy has no listener "requests":\n${envoy.log()}`);
  return port;
}

function inFlight({ epp }: Bed): number {
  return epp.endpoints.endpoints.reduce((sum, { slot }) => sum + epp.counters.inFlightRequests(slot), 0);
}

async function untilNothingInFlight(bed: Bed): Promise<void> {
  await until("nothing is in flight", () => inFlight(bed) === 0);
}

describe("routing", () => {
  it("sends a long prefix back to the server that has it", async () => {
    const bed = await startBed(addressesOf(await startSimulators(3)));
    const prompts = [1, 2, 3, 4, 5].map((index) => `Story ${index}. `.repeat(300));
    const servers = new Map<string, unknown>();
    for (const prompt of prompts) servers.set(prompt, (await postChat(bed.port, prompt)).headers["x-simulator"]);
    expect(new Set(servers.values()).size).toBeGreaterThan(1);
    for (const prompt of prompts) {
      const { status, headers, text } = await postChat(bed.port, `${prompt} And now?`);
      expect([status, headers["x-simulator"]], bed.epp.decisionLines.at(-1)).toEqual([200, servers.get(prompt)]);
      expect(headers["x-went-into-resp-headers"]).toBe("true");
      expect(JSON.parse(text).usage.prompt_tokens_details.cached_tokens).toBeGreaterThan(500);
    }
    await untilNothingInFlight(bed);
  });

  it("answers a GET", async () => {
    const bed = await startBed(addressesOf(await startSimulators(2)));
    const { status, text } = await getHttp(bed.port, "/v1/models");
    expect([status, JSON.parse(text).object]).toEqual([200, "list"]);
    await untilNothingInFlight(bed);
  });

  it("serves 50 requests at once, over all servers, and keeps nothing charged", async () => {
    const fleet = await startSimulators(3);
    const bed = await startBed(addressesOf(fleet));
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => postChat(bed.port, `Question ${index}`, { stream: index % 2 === 0 })),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    const ends = answers.filter(({ text }) => text.endsWith("data: [DONE]\n\n"));
    expect(ends).toHaveLength(25);
    expect(new Set(answers.map(({ headers }) => headers["x-simulator"])).size).toBe(3);
    await untilNothingInFlight(bed);
    expect(fleet.map((simulator) => simulator.state().runningRequests)).toEqual([0, 0, 0]);
  });
});

/** A chat body of exactly this many bytes. */
function chatBodyOfSize(size: number): Buffer {
  return chatBody("x".repeat(size - chatBody("").length));
}

/** Bytes of all values, which no parser can take for JSON. */
function binaryBody(size: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: size }, (_, index) => (index * 167 + (index >> 8)) & 255));
}

describe("a body", () => {
  it.each([
    { name: "chat of 64 KiB", path: CHAT_PATH, body: chatBodyOfSize(65_536) },
    { name: "chat of 64 KiB and a byte", path: CHAT_PATH, body: chatBodyOfSize(65_537) },
    { name: "chat of 1 MiB", path: CHAT_PATH, body: chatBodyOfSize(1024 * 1024) },
    { name: "binary of 1 B, which no parser claims", path: "/other", body: binaryBody(1) },
    { name: "binary of 1 MiB, which no parser claims", path: "/other", body: binaryBody(1024 * 1024) },
    { name: "empty", path: "/other", body: Buffer.alloc(0) },
  ])("arrives at the server byte for byte: $name", async ({ path, body }) => {
    const bed = await startBed([{ name: "echo", port: (await startUpstream()).port }]);
    const { status, text } = await postHttp(bed.port, path, body);
    const received = JSON.parse(text) as Received;
    expect({ status, ...received }).toMatchObject({
      status: 200,
      method: "POST",
      path,
      size: body.length,
      sha256: sha256(body),
    });
    await untilNothingInFlight(bed);
  });

  it("of unknown length arrives whole, and with its length where Envoy takes that from a picker", async () => {
    const epp = await startTestEpp([{ name: "echo", port: (await startUpstream()).port }]);
    const config = JSON.stringify(configFor(epp.grpcPort));
    const field = '"failure_mode_allow":false';
    expect(config).toContain(field);
    const port = await startProxy(JSON.parse(config.replace(field, `${field},"allow_content_length_header":true`)));
    const body = chatBodyOfSize(300_000);
    const { request, response } = beginHttp(port, { method: "POST", path: CHAT_PATH }, [
      body.subarray(0, 1),
      body.subarray(1, 100_000),
      body.subarray(100_000),
    ]);
    expect(request.getHeader("content-length")).toBeUndefined();
    const received = JSON.parse((await readHttp(await response)).text) as Received;
    expect([received.sha256, received.headers["content-length"]]).toEqual([sha256(body), String(body.length)]);
  });

  it("that ends with trailers arrives whole", async () => {
    const bed = await startBed([{ name: "echo", port: (await startUpstream()).port }]);
    const body = chatBodyOfSize(100_000);
    const session = connectHttp2(`http://${LOOPBACK}:${bed.port}`);
    const stream = session.request({ ":method": "POST", ":path": CHAT_PATH }, { endStream: false });
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-checksum": "1" }));
    const pieces: Buffer[] = [];
    stream.on("data", (piece: Buffer) => pieces.push(piece));
    const ended = new Promise((resolve, reject) => stream.once("end", resolve).once("error", reject));
    stream.end(body);
    await ended;
    session.close();
    const received = JSON.parse(Buffer.concat(pieces).toString()) as Received;
    expect([received.size, received.sha256]).toEqual([body.length, sha256(body)]);
    await untilNothingInFlight(bed);
  });

  it.each([
    { name: "of 1 B", body: Buffer.from("x"), status: 400, says: "is not JSON" },
    { name: "that is cut", body: Buffer.from('{"model":"m",'), status: 400, says: "ends in the middle" },
    { name: "that is too large", body: chatBodyOfSize(5_000_000), status: 413, says: "is larger than 4194304 bytes" },
  ])("$name is refused with $status", async ({ body, status, says }) => {
    const bed = await startBed([{ name: "echo", port: (await startUpstream()).port }]);
    const answer = await postHttp(bed.port, CHAT_PATH, body);
    expect(answer.status).toBe(status);
    expect(answer.text).toMatch(/^inference error: /);
    expect(answer.text).toContain(says);
  });
});

describe("a streamed answer", () => {
  /** A server whose events are sent one by one by the test. */
  async function startEventBed() {
    const sent: { write: (event: string) => void; end: () => void; reset: () => void }[] = [];
    let closedCount = 0;
    const { port } = await startUpstream({
      [CHAT_PATH]: (request, response) => {
        request.resume();
        response.on("close", () => closedCount++);
        response.writeHead(200, { "content-type": "text/event-stream" });
        sent.push({
          write: (event) => void response.write(`data: ${event}\n\n`),
          end: () => void response.end(),
          reset: () => void response.socket?.resetAndDestroy(),
        });
      },
    });
    const bed = await startBed([{ name: "events", port }]);
    const exchange = beginHttp(bed.port, { method: "POST", path: CHAT_PATH }, chatBody("hello"));
    // The head comes with the first byte at the latest, whatever is buffered on the way.
    const server = await until("the server has the request", () => sent[0]);
    server.write("1");
    const response = await exchange.response;
    return { bed, exchange, server, response, closedCount: () => closedCount };
  }

  it("comes event by event, each before the next is sent", async () => {
    const { bed, server, response } = await startEventBed();
    const events = response[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    expect((await events.next()).value?.toString()).toBe("data: 1\n\n");
    for (const event of ["2", "3"]) {
      server.write(event);
      expect((await events.next()).value?.toString()).toBe(`data: ${event}\n\n`);
    }
    expect(inFlight(bed)).toBe(1);
    server.end();
    expect((await events.next()).done).toBe(true);
    await untilNothingInFlight(bed);
  });

  it("whose client leaves returns its charge, and the server is told", async () => {
    const { bed, exchange, response, closedCount } = await startEventBed();
    expect(inFlight(bed)).toBe(1);
    response.on("error", () => undefined);
    exchange.request.destroy();
    await untilNothingInFlight(bed);
    await until("the server's exchange is closed", () => closedCount() === 1);
  });

  it("whose server breaks off is cut, and its charge returned", async () => {
    const { bed, server, response } = await startEventBed();
    const whole = readHttp(response);
    server.reset();
    await expect(whole).rejects.toThrow("aborted");
    await untilNothingInFlight(bed);
  });

  it("whose picker dies is cut, and the next request is served", async () => {
    const { bed, response, closedCount } = await startEventBed();
    const killed = bed.epp.shards.kill(0);
    await expect(readHttp(response)).rejects.toThrow("aborted");
    await killed;
    await until("the server's exchange is closed", () => closedCount() === 1);
    await until(
      "the picker serves again",
      async () => (await postHttp(bed.port, "/other", Buffer.alloc(0))).status === 200,
    );
    await untilNothingInFlight(bed);
  });

  it("goes on when its picker drains meanwhile", async () => {
    const { bed, server, response } = await startEventBed();
    const closed = bed.epp.close(10_000);
    const events = response[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    expect((await events.next()).value?.toString()).toBe("data: 1\n\n");
    server.write("2");
    expect((await events.next()).value?.toString()).toBe("data: 2\n\n");
    server.end();
    expect((await events.next()).done).toBe(true);
    await closed;
  });
});

describe("failures", () => {
  it("a server that breaks off before it answers is Envoy's 503, and the charge is returned", async () => {
    const { port } = await startUpstream({ [CHAT_PATH]: (request) => request.socket.resetAndDestroy() });
    const bed = await startBed([{ name: "resets", port }]);
    expect((await postChat(bed.port, "hello")).status).toBe(503);
    await untilNothingInFlight(bed);
  });

  it("no endpoint is 503 with the reason", async () => {
    const bed = await startBed([]);
    const { status, headers, text } = await postChat(bed.port, "hello");
    expect([status, headers["x-llm-d-request-dropped-reason"]]).toEqual([503, "rejected-no-endpoints"]);
    expect(text).toBe(
      "inference error: ServiceUnavailable - failed to find endpoint candidates for serving the request",
    );
  });

  it("a picker that dies while a body arrives is 500", async () => {
    const bed = await startBed([{ name: "echo", port: (await startUpstream()).port }]);
    const { request, response } = beginHttp(bed.port, { method: "POST", path: CHAT_PATH }, "follows");
    request.write(chatBody("hello").subarray(0, 10));
    await until("the stream is open", () => bed.epp.counters.shards(layout.SHARD_COUNTER_STREAMS_OPENED) === 1);
    await bed.epp.shards.kill(0);
    expect((await readHttp(await response)).status).toBe(500);
    expect(inFlight(bed)).toBe(0);
  });

  it("without a picker a request fails, and is served again when the picker is back", async () => {
    const fleet = addressesOf(await startSimulators(2));
    const [grpcPort = 0] = await freePorts(1);
    const port = await startProxy(configFor(grpcPort));
    expect((await postChat(port, "hello")).status).toBe(500);
    const epp = await startTestEpp(fleet, { grpcPort });
    await until("a request is served", async () => (await postChat(port, "hello")).status === 200);
    await epp.close(0);
    expect((await postChat(port, "hello")).status).toBe(500);
  });

  it("without a picker a request goes to another server, where Envoy has such, whatever the client asks for", async () => {
    const fleet = addressesOf(await startSimulators(2));
    const [server] = fleet.map(({ port }) => ({ host: LOOPBACK, port }));
    if (server === undefined) throw new Error("there are two servers");
    const forbidden = await startUpstream();
    const [grpcPort = 0, healthPort = 0] = await freePorts(2);
    const port = await startProxy(configFor(grpcPort, { servers: [server], pickerHealthPort: healthPort }));
    const headers = { "x-gateway-destination-endpoint": `${LOOPBACK}:${forbidden.port}` };
    const ask = async (): Promise<HttpAnswer> => {
      const exchange = beginHttp(port, { method: "POST", path: CHAT_PATH, headers }, chatBody("hello"));
      return await readHttp(await exchange.response);
    };
    const servedBy = (name: string): Promise<HttpAnswer> =>
      until(`${name} serves`, async () => {
        const answer = await ask();
        return answer.headers["x-simulator"] === name && answer;
      });

    const unpicked = await servedBy("sim-0");
    expect([unpicked.status, unpicked.headers["x-went-into-resp-headers"]]).toEqual([200, undefined]);
    // Without a body there is nothing to lose, and no need to know beforehand.
    expect((await getHttp(port, "/v1/models")).headers["x-simulator"]).toBe("sim-0");

    const epp = await startTestEpp(fleet.slice(1), { grpcPort, healthPort });
    expect((await servedBy("sim-1")).headers["x-went-into-resp-headers"]).toBe("true");
    await epp.close(0);
    expect((await servedBy("sim-0")).status).toBe(200);
  });
});
