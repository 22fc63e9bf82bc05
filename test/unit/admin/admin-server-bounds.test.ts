/** Visitors of the admin server who are slow, many, or strange. */
import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import type { AdminPage } from "../../../src/admin/page.ts";
import { ManualClock, systemClock } from "../../../src/base/clock.ts";
import { Prng } from "../../../src/base/prng.ts";
import { ask, closeAdminSites, hello, open, page, startAdminSite as start } from "../../support/admin-site.ts";
import { until } from "../../support/until.ts";

afterEach(closeAdminSites);

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
