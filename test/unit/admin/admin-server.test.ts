/** The admin server: what it answers, how it starts and ends, and TLS. Its bounds: admin-server-bounds.test.ts. */
import { once } from "node:events";
import { Agent, createServer, get, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { jsonPage, PageError } from "../../../src/admin/page.ts";
import { ConfigError } from "../../../src/base/errors.ts";
import {
  ask,
  askTls,
  closeAdminSites,
  HOST,
  hello,
  open,
  page,
  startAdminSite as start,
} from "../../support/admin-site.ts";
import { CA, CLIENT, RENEWED_SERVER, SERVER, STRANGER, type TestCertificate } from "../../support/certificates.ts";

afterEach(closeAdminSites);

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
