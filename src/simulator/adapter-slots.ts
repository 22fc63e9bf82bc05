/**
 * Places for LoRA adapters: a batch may use only so many different ones. The base model needs no place. An adapter
 * keeps its place while a request for it runs.
 */
import { assert } from "../base/assert.ts";

export class AdapterSlots {
  readonly #slotsMax: number;
  readonly #requestCounts = new Map<string, number>();

  constructor(slotsMax: number) {
    this.#slotsMax = slotsMax;
  }

  /** Adapters with running requests, in the order in which they took their places. */
  get running(): string[] {
    return [...this.#requestCounts.keys()];
  }

  hasPlaceFor(adapter: string | undefined): boolean {
    return adapter === undefined || this.#requestCounts.has(adapter) || this.#requestCounts.size < this.#slotsMax;
  }

  /** Counts a request that starts to run. */
  enter(adapter: string | undefined): void {
    if (adapter === undefined) return;
    assert(this.hasPlaceFor(adapter), `no place for adapter ${adapter}`);
    this.#requestCounts.set(adapter, (this.#requestCounts.get(adapter) ?? 0) + 1);
  }

  /** Counts a running request that ends. */
  leave(adapter: string | undefined): void {
    if (adapter === undefined) return;
    const requestCount = this.#requestCounts.get(adapter) ?? 0;
    assert(requestCount > 0, `no request for adapter ${adapter} runs`);
    if (requestCount > 1) this.#requestCounts.set(adapter, requestCount - 1);
    else this.#requestCounts.delete(adapter);
  }
}
