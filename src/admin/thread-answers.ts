/** Short answers of other threads, which are not waited for when they do not come: the thread may be stuck. */
import type { Clock } from "../base/clock.ts";
import type { QueriedThread, ThreadQuery } from "../platform/thread-queries.ts";

/** The index writer answers when it wakes: at once, or after a sleep of a second if the wake-up was lost. */
const ANSWER_MS_MAX = 1_500;

/** Blocks that each slot is taken to hold, by slot; undefined when the index writer does not say so now. */
export async function readBlocksHeld(
  writer: QueriedThread | undefined,
  clock: Clock,
  signal: AbortSignal,
): Promise<readonly number[] | undefined> {
  const text = writer && (await readSoon(writer, { kind: "blocks-held" }, clock, signal));
  return text === undefined ? undefined : (JSON.parse(text) as number[]);
}

/** Whether the thread answers at all. */
export async function givesSignOfLife(thread: QueriedThread, clock: Clock, signal: AbortSignal): Promise<boolean> {
  return (await readSoon(thread, { kind: "ping" }, clock, signal)) !== undefined;
}

/** The whole answer as text; undefined when it fails or does not come soon. */
async function readSoon(
  thread: QueriedThread,
  query: ThreadQuery,
  clock: Clock,
  signal: AbortSignal,
): Promise<string | undefined> {
  const late = new AbortController();
  const timer = clock.setTimeout(() => late.abort(), ANSWER_MS_MAX);
  const until = AbortSignal.any([signal, late.signal]);
  try {
    return await Promise.race([read(thread, query, until), aborted(until)]);
  } catch {
    return undefined;
  } finally {
    timer.cancel();
  }
}

async function read(thread: QueriedThread, query: ThreadQuery, signal: AbortSignal): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of thread.ask(query, signal)) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}
