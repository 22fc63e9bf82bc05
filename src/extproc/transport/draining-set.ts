/** The open things of a kind, streams or connections, and a wait until the last one is gone. */
import type { Clock } from "../../base/clock.ts";

export class DrainingSet<Item> {
  readonly #items = new Set<Item>();
  readonly #waiting = new Set<() => void>();

  add(item: Item): void {
    this.#items.add(item);
  }

  delete(item: Item): void {
    this.#items.delete(item);
    if (this.#items.size > 0) return;
    for (const resolve of this.#waiting) resolve();
  }

  [Symbol.iterator](): Iterator<Item> {
    return this.#items.values();
  }

  /** Resolves when the set is empty, or after `timeoutMs`. */
  async untilEmpty(clock: Clock, timeoutMs: number): Promise<void> {
    if (this.#items.size === 0) return;
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
