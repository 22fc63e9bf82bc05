/**
 * Settings of V8 for all threads that begin after them. Node has no option of a worker for them, and a flag of the
 * command line would have to be in every way to start the program.
 */
import { setFlagsFromString } from "node:v8";

/**
 * Without it, a thread that is idle for 8 s collects its garbage two or three times over and throws compiled code away
 * with it. What comes next is interpreted, and compiled anew by threads that take the core from it: with 5,000 small
 * exchanges per second after 10 s of silence, 1 of 100 picks took 37 to 84 ms; without, 3 to 5 ms, as in the middle of
 * traffic (Node 20.20, one core, 2026-11). What it would give back of a shard's heap is a few megabytes.
 */
export const IDLE_COLLECTIONS_OFF = "--no-memory-reducer";

/** To be called before the first worker starts. */
export function tuneV8(): void {
  setFlagsFromString(IDLE_COLLECTIONS_OFF);
}
