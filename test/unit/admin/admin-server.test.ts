/** The admin server over real sockets on the loopback interface, with pages of the test's own. */
import { once } from "node:events";
import { Agent, createServer, get, request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest, type RequestOptions } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import {
  type AdminHttpServer,
  type AdminServer,
  type AdminServerOptions,
  startAdminServer,
} from "../../../src/admin/admin-server.ts";
import { type AdminPage, jsonPage, PageError } from "../../../src/admin/page.ts";
import { ManualClock, systemClock } from "../../../src/base/clock.ts";
import { ConfigError } from "../../../src/base/errors.ts";
import { Prng } from "../../../src/base/prng.ts";
import { CA, CLIENT, RENEWED_SERVER, SERVER, STRANGER, type TestCertificate } from "../../support/certificates.ts";
import { until } from "../../support/until.ts";

const HOST = "127.0.0.1";

const started: AdminServer[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(started.splice(0).map((server) => server.close()));
});

function page(path: string, answer: AdminPage["answer"], isEarly = true): AdminPage {
  return { path, summary: `Page ${path}.`, isEarly, contentType: "text/x-test", answer };
}

const hello = page("/hello", async function* hello({ query }) {
  yield "hello ";
  yield Buffer.from(query.get("who") ?? "world");
});

async function start(pages: readonly AdminPage[], options: Partial<AdminServerOptions> = {}): Promise<AdminHttpServer> {
  const server = await startAdminServer({
    host: HOST,
    port: 0,
    pages,
    isStarted: () => true,
    clock: systemClock,
    ...options,
  });
  started.push(server);
  return server;
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

async function ask(port: number, path: string, method = "GET", body = ""): Promise<Answer> {
  const call = httpRequest({ host: HOST, port, path, method, agent: false }).end(body);
  return await readAnswer((await once(call, "response")) as [IncomingMessage]);
}

async function askTls(port: number, path: string, options: RequestOptions): Promise<Answer> {
  const call = httpsRequest({ host: HOST, port, path, agent: false, ca: CA, ...options }).end();
  return await readAnswer((await once(call, "response")) as [IncomingMessage]);
}

async function readAnswer([response]: [IncomingMessage]): Promise<Answer> {
  let text = "";
  for await (const piece of response) text += String(piece);
  return { status: response.statusCode, headers: response.headers, text };
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, HOST);
  sockets.push(socket);
  // Whether an end comes as an end or as a reset does not matter.
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

describe("admin server", () => {
  it.each([
    { path: "/hello", text: "hello world" },
    { path: "/hello?who=you&x=1", text: "hello you" },
    { path: "/hello?who=%zz", text: "hello %zz" },
  ])("GET $path gives the page's pieces", async ({ path, text }) => {
    const { port } = await start([hello]);
    const answer = await ask(port, path);
    expect(answer).toMatchObject({ status: 200, text });
    expect(answer.headers).toMatchObject({ "content-type": "text/x-test", "cache-control": "no-store" });
  });

  it("HEAD has the headers of GET, no body, and does not ask the page", async () => {
    let asked = 0;
    const counting = page("/counting", async function* counting() {
      yield String(asked++);
    });
    const { port } = await start([{ ...counting, fileName: () => "a.txt" }]);
    const answer = await ask(port, "/counting", "HEAD");
    expect(answer).toMatchObject({ status: 200, text: "" });
    expect(answer.headers).toMatchObject({
      "content-type": "text/x-test",
      "content-disposition": 'attachment; filename="a.txt"',
    });
    expect(asked).toBe(0);
  });

  it.each(["/", "/hello/", "/hell", "/HELLO", "/nope?/hello", "//hello", "/%68ello"])(
    "GET %s is 404 with the list of what there is",
    async (path) => {
      const { port } = await start([hello, page("/other", hello.answer)]);
      expect(await ask(port, path)).toMatchObject({ status: 404, text: "not found; served here: /hello /other\n" });
    },
  );

  it.each(["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])("%s is 405, whatever its body", async (method) => {
    const { port } = await start([hello]);
    const answer = await ask(port, "/hello", method, method === "OPTIONS" ? "" : "x".repeat(100_000));
    expect(answer).toMatchObject({ status: 405, text: "only GET and HEAD are served here\n" });
    expect(answer.headers["allow"]).toBe("GET, HEAD");
  });

  it("while the picker starts, early pages answer and the others are 503", async () => {
    let isStarted = false;
    const { port } = await start([hello, page("/late", hello.answer, false)], { isStarted: () => isStarted });
    expect(await ask(port, "/hello")).toMatchObject({ status: 200 });
    expect(await ask(port, "/late")).toMatchObject({ status: 503, text: "the picker is starting; try again\n" });
    isStarted = true;
    expect(await ask(port, "/late")).toMatchObject({ status: 200 });
  });

  it.each([400, 404, 409, 503] as const)("a page's error %d before its first piece is the status", async (status) => {
    const failing = page("/failing", async function* failing() {
      if (status > 0) throw new PageError(status, "not like this");
      yield "";
    });
    const { port } = await start([failing]);
    expect(await ask(port, "/failing")).toMatchObject({ status, text: "not like this\n" });
  });

  it("any other error before the first piece is 500, and the server lives on", async () => {
    let isBroken = true;
    const { port } = await start([
      jsonPage({
        path: "/json",
        summary: "",
        isEarly: true,
        read() {
          if (isBroken) throw new Error("counters are gone");
          return { a: 1 };
        },
      }),
    ]);
    expect(await ask(port, "/json")).toMatchObject({ status: 500, text: "counters are gone\n" });
    isBroken = false;
    expect(await ask(port, "/json")).toMatchObject({ status: 200, text: '{\n  "a": 1\n}\n' });
  });

  it("an error after the first piece cuts the answer off, so that nobody takes it for whole", async () => {
    const failing = page("/failing", async function* failing() {
      yield "begun";
      throw new Error("lost");
    });
    const { port } = await start([failing]);
    await expect(ask(port, "/failing")).rejects.toThrow("aborted");
  });

  it("an error while a page is given up cuts its answer off, and the server lives on", async () => {
    const failing = page("/failing", async function* failing() {
      try {
        yield "x".repeat(1_000_000);
        yield "x".repeat(1_000_000);
      } finally {
        // oxlint-disable-next-line no-unsafe-finally
        throw new Error("cannot end");
      }
    });
    const { port } = await start([failing, hello]);
    const socket = await open(port);
    socket.write("GET /failing HTTP/1.1\r\nHost: a\r\n\r\n");
    await once(socket, "data");
    socket.destroy();
    await expect(ask(port, "/failing")).rejects.toThrow("aborted");
    expect(await ask(port, "/hello")).toMatchObject({ status: 200 });
  });

  it("other work of the thread passes between two pieces", async () => {
    let turns = 0;
    let isOver = false;
    const count = (): void => {
      turns++;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    let turnsBetween = 0;
    const { port } = await start([
      page("/pieces", async function* pieces() {
        const turnsBefore = turns;
        for (let piece = 0; piece < 50; piece++) yield "x";
        turnsBetween = turns - turnsBefore;
      }),
    ]);
    expect(await ask(port, "/pieces")).toMatchObject({ text: "x".repeat(50) });
    isOver = true;
    expect(turnsBetween).toBeGreaterThanOrEqual(49);
  });
});

describe("bounds of the admin server", () => {
  /** A page without end, and how much of it was made. */
  function endless(): { page: AdminPage; made: () => number; isOver: () => boolean } {
    let made = 0;
    let isOver = false;
    const answer = async function* answer(): AsyncGenerator<string> {
      try {
        while (true) {
          made++;
          yield "x".repeat(65_536);
        }
      } finally {
        isOver = true;
      }
    };
    return { page: page("/endless", answer), made: () => made, isOver: () => isOver };
  }

  it("a client that takes nothing stops the page, and is cut off after 10 s", async () => {
    const clock = new ManualClock();
    const endlessPage = endless();
    const overloads: string[] = [];
    const { port } = await start([endlessPage.page], { clock, onOverload: (what) => overloads.push(what) });
    const socket = await open(port);
    socket.pause();
    socket.write("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
    let before = -1;
    await until("the page waits for the client", async () => {
      const isStill = before === endlessPage.made() && clock.pendingCount === 2;
      before = endlessPage.made();
      await new Promise<void>((resolve) => systemClock.setTimeout(resolve, 20));
      return isStill && before === endlessPage.made();
    });
    // The buffers of both sockets hold some MB; without waiting there would be no end.
    expect(endlessPage.made()).toBeLessThan(1_000);
    clock.advance(9_999);
    expect(endlessPage.isOver()).toBe(false);
    clock.advance(1);
    await until("the page is given up", endlessPage.isOver);
    expect(overloads).toEqual(["stalled"]);
    expect(clock.pendingCount).toBe(0);
  });

  it("a client that goes away ends the page", async () => {
    const endlessPage = endless();
    const { port } = await start([endlessPage.page]);
    const socket = await open(port);
    socket.write("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
    await once(socket, "data");
    socket.destroy();
    expect(await until("the page is given up", endlessPage.isOver)).toBe(true);
  });

  it("an answer ends after 10 minutes, however busily it is taken", async () => {
    const clock = new ManualClock();
    const endlessPage = endless();
    const { port } = await start([endlessPage.page], { clock });
    const socket = await open(port);
    socket.write("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n");
    await once(socket, "data");
    socket.resume();
    clock.advance(600_000);
    expect(await until("the page is given up", endlessPage.isOver)).toBe(true);
  });

  it("the 17th answer at once is refused and counted; when one is over there is room again", async () => {
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let waiting = 0;
    const slow = page("/slow", async function* slow() {
      waiting++;
      await released;
      yield "done";
    });
    const overloads: string[] = [];
    const { port } = await start([slow, hello], { onOverload: (what) => overloads.push(what) });
    const answers = Array.from({ length: 16 }, () => ask(port, "/slow"));
    await until("all are under way", () => waiting === 16);
    expect(await ask(port, "/hello")).toMatchObject({ status: 503, text: "16 answers are under way; try again\n" });
    expect(overloads).toEqual(["answers"]);
    release();
    for (const answer of answers) expect(await answer).toMatchObject({ status: 200, text: "done" });
    expect(await ask(port, "/hello")).toMatchObject({ status: 200 });
  });

  it("connection 65 is closed as it comes, and counted", async () => {
    const overloads: string[] = [];
    const { port } = await start([hello], { onOverload: (what) => overloads.push(what) });
    const open64 = await Promise.all(Array.from({ length: 64 }, () => open(port)));
    const late = await open(port);
    await once(late, "close");
    expect(overloads).toEqual(["connections"]);
    open64[0]?.destroy();
    await until("there is room again", async () => (await ask(port, "/hello").catch(() => undefined))?.status === 200);
  });

  it("a request that does not come whole is given up within seconds", async () => {
    const { port } = await start([hello]);
    const socket = await open(port);
    socket.write("GET /hello HTTP/1.1\r\nHost: a\r\nX-Slow: ");
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 408 /);
  }, 15_000);

  it.each([
    { what: "a path of 100 kB", text: `GET /${"a".repeat(100_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, status: 431 },
    { what: "what is no HTTP", text: "\u0016\u0003\u0001hello\r\n\r\n", status: 400 },
  ])("$what is refused with $status, and the server lives on", async ({ text, status }) => {
    const { port } = await start([hello]);
    const socket = await open(port);
    socket.write(text);
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString()).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(await ask(port, "/hello")).toMatchObject({ status: 200 });
  });
});

describe("strange requests", () => {
  const SEED = 20_261_120;
  const REQUEST_COUNT = 500;
  const PIECES = [
    "GET",
    "HEAD",
    "POST",
    " ",
    "/hello",
    "/",
    "?",
    "who=",
    "%",
    "%00",
    "..",
    "\u00e9",
    "HTTP/1.1",
    "\r\n",
  ];
  const MORE = ["Host: a", "Content-Length: 5", "Transfer-Encoding: chunked", "Expect: 100-continue", "\t", "\0", "#x"];

  // Strategy: texts of 1 to 12 pieces of requests in random order, each on a connection of its own. Invariant: each is
  // answered or its connection is closed, and a sound request after it is served.
  it(`do no harm (${REQUEST_COUNT} of them, seed ${SEED})`, async () => {
    const prng = new Prng(SEED);
    const pieces = [...PIECES, ...MORE];
    const { port } = await start([hello]);
    for (let request = 0; request < REQUEST_COUNT; request++) {
      const count = 1 + prng.nextBelow(12);
      const text = Array.from({ length: count }, () => pieces[prng.nextBelow(pieces.length)] ?? "").join("");
      const socket = await open(port);
      socket.end(`${text}\r\n\r\n`);
      socket.resume();
      await new Promise((resolve) => socket.once("close", resolve));
    }
    expect(await ask(port, "/hello")).toMatchObject({ status: 200, text: "hello world" });
  }, 30_000);
});

describe("start and end of the admin server", () => {
  it("a port that is taken is a fault with a remedy, and so is a host that is not here", async () => {
    const other = createServer().listen(0, HOST);
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    try {
      const failing = start([hello], { port });
      await expect(failing).rejects.toThrow(ConfigError);
      await expect(failing).rejects.toThrow(
        `port ${port} on 127.0.0.1 is taken by another program; choose another one with --metrics-port`,
      );
    } finally {
      other.close();
    }
    // 192.0.2.0/24 is for documentation: no machine has it.
    await expect(start([hello], { host: "192.0.2.1" })).rejects.toThrow(
      /^port 0 on 192\.0\.2\.1 cannot be listened on: .*EADDRNOTAVAIL.*--metrics-port$/,
    );
  });

  it("closing ends idle and half-sent connections, and nobody is served any more", async () => {
    const server = await start([hello]);
    const agent = new Agent({ keepAlive: true });
    const [response] = (await once(get({ host: HOST, port: server.port, path: "/hello", agent }), "response")) as [
      IncomingMessage,
    ];
    response.resume();
    await once(response, "end");
    const halfSent = await open(server.port);
    halfSent.write("GET /hello HT");
    const closed = new Promise((resolve) => halfSent.once("close", resolve));
    await server.close();
    await closed;
    await expect(ask(server.port, "/hello")).rejects.toThrow("ECONNREFUSED");
    agent.destroy();
  });
});

describe("TLS of the admin server", () => {
  const keyPair = { cert: SERVER.certificate, key: SERVER.key };
  const as = ({ certificate: cert, key }: TestCertificate): { cert: string; key: string } => ({ cert, key });

  it("serves its certificate, and plain HTTP is not answered", async () => {
    const { port } = await start([hello], { tls: { keyPair } });
    expect(await askTls(port, "/hello", {})).toMatchObject({ status: 200, text: "hello world" });
    await expect(ask(port, "/hello")).rejects.toThrow();
  });

  it("with a client CA, only its clients are served", async () => {
    const { port } = await start([hello], { tls: { keyPair, clientCa: CA } });
    expect(await askTls(port, "/hello", as(CLIENT))).toMatchObject({ status: 200, text: "hello world" });
    await expect(askTls(port, "/hello", {})).rejects.toThrow();
    await expect(askTls(port, "/hello", as(STRANGER))).rejects.toThrow();
    expect(await askTls(port, "/hello", as(CLIENT))).toMatchObject({ status: 200 });
  });

  it("shows another certificate when it is given one, and still asks clients for theirs", async () => {
    const server = await start([hello], { tls: { keyPair, clientCa: CA } });
    const shown = async (): Promise<string> => {
      const socket = connectTls({
        host: HOST,
        port: server.port,
        ca: CA,
        ...as(CLIENT),
      });
      await once(socket, "secureConnect");
      const { subject } = socket.getPeerCertificate();
      socket.destroy();
      return String(subject.CN);
    };
    expect(await shown()).toBe("server");
    server.useKeyPair({ cert: RENEWED_SERVER.certificate, key: RENEWED_SERVER.key });
    expect(await shown()).toBe("renewed-server");
    await expect(askTls(server.port, "/hello", {})).rejects.toThrow();
  });
});
