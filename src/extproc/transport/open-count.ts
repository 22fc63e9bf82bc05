/** How many things of a kind are open, and a wait until the last one is gone. */
import type { Clock } from "../../base/clock.ts";

export class OpenCount {
  #open = 0;
  readonly #waiting = new Set<() => void>();

  get open(): number {
    return this.#open;
  }

  add(): void {
    this.#open++;
  }

  /** One that was added is gone. */
  remove(): void {
    this.#open--;
    if (this.#open > 0) return;
    for (const resolve of this.#waiting) resolve();
  }

  /** Resolves when none is open, or after `timeoutMs`. */
  async untilNone(clock: Clock, timeoutMs: number): Promise<void> {
    if (this.#open === 0 || timeoutMs === 0) return;
    await new Promise<void>((resolve) => {
      const timer = clock.setTimeout(done, timeoutMs);
      const waiting = this.#waiting;
      function done(): void {
        timer.cancel();
        waiting.delete(done);
        resolve();
      }
      waiting.add(done);
    });
  }
}
