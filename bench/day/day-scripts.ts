/**
 * The traffic of a day in a thousand and more variations: mostly small prompts and a few very large ones, short and
 * longer responses, many models, sessions, and what goes wrong every day: clients that leave before the pick or within
 * the response, requests that are refused, model servers that fail. Each variation is as likely as any other.
 */
import type { Prng } from "../../src/base/prng.ts";
import { type ExchangeScript, makeScripts, NO_SERIAL, scriptOptions } from "../load/exchange-script.ts";

/** Parts of 1,000 variations. */
const SIZES: readonly { readonly bodySize: number; readonly share: number }[] = [
  { bodySize: 1_000, share: 650 },
  { bodySize: 4_000, share: 300 },
  { bodySize: 40_000, share: 45 },
  { bodySize: 220_000, share: 4 },
  { bodySize: 450_000, share: 1 },
];
const SHARES = 1_000;
const CHUNK_COUNTS: readonly number[] = [1, 1, 1, 2, 3, 8];
/** More than a picker tells apart, most of them rare. */
const MODELS_COMMON = 20;
const MODELS_RARE = 1_200;

/** What goes wrong, by the last two digits of a variation's number. */
const TROUBLES: Readonly<Record<number, "leaves before the pick" | "leaves in the response" | "is refused" | "fails">> =
  { 7: "leaves before the pick", 27: "leaves in the response", 47: "is refused", 67: "fails" };
const TROUBLE_PERIOD = 100;

/** So many variations, in any order of kinds. */
export function makeDayScripts(variationCount: number, prng: Prng): ExchangeScript[] {
  return Array.from({ length: variationCount }, (_, variation) => makeVariation(variation, prng.fork(`${variation}`)));
}

function makeVariation(variation: number, prng: Prng): ExchangeScript {
  const trouble = TROUBLES[variation % TROUBLE_PERIOD];
  const options = scriptOptions({
    // The largest one is there in any number of variations that matters.
    bodySize: sizeAt(prng.nextBelow(SHARES)),
    model: variation % 2 === 0 ? `model-${variation % MODELS_COMMON}` : `rare-model-${variation % MODELS_RARE}`,
    chunkCount: CHUNK_COUNTS[variation % CHUNK_COUNTS.length] ?? 1,
    prefixGroupCount: 1,
    prefixShare: 0.5,
    headers: sessionHeader(variation),
    ...(trouble === "fails" && { responseStatus: 503 }),
    ...(trouble === "is refused" && { cutSize: 2 }),
  });
  const [script = { messages: [], requestCount: 0 }] = makeScripts(options, prng);
  const { messages, requestCount } = script;
  if (trouble === "is refused") return { ...script, outcome: { kind: "refused", httpStatus: 400 } };
  if (trouble === "leaves before the pick") {
    return { messages: messages.slice(0, requestCount - 1), requestCount, outcome: { kind: "abandoned" } };
  }
  if (trouble === "leaves in the response") {
    return { messages: messages.slice(0, requestCount + 2), requestCount, outcome: { kind: "abandoned" } };
  }
  return script;
}

/** Every third belongs to a session: mostly to one of those that come again, else to one that comes once. */
function sessionHeader(variation: number): Readonly<Record<string, string>> {
  if (variation % 3 !== 0) return {};
  return { "x-session-id": variation % 9 === 0 ? `once-${NO_SERIAL}` : `session-${variation}` };
}

function sizeAt(draw: number): number {
  let left = draw;
  for (const { bodySize, share } of SIZES) {
    if (left < share) return bodySize;
    left -= share;
  }
  return SIZES[0]?.bodySize ?? 0;
}
