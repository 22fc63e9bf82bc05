/** The scraper against real HTTP servers on the loopback interface, with a clock that the tests move. */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "../../support/until.ts";
import {
  closeScrapes,
  endpointAt,
  exposition,
  INTERVAL_MS,
  outcome,
  PLAN,
  serve,
  servers,
  setUp,
  TIMEOUT_MS,
} from "./support.ts";

const SIZE_MAX = 8 * 1024 * 1024;

afterEach(closeScrapes);

/** Time enough for what was written within this process to arrive. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe("scraper", () => {
  it("scrapes at once and then once per tick, over one connection", async () => {
    let requests = 0;
    let connections = 0;
    const { server, port } = await serve((request, response) => {
      expect([request.method, request.url]).toEqual(["GET", "/metrics"]);
      response.end(exposition(requests++));
    });
    server.on("connection", () => connections++);
    const { clock, scraper, outcomes } = setUp();
    scraper.add(endpointAt(port));
    for (let scrape = 0; scrape < 5; scrape++) {
      expect(await outcome(outcomes, scrape + 1)).toEqual({
        kind: "scraped",
        name: "sim-0",
        metrics: expect.objectContaining({
          queueDepthRequests: scrape,
          runningRequests: 2,
          kvCacheUsageFraction: 0.25,
        }),
        sent: { scrapedAtMs: scrape * INTERVAL_MS, inFlightAtScrape: 0 },
      });
      clock.advance(INTERVAL_MS - 1);
      expect(requests).toBe(scrape + 1);
      clock.advance(1);
    }
    await outcome(outcomes, 6);
    expect([requests, connections]).toEqual([6, 1]);
  });

  it("tells when it was sent and what was in flight then, however late the answer comes", async () => {
    let answer: ServerResponse | undefined;
    const { port } = await serve((_request, response) => (answer = response));
    const { clock, scraper, outcomes, inFlight } = setUp();
    clock.advance(7.5);
    inFlight.count = 4;
    scraper.add(endpointAt(port));
    const held = await until("the request", () => answer);
    inFlight.count = 9;
    clock.advance(600);
    held.end(exposition(1));
    expect(await outcome(outcomes, 1)).toMatchObject({ sent: { scrapedAtMs: 7.5, inFlightAtScrape: 4 } });
  });

  it("a refused connection is a failure, and the next tick tries again", async () => {
    const { server, port } = await serve((_request, response) => response.end(exposition(0)));
    server.close();
    const { clock, scraper, outcomes } = setUp();
    scraper.add(endpointAt(port));
    expect(await outcome(outcomes, 1)).toMatchObject({
      kind: "failed",
      reason: expect.stringContaining("ECONNREFUSED"),
    });
    const again = createServer((_request, response) => response.end(exposition(3)));
    servers.push(again);
    again.listen(port, "127.0.0.1");
    await once(again, "listening");
    clock.advance(INTERVAL_MS);
    expect(await outcome(outcomes, 2)).toMatchObject({ kind: "scraped", metrics: { queueDepthRequests: 3 } });
  });

  it.each([204, 302, 404, 500, 503])(
    "an answer with status %i is a failure, whatever its body says",
    async (status) => {
      const { port } = await serve((_request, response) => {
        response.writeHead(status, { location: "/elsewhere" }).end(status === 204 ? "" : exposition(1));
      });
      const { scraper, outcomes } = setUp();
      scraper.add(endpointAt(port));
      expect(await outcome(outcomes, 1)).toMatchObject({ kind: "failed", name: "sim-0", reason: `answered ${status}` });
    },
  );

  it("a server that does not answer fails after a second, ticks meanwhile are skipped, and it can recover", async () => {
    let requests = 0;
    const { port } = await serve((_request, response) => {
      if (++requests > 1) response.end(exposition(0));
    });
    const { clock, scraper, outcomes } = setUp();
    scraper.add(endpointAt(port));
    await until("the request", () => requests === 1);
    clock.advance(TIMEOUT_MS - 1);
    expect([requests, outcomes.length]).toEqual([1, 0]);
    clock.advance(1);
    expect(await outcome(outcomes, 1)).toMatchObject({
      kind: "failed",
      name: "sim-0",
      reason: `no complete answer within ${TIMEOUT_MS} ms`,
    });
    clock.advance(INTERVAL_MS);
    expect(await outcome(outcomes, 2)).toMatchObject({ kind: "scraped" });
    expect(requests).toBe(2);
  });

  it("an answer that trickles has no more time than one that does not come", async () => {
    let answer: ServerResponse | undefined;
    const { port } = await serve((_request, response) => {
      response.write("# a line\n");
      answer = response;
    });
    const { clock, scraper, outcomes } = setUp();
    scraper.add(endpointAt(port));
    const trickle = await until("the request", () => answer);
    for (let passed = 0; passed < TIMEOUT_MS; passed += 100) {
      expect(outcomes).toEqual([]);
      await new Promise((resolve) => trickle.write("#\n", resolve));
      clock.advance(100);
    }
    expect(await outcome(outcomes, 1)).toMatchObject({
      kind: "failed",
      reason: `no complete answer within ${TIMEOUT_MS} ms`,
    });
  });

  it.each([
    { name: "of 8 MiB is read", size: SIZE_MAX, kind: "scraped" },
    { name: "of one byte more is a failure", size: SIZE_MAX + 1, kind: "failed" },
  ])("an exposition $name", async ({ size, kind }) => {
    const { port } = await serve((_request, response) => {
      const body = Buffer.alloc(size, "#");
      body.write(exposition(5));
      response.end(body);
    });
    const { scraper, outcomes } = setUp();
    scraper.add(endpointAt(port));
    expect(await outcome(outcomes, 1)).toMatchObject({ kind });
  });

  it("a connection that the server closed as it was used again is no failure", async () => {
    let connections = 0;
    const { server, port } = await serve((request, response) => {
      // The second request of a connection finds it closed.
      const served = (request.socket as { served?: number }).served ?? 0;
      if (served > 0) request.socket.destroy();
      else response.end(exposition(connections));
      Object.assign(request.socket, { served: served + 1 });
    });
    server.on("connection", () => connections++);
    const { clock, scraper, outcomes } = setUp();
    scraper.add(endpointAt(port));
    for (let scrape = 1; scrape <= 3; scrape++) {
      expect(await outcome(outcomes, scrape)).toMatchObject({
        kind: "scraped",
        metrics: { queueDepthRequests: scrape },
      });
      clock.advance(INTERVAL_MS);
    }
    await outcome(outcomes, 4);
    expect(connections).toBe(4);
  });

  it("a server that closes a fresh connection has failed, one that closes a used one is asked once more", async () => {
    let requests = 0;
    const { port } = await serve((request, response) => {
      if (++requests === 2) response.end(exposition(0));
      else request.socket.destroy();
    });
    const { clock, scraper, outcomes } = setUp();
    scraper.add(endpointAt(port));
    const closed = { kind: "failed", reason: expect.stringMatching(/closed|hang up|ECONNRESET/) };
    expect(await outcome(outcomes, 1)).toMatchObject(closed);
    expect(requests).toBe(1);
    clock.advance(INTERVAL_MS);
    expect(await outcome(outcomes, 2)).toMatchObject({ kind: "scraped" });
    clock.advance(INTERVAL_MS);
    expect(await outcome(outcomes, 3)).toMatchObject(closed);
    expect(requests).toBe(4);
  });

  it("an answer that a used connection breaks off is a failure, and not asked for again", async () => {
    let requests = 0;
    const { port } = await serve((request, response) => {
      if (++requests === 1) return void response.end(exposition(0));
      response.write("# the beginning\n", () => request.socket.destroy());
    });
    const { clock, scraper, outcomes } = setUp();
    scraper.add(endpointAt(port));
    await outcome(outcomes, 1);
    clock.advance(INTERVAL_MS);
    expect(await outcome(outcomes, 2)).toMatchObject({ kind: "failed" });
    expect(requests).toBe(2);
  });

  it("a connection is not used again when its server says that it will close it", async () => {
    let connections = 0;
    const server = createTcpServer((socket) => {
      connections++;
      // It answers once, and never closes.
      socket.once("data", () => {
        const body = exposition(connections);
        socket.write(`HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
      });
      socket.on("error", () => undefined);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { clock, scraper, outcomes } = setUp();
    scraper.add(endpointAt((server.address() as AddressInfo).port));
    for (let scrape = 1; scrape <= 3; scrape++) {
      expect(await outcome(outcomes, scrape)).toMatchObject({ metrics: { queueDepthRequests: scrape } });
      if (scrape < 3) clock.advance(INTERVAL_MS);
    }
    scraper.close();
    server.close();
  });

  it("a slow endpoint delays only itself", async () => {
    const slow = await serve(() => undefined);
    const quick = await serve((_request, response) => response.end(exposition(0)));
    const { clock, scraper, outcomes } = setUp();
    scraper.add(endpointAt(slow.port, "slow"));
    scraper.add(endpointAt(quick.port, "quick"));
    for (let scrape = 1; scrape <= 4; scrape++) {
      expect(await outcome(outcomes, scrape)).toMatchObject({ kind: "scraped", name: "quick" });
      clock.advance(INTERVAL_MS);
    }
  });

  it("an endpoint that is removed is not scraped any more, and what was under way is not told", async () => {
    let answer: ServerResponse | undefined;
    let requests = 0;
    const { server, port } = await serve((_request, response) => {
      requests++;
      answer = response;
    });
    const { clock, scraper, outcomes } = setUp();
    const endpoint = endpointAt(port);
    scraper.add(endpoint);
    const held = await until("the request", () => answer);
    scraper.remove(endpoint);
    held.end(exposition(0));
    await until("the connection's end", async () => {
      return await new Promise<boolean>((resolve) => server.getConnections((_error, count) => resolve(count === 0)));
    });
    clock.advance(10 * TIMEOUT_MS);
    expect([requests, outcomes.length, clock.pendingCount]).toEqual([1, 0, 0]);
    scraper.remove(endpoint);
  });

  it("bytes that nobody asked for end the connection, and the next scrape has a fresh one", async () => {
    let connections = 0;
    const { server, port } = await serve((request, response) => {
      response.end(exposition(connections));
      if (connections === 1) setImmediate(() => request.socket.write("HTTP/1.1 200 OK\r\n"));
    });
    server.on("connection", () => connections++);
    const { clock, scraper, outcomes } = setUp();
    scraper.add(endpointAt(port));
    await outcome(outcomes, 1);
    await until("the connection's end", async () => {
      return await new Promise<boolean>((resolve) => server.getConnections((_error, count) => resolve(count === 0)));
    });
    clock.advance(INTERVAL_MS);
    expect(await outcome(outcomes, 2)).toMatchObject({ kind: "scraped", metrics: { queueDepthRequests: 2 } });
  });

  it("answers that come at once find room, each in its own window, or fail and say so", async () => {
    const answers: ServerResponse[] = [];
    const { port } = await serve((_request, response) => void answers.push(response));
    const { scraper, outcomes } = setUp(PLAN, { windowCount: 2 });
    for (const name of ["a", "b", "c"]) scraper.add(endpointAt(port, name));
    await until("three requests", () => answers.length === 3);
    const [start, end] = [exposition(1).slice(0, 70), exposition(1).slice(70)];
    // All three have begun before one is complete.
    for (const answer of answers) await new Promise((resolve) => answer.write(start, resolve));
    await turns(20);
    for (const answer of answers) answer.end(end);
    await outcome(outcomes, 3);
    expect(outcomes.filter(({ kind }) => kind === "scraped")).toHaveLength(2);
    expect(outcomes.find(({ kind }) => kind === "failed")).toMatchObject({
      reason: "more answers are being read at once than there is room for",
    });
  });

  it("an endpoint that is removed within its answer gives its window back", async () => {
    const answers: ServerResponse[] = [];
    const { port } = await serve((_request, response) => void answers.push(response));
    const { scraper, outcomes } = setUp(PLAN, { windowCount: 1 });
    for (const name of ["a", "b"]) {
      const endpoint = endpointAt(port, name);
      scraper.add(endpoint);
      const answer = await until("the request", () => answers.shift());
      await new Promise((resolve) => answer.write(exposition(1).slice(0, 100), resolve));
      await turns(20);
      scraper.remove(endpoint);
    }
    scraper.add(endpointAt(port, "c"));
    (await until("the request", () => answers.shift())).end(exposition(3));
    expect(await outcome(outcomes, 1)).toMatchObject({ name: "c", metrics: { queueDepthRequests: 3 } });
  });

  it("closing leaves no timer and no connection", async () => {
    const { server, port } = await serve((_request, response) => response.end(exposition(0)));
    const { clock, scraper, outcomes } = setUp();
    for (const name of ["a", "b", "c"]) scraper.add(endpointAt(port, name));
    await until("three scrapes", () => outcomes.length === 3);
    scraper.close();
    expect(clock.pendingCount).toBe(0);
    await until("the connections' end", async () => {
      return await new Promise<boolean>((resolve) => server.getConnections((_error, count) => resolve(count === 0)));
    });
  });
});
