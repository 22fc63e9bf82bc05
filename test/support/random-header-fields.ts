/** Random header fields from a seed: few names, values that often repeat, so that a table of 4,096 bytes has use. */
import type { Prng } from "../../src/base/prng.ts";
import type { Field } from "./header-blocks.ts";

/** The first ones are in HPACK's static table. */
const NAMES: readonly string[] = [
  "user-agent",
  "accept-language",
  "x-request-id",
  "x-session",
  "x-forwarded-for",
  "x-a",
  "x-envoy-internal",
  "x-a-name-that-is-longer-than-any-that-people-give-to-a-header",
];

/** Characters whose Huffman codes are short, long, and longer than they are. */
const ALPHABETS: readonly string[] = ["0123456789abcdef", "AZaz09-_.~ /=", "\\{}<>`^|!", "\u00a1\u00d0\u00ff\u00e9 ab"];

const FIELDS_MAX = 12;
const VALUE_SIZE_MAX = 300;

export function randomFields(prng: Prng): Field[] {
  return Array.from({ length: prng.nextBelow(FIELDS_MAX + 1) }, () => [draw(prng, NAMES), randomValue(prng)] as const);
}

function randomValue(prng: Prng): string {
  const repeats = prng.nextBelow(2) === 0;
  if (repeats) return `value ${prng.nextBelow(20)}`;
  const alphabet = draw(prng, ALPHABETS);
  // Mostly short.
  const size = prng.nextBelow(1 + prng.nextBelow(VALUE_SIZE_MAX));
  // HTTP/2 allows no blanks at either end of a value.
  return Array.from({ length: size }, () => alphabet[prng.nextBelow(alphabet.length)])
    .join("")
    .trim();
}

function draw(prng: Prng, choices: readonly string[]): string {
  return choices[prng.nextBelow(choices.length)] as string;
}
