/**
 * Settings of V8 for all threads that begin after them. Node has no option of a worker for them, and a flag of the
 * command line would have to be in every way to start the program.
 */
import { setFlagsFromString } from "node:v8";

/**
 * V8 collects the garbage of a thread that has been idle for 8 s two or three times over, to give memory back, and is
 * still at it when traffic returns, with its helpers on the same core. With 5,000 small exchanges per second after 10 s
 * of silence, 1 of 100 picks then took 40 to 105 ms; with this flag at most 5 ms, as in the middle of traffic (Node
 * 20.20, one core, 2026-11). The thread that calls this keeps its own way: its heap is there already.
 */
export const IDLE_COLLECTIONS_OFF = "--no-memory-reducer";

/** To be called before the first worker starts. */
export function tuneV8(): void {
  setFlagsFromString(IDLE_COLLECTIONS_OFF);
}
