import { describe, expect, it } from "vitest";
import { Prng, randomSeed } from "../../../src/base/prng.ts";
import { EventCounter } from "../../../src/parsing/event-counter.ts";
import { NameRestorer } from "../../../src/parsing/name-restorer.ts";
import { ResponseTail } from "../../../src/parsing/response-tail.ts";
import { cutAtRandom, everyCut } from "../../support/cuts.ts";

const ROUNDS = 2_000;
const seed = randomSeed();

const STREAM = Buffer.from('data: {"a":1}\n\nevent: x\ndata: {"b":"data: no"}\r\n\ndata:{}\n\ndata: [DONE]\n\n');

describe("EventCounter", () => {
  const countOf = (pieces: readonly Buffer[]): number => {
    const counter = new EventCounter();
    for (const piece of pieces) counter.push(piece);
    return counter.count;
  };

  it("counts data lines but not [DONE], wherever the stream is cut in two", () => {
    for (const pieces of everyCut(STREAM)) expect(countOf(pieces), `cut at ${pieces[0]?.length}`).toBe(3);
  });

  it("counts the same when every byte comes alone", () => {
    expect(countOf([...STREAM].map((byte) => Buffer.of(byte)))).toBe(3);
  });

  it(`counts the same under ${ROUNDS} random cuts (seed ${seed})`, () => {
    const prng = new Prng(seed);
    for (let round = 0; round < ROUNDS; round++) {
      const events = prng.nextBelow(5);
      const text = Array.from({ length: events }, () => `data: ${"x".repeat(prng.nextBelow(30))}\n\n`).join("");
      const pieces = cutAtRandom(Buffer.from(`${text}data: [DONE]\n\n`), prng, 12);
      expect(countOf(pieces), JSON.stringify(pieces.map(String))).toBe(events);
    }
  });

  it(`counts what a search of the whole stream counts, under ${ROUNDS} random streams and cuts (seed ${seed})`, () => {
    const prng = new Prng(seed);
    const words = ["\n", "data:", " ", "[DONE", "]", "data: [DONE]", "x", "\r\n", "da", "ta:"];
    for (let round = 0; round < ROUNDS; round++) {
      const parts = Array.from({ length: prng.nextBelow(30) }, () => words[prng.nextBelow(words.length)]);
      const text = parts.join("");
      const expected = (text.match(/(?<=^|\n)data:(?! \[DONE\])/g) ?? []).length;
      const pieces = cutAtRandom(Buffer.from(text), prng, 12);
      expect(countOf(pieces), JSON.stringify(pieces.map(String))).toBe(expected);
    }
  });
});

describe("NameRestorer", () => {
  const restore = (pieces: readonly Buffer[]): string => {
    const restorer = new NameRestorer("base-model", 'asked "name"');
    const restored = pieces.flatMap((piece, index) => restorer.push(piece, index === pieces.length - 1));
    return Buffer.concat(restored).toString();
  };
  const body = Buffer.from(
    'data: {"model":"base-model"}\n{"model": "base-model","x":"base-model"}{"model":"base-model-2"}"mod',
  );
  const expected =
    'data: {"model":"asked \\"name\\""}\n{"model": "asked \\"name\\"","x":"base-model"}{"model":"base-model-2"}"mod';

  it("restores the name wherever the body is cut in two", () => {
    for (const pieces of everyCut(body)) expect(restore(pieces), `cut at ${pieces[0]?.length}`).toBe(expected);
  });

  it("restores the name when every byte comes alone", () => {
    expect(restore([...body].map((byte) => Buffer.of(byte)))).toBe(expected);
  });

  it("holds back no more than the beginning of a name", () => {
    const restorer = new NameRestorer("base-model", "asked");
    expect(Buffer.concat(restorer.push(Buffer.from('{"id":1,"model":"ba'), false)).toString()).toBe('{"id":1,');
    expect(Buffer.concat(restorer.push(Buffer.from("rn owl"), false)).toString()).toBe('"model":"barn owl');
  });
});

describe("ResponseTail", () => {
  it.each([32, 2_048, 5_000])(`keeps the last bytes, %i at most, under random cuts (seed ${seed})`, (sizeMax) => {
    const prng = new Prng(seed);
    for (let round = 0; round < ROUNDS / 4; round++) {
      const bytes = randomBytes(prng, prng.nextBelow(3 * sizeMax));
      const tail = new ResponseTail(sizeMax);
      for (const piece of cutAtRandom(bytes, prng, 20)) tail.push(piece);
      expect(tail.last().equals(endOf(bytes, sizeMax)), `${bytes.length} bytes`).toBe(true);
      const size = prng.nextBelow(sizeMax + 1);
      expect(tail.last(size).equals(endOf(bytes, size)), `the last ${size} of ${bytes.length} bytes`).toBe(true);
    }
  });

  it("keeps nothing of the buffers that pieces came in", () => {
    const tail = new ResponseTail(32);
    const piece = Buffer.from("abc");
    tail.push(piece);
    piece.fill("x");
    expect(tail.last().toString()).toBe("abc");
  });
});

function randomBytes(prng: Prng, size: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: size }, () => prng.nextBelow(256)));
}

function endOf(bytes: Buffer, size: number): Buffer {
  return bytes.subarray(Math.max(0, bytes.length - size));
}
