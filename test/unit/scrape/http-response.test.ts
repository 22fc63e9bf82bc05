/** Responses whole, cut at every place, and damaged. */
import { describe, expect, it } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { HttpResponseReader } from "../../../src/scrape/http-response.ts";

const SIZE_MAX = 100;

interface Outcome {
  readonly statusCode: number;
  readonly body: string;
  readonly isDone: boolean;
  readonly isReusable: boolean;
}

/** Reads pieces that end at these places, each out of a buffer with something else behind it. */
function read(text: string, cuts: readonly number[], isOver = false): Outcome {
  const reader = new HttpResponseReader(SIZE_MAX);
  let body = "";
  let from = 0;
  for (const end of [...cuts, text.length]) {
    const piece = Buffer.from(`${text.slice(from, end)}\r\n\r\n0\r\n\r\n`, "latin1");
    reader.read(piece, end - from, (bytes, start, stop) => {
      body += bytes.toString("latin1", start, stop);
    });
    from = end;
  }
  const isDone = isOver ? reader.end() : reader.isDone;
  return { statusCode: reader.statusCode, body, isDone, isReusable: reader.isReusable };
}

const sized = (head: string, body = "hello"): string =>
  `HTTP/1.1 200 OK\r\n${head}content-length: ${body.length}\r\n\r\n${body}`;
const chunked = (chunks: string): string => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`;

describe("a response", () => {
  it.each([
    { name: "with a size", text: sized("date: now\r\n"), body: "hello" },
    { name: "with a size of 0", text: sized("", ""), body: "" },
    { name: "with header names in any case", text: "HTTP/1.1 200 \r\nCONTENT-LENGTH:5\r\n\r\nhello", body: "hello" },
    { name: "without a reason", text: "HTTP/1.1 200\r\ncontent-length: 1\r\n\r\nx", body: "x" },
    { name: "in chunks", text: chunked("5\r\nhello\r\nA;x=1\r\n, world..!\r\n0\r\n\r\n"), body: "hello, world..!" },
    { name: "in chunks with trailers", text: chunked("1\r\nx\r\n0\r\na: b\r\nc: d\r\n\r\n"), body: "x" },
    { name: "in no chunk", text: chunked("0\r\n\r\n"), body: "" },
    { name: "after an interim one", text: `HTTP/1.1 103 Early\r\nlink: x\r\n\r\n${sized("")}`, body: "hello" },
    { name: "that says it is not encoded", text: sized("content-encoding: identity\r\n"), body: "hello" },
  ])("$name is the same however it is cut", ({ text, body }) => {
    const whole = { statusCode: 200, body, isDone: true, isReusable: true };
    expect(read(text, [])).toEqual(whole);
    for (let cut = 0; cut <= text.length; cut++) expect(read(text, [cut]), `cut at ${cut}`).toEqual(whole);
    expect(
      read(
        text,
        Array.from({ length: text.length }, (_, index) => index),
      ),
    ).toEqual(whole);
  });

  it.each([
    { name: "that ends with its connection", text: "HTTP/1.1 200 OK\r\n\r\nhello", isReusable: false },
    { name: "whose connection is closed", text: sized("connection: close\r\n"), isReusable: false },
    { name: "of HTTP/1.0", text: sized("").replace("1.1", "1.0"), isReusable: false },
    {
      name: "of HTTP/1.0 that keeps the connection",
      text: sized("Connection: Keep-Alive\r\n").replace("1.1", "1.0"),
      isReusable: true,
    },
  ])("$name: can the connection be used again: $isReusable", ({ text, isReusable }) => {
    expect(read(text, [], true)).toEqual({ statusCode: 200, body: "hello", isDone: true, isReusable });
  });

  it.each([204, 304, 404, 500])("%i has its status", (status) => {
    const text = `HTTP/1.1 ${status} X\r\ncontent-length: 0\r\n\r\n`;
    expect(read(text, [])).toMatchObject({ statusCode: status, body: "", isDone: true });
  });

  it.each([
    { name: "a size", text: sized("").slice(0, -1) },
    { name: "a head", text: "HTTP/1.1 200 OK\r\ncontent-" },
    { name: "a chunk", text: chunked("5\r\nhell") },
    { name: "the last chunk", text: chunked("5\r\nhello\r\n") },
    { name: "the trailers", text: chunked("0\r\n") },
  ])("that is cut within $name is not done", ({ text }) => {
    expect(read(text, [], true).isDone).toBe(false);
  });

  it.each([
    { name: "another protocol", text: "SSH-2.0-x\r\n\r\n", fault: "does not speak HTTP/1.1" },
    { name: "a size that is none", text: sized("").replace(": 5", ": -5"), fault: 'sent the content-length "-5"' },
    { name: "a chunk size that is none", text: chunked("x\r\n"), fault: "sent a malformed chunk" },
    { name: "a chunk that is longer than it says", text: chunked("1\r\nxy\r\n"), fault: "sent a malformed chunk" },
    { name: "a chunk size of 400 digits", text: chunked("0".repeat(400)), fault: "sent a malformed chunk" },
    { name: "a compressed body", text: sized("content-encoding: gzip\r\n"), fault: "answered in gzip" },
    { name: "more than it should", text: `${sized("")}x`, fault: "sent more than one answer" },
    { name: "a body that says it is too long", text: sized("", "x".repeat(101)), fault: "answered with more than 100" },
    { name: "a long body in chunks", text: chunked(`65\r\n${"x".repeat(101)}`), fault: "answered with more than 100" },
    {
      name: "an endless head",
      text: `HTTP/1.1 200 OK\r\na: ${"x".repeat(20_000)}`,
      fault: "a head of more than 16384",
    },
  ])("that is $name is refused, however it is cut", ({ text, fault }) => {
    expect(() => read(text, [])).toThrow(fault);
    for (let cut = 1; cut < Math.min(text.length, 150); cut++) {
      expect(() => read(text, [cut]), `cut at ${cut}`).toThrow(fault);
    }
  });

  it("that is damaged is read or refused, and never more than its bytes: 5,000 times", () => {
    const seed = 20_261_120;
    const prng = new Prng(seed);
    const texts = [sized("date: now\r\n"), chunked("5\r\nhello\r\n3;x\r\nabc\r\n0\r\na: b\r\n\r\n")];
    let refused = 0;
    for (let run = 0; run < 5_000; run++) {
      const text = texts[run % 2] as string;
      const at = prng.nextBelow(text.length);
      const damaged = text.slice(0, at) + String.fromCharCode(prng.nextBelow(256)) + text.slice(at + prng.nextBelow(3));
      try {
        expect(read(damaged, [prng.nextBelow(damaged.length)]).body.length, `seed ${seed}`).toBeLessThan(
          damaged.length,
        );
      } catch (error) {
        expect((error as Error).constructor, `seed ${seed} run ${run}: ${String(error)}`).toBe(Error);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(500);
  });

  it("can be followed by the next one", () => {
    const reader = new HttpResponseReader(SIZE_MAX);
    let body = "";
    for (const text of [sized("", "one"), chunked("3\r\ntwo\r\n0\r\n\r\n"), sized("", "three")]) {
      reader.reset();
      expect([reader.hasBegun, reader.isDone]).toEqual([false, false]);
      const bytes = Buffer.from(text);
      reader.read(bytes, bytes.length, (piece, from, end) => {
        body += `${piece.toString("latin1", from, end)} `;
      });
      expect([reader.hasBegun, reader.isDone]).toEqual([true, true]);
    }
    expect(body).toBe("one two three ");
  });
});
