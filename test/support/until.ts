/**
 * Waits for what other threads, processes and sockets do: looks often, gives up at a deadline, and says what did not
 * happen.
 */
import { systemClock } from "../../src/base/clock.ts";

const PAUSE_MS = 5;
/** Far beyond what any awaited thing takes on a busy machine, so that reaching it means "never". */
const DEADLINE_MS = 15_000;

/** The first value of `read` that is neither undefined, null nor false. Rejects with `what` at the deadline. */
export async function until<Value>(
  what: string,
  read: () => Value | Promise<Value>,
  deadlineMs: number = DEADLINE_MS,
): Promise<Exclude<Value, undefined | null | false>> {
  const giveUpAtMs = systemClock.nowMs() + deadlineMs;
  while (systemClock.nowMs() < giveUpAtMs) {
    const value = await read();
    if (value !== undefined && value !== null && value !== false) {
      return value as Exclude<Value, undefined | null | false>;
    }
    await new Promise<void>((resolve) => systemClock.setTimeout(resolve, PAUSE_MS));
  }
  throw new Error(`after ${deadlineMs} ms still not: ${what}`);
}
