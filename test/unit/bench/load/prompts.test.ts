import { describe, expect, it } from "vitest";
import { makePrompts, type PromptOptions, SERIAL_SIZE, writeSerialDigits } from "../../../../bench/load/prompts.ts";
import { Prng } from "../../../../src/base/prng.ts";

const SEED = 20_261_120;

function prompts(options: Partial<PromptOptions> = {}) {
  const prng = new Prng(SEED);
  const defaults = { bodySize: 4096, groupCount: 3, sharedFraction: 0.75, model: "m", pieceSize: 65_536, prng };
  return makePrompts({ ...defaults, ...options });
}

/** The two messages of a body. */
function contentsOf(body: Buffer): string[] {
  const { messages } = JSON.parse(body.toString()) as { messages: { content: string }[] };
  return messages.map(({ content }) => content);
}

describe(`prompts (seed ${SEED})`, () => {
  it.each([1_000, 4_096, 40_000, 220_000, 450_000])("of %d bytes have that size and are chat requests", (bodySize) => {
    for (const { body } of prompts({ bodySize })) {
      expect(body.length).toBe(bodySize);
      expect(contentsOf(body)).toHaveLength(2);
    }
  });

  it.each([0, 0.25, 1])("share %d of their text within a group", (sharedFraction) => {
    const bodySize = 40_000;
    for (const { serialAt } of prompts({ bodySize, sharedFraction })) {
      expect(Math.abs(serialAt / bodySize - sharedFraction)).toBeLessThan(0.01);
    }
  });

  it("of two groups share nothing but their frame", () => {
    const [first, second] = prompts().map(({ body }) => contentsOf(body)[0] ?? "");
    expect(first?.slice(0, 40)).not.toBe(second?.slice(0, 40));
  });

  it("are the same for the same seed", () => {
    expect(prompts()).toEqual(prompts());
  });

  it("have their serial number within one piece, whatever the size of pieces", () => {
    for (let pieceSize = SERIAL_SIZE; pieceSize < 200; pieceSize++) {
      for (const { body, serialAt } of prompts({ pieceSize, bodySize: 1_000 })) {
        expect(Math.floor(serialAt / pieceSize), `pieces of ${pieceSize}`).toBe(
          Math.floor((serialAt + SERIAL_SIZE - 1) / pieceSize),
        );
        expect(body.toString("latin1", serialAt, serialAt + SERIAL_SIZE)).toBe("0".repeat(SERIAL_SIZE));
      }
    }
  });

  it("are refused when they are too small to be a request", () => {
    expect(() => prompts({ bodySize: 100 })).toThrow("too small");
  });
});

describe("a serial number", () => {
  it.each([0, 1, 2 ** 24 - 1, 2 ** 24, 0x1234_5678_9abc, 2 ** 48 - 1])("%d is written in hexadecimal", (serial) => {
    const out = Buffer.alloc(SERIAL_SIZE + 2, "-");
    writeSerialDigits(out, 1, serial, 0, SERIAL_SIZE);
    expect(out.toString()).toBe(`-${serial.toString(16).padStart(SERIAL_SIZE, "0")}-`);
  });

  it("is the same when it is written in two parts", () => {
    for (let cut = 1; cut < SERIAL_SIZE; cut++) {
      const out = Buffer.alloc(SERIAL_SIZE);
      writeSerialDigits(out, 0, 0x0fed_cba9_8765, 0, cut);
      writeSerialDigits(out, cut, 0x0fed_cba9_8765, cut, SERIAL_SIZE);
      expect(out.toString(), `cut at ${cut}`).toBe("0fedcba98765");
    }
  });
});
