/** The open connections, or other things that live long, and a wait until the last one is gone. */
import type { Clock } from "../../base/clock.ts";
import { OpenCount } from "./open-count.ts";

export class DrainingSet<Item> {
  readonly #items = new Set<Item>();
  readonly #count = new OpenCount();

  add(item: Item): void {
    if (this.#items.has(item)) return;
    this.#items.add(item);
    this.#count.add();
  }

  delete(item: Item): void {
    if (this.#items.delete(item)) this.#count.remove();
  }

  [Symbol.iterator](): Iterator<Item> {
    return this.#items.values();
  }

  /** Resolves when the set is empty, or after `timeoutMs`. */
  async untilEmpty(clock: Clock, timeoutMs: number): Promise<void> {
    await this.#count.untilNone(clock, timeoutMs);
  }
}
