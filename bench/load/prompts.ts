/**
 * Chat requests that share prefixes: those of a group begin with the same text, as requests with one system prompt do,
 * and differ from the serial number on that stands behind it. A body is made once per group; only the serial number is
 * written per request.
 *
 *   {"model":…,"messages":[{…"content":"‹shared text›"},{…"content":"‹serial› ‹own text›"}]}
 */
import { ConfigError } from "../../src/base/errors.ts";
import type { Prng } from "../../src/base/prng.ts";

/** Hexadecimal digits of a serial number: enough for every request of every run. */
export const SERIAL_SIZE = 12;

export interface PromptOptions {
  /** Bytes of the whole body. */
  readonly bodySize: number;
  readonly groupCount: number;
  /** Part of a prompt that its group shares, 0 … 1. */
  readonly sharedFraction: number;
  readonly model: string;
  /** A serial number may not lie across a multiple of this. */
  readonly pieceSize: number;
  readonly prng: Prng;
}

export interface Prompt {
  readonly body: Buffer;
  /** Where the serial number is to be written. */
  readonly serialAt: number;
}

/** One prompt per group. Throws a ConfigError when the body is too small for its own frame. */
export function makePrompts(options: PromptOptions): Prompt[] {
  return Array.from({ length: options.groupCount }, (_, group) =>
    makePrompt(options, options.prng.fork(`group ${group}`)),
  );
}

function makePrompt({ bodySize, sharedFraction, model, pieceSize }: PromptOptions, prng: Prng): Prompt {
  const head = `{"model":${JSON.stringify(model)},"stream":true,"messages":[{"role":"system","content":"`;
  const middle = '"},{"role":"user","content":"';
  const tail = '"}]}';
  const textSize = bodySize - head.length - middle.length - SERIAL_SIZE - tail.length;
  if (textSize < 0) throw new ConfigError(`a body of ${bodySize} bytes is too small for a chat request`);
  let sharedSize = Math.round(textSize * sharedFraction);
  const serialAt = (): number => head.length + sharedSize + middle.length;
  while (sharedSize > 0 && pieceOf(serialAt(), pieceSize) !== pieceOf(serialAt() + SERIAL_SIZE - 1, pieceSize)) {
    sharedSize--;
  }
  const shared = makeText(sharedSize, prng);
  const own = makeText(textSize - sharedSize, prng);
  const serial = "0".repeat(SERIAL_SIZE);
  return { body: Buffer.from(`${head}${shared}${middle}${serial}${own}${tail}`), serialAt: serialAt() };
}

function pieceOf(at: number, pieceSize: number): number {
  return Math.floor(at / pieceSize);
}

/** So many bytes of words, with an escaped line break every now and then. */
function makeText(size: number, prng: Prng): string {
  let text = "";
  for (let wordCount = 1; text.length < size; wordCount++) {
    text += " ";
    for (let letters = 2 + prng.nextBelow(8); letters > 0; letters--) text += LETTERS[prng.nextBelow(LETTERS.length)];
    if (wordCount % WORDS_PER_LINE === 0) text += "\\n";
  }
  // Not cut within an escape.
  return text.slice(0, size).replace(/\\$/, ".");
}

/** Some letters more often, as in a language. */
const LETTERS = "eeeetttaaaooiinnsshhrrddllcumwfgypbvk";
const WORDS_PER_LINE = 14;

const HEX_DIGITS: Buffer = Buffer.from("0123456789abcdef");

/**
 * Writes digit `from` … `to` − 1 of a serial number. The number is at most 2^48 − 1; the highest digit is the first.
 */
export function writeSerialDigits(out: Buffer, at: number, serial: number, from: number, to: number): void {
  const high = Math.floor(serial / 2 ** 24);
  const low = serial % 2 ** 24;
  for (let digit = from; digit < to; digit++) {
    const half = digit < SERIAL_SIZE / 2 ? high : low;
    const shift = 4 * (SERIAL_SIZE / 2 - 1 - (digit % (SERIAL_SIZE / 2)));
    out[at + digit - from] = HEX_DIGITS[(half >>> shift) & 0xf] as number;
  }
}
