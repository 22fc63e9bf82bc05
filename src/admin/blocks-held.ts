/** Asks the index writer how many blocks each endpoint is taken to hold, and does not wait for one that is dead. */
import type { Clock } from "../base/clock.ts";
import type { QueriedThread } from "../platform/thread-queries.ts";

/** The writer answers when it wakes: at once, or after a sleep of a second if the wake-up was lost. */
const ANSWER_MS_MAX = 1_500;

/** By slot; undefined when it cannot be had now. */
export async function readBlocksHeld(
  writer: QueriedThread | undefined,
  clock: Clock,
  signal: AbortSignal,
): Promise<readonly number[] | undefined> {
  if (writer === undefined) return undefined;
  const late = new AbortController();
  const timer = clock.setTimeout(() => late.abort(), ANSWER_MS_MAX);
  try {
    const until = AbortSignal.any([signal, late.signal]);
    return await Promise.race([read(writer, until), aborted(until)]);
  } catch {
    return undefined;
  } finally {
    timer.cancel();
  }
}

async function read(writer: QueriedThread, signal: AbortSignal): Promise<readonly number[]> {
  const pieces: Uint8Array[] = [];
  for await (const piece of writer.ask({ kind: "blocks-held" }, signal)) pieces.push(piece);
  return JSON.parse(Buffer.concat(pieces).toString()) as number[];
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}
