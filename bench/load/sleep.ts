/** Waiting, by a clock. */
import type { Clock } from "../../src/base/clock.ts";

export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimeout(resolve, ms));
}
