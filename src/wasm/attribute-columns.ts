/**
 * Numbers per endpoint that only some configurations have: made of labels, scraped custom metrics, or shared by
 * plugins. The control thread writes them, and any shard those of its plugins; the last writer wins. NaN: unknown.
 */
import { assert } from "../base/assert.ts";
import type { Kernel } from "./kernel.ts";
import { layout } from "./layout.ts";

export class AttributeColumns {
  readonly #kernel: Kernel;
  readonly #values: Float64Array;

  constructor(memory: WebAssembly.Memory, kernel: Kernel) {
    this.#kernel = kernel;
    this.#values = new Float64Array(memory.buffer, layout.ATTRIBUTES, layout.ATTRIBUTES_MAX * layout.ENDPOINTS_MAX);
  }

  get(column: number, slot: number): number {
    return this.#values[this.#index(column, slot)] as number;
  }

  set(column: number, slot: number, value: number): void {
    this.#index(column, slot);
    this.#kernel.setAttribute(column, slot, value);
  }

  /** Makes the column unknown for all endpoints, so that it can be given another meaning. */
  clear(column: number): void {
    const first = this.#index(column, 0);
    this.#values.fill(Number.NaN, first, first + layout.ENDPOINTS_MAX);
  }

  #index(column: number, slot: number): number {
    assert(column >= 0 && column < layout.ATTRIBUTES_MAX, `attribute column ${column}`);
    assert(slot >= 0 && slot < layout.ENDPOINTS_MAX, `slot ${slot}`);
    return column * layout.ENDPOINTS_MAX + slot;
  }
}
