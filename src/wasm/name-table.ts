/**
 * The bounded table of model names, for the control thread. Shards know a model by the hash of its name and count it by
 * number; a hash they cannot find they report with its name, once (`add`). Past NAMES_MAX names the rest is "other".
 */
import type { Kernel } from "./kernel.ts";
import { layout } from "./layout.ts";

/** Number 0: names that found no place. */
export const OTHER_NAME = "other";

export class NameTable {
  readonly #memory: WebAssembly.Memory;
  // A model that is called "other" is counted as number 0 too: one name, one series.
  readonly #numbers = new Map<string, number>([[OTHER_NAME, 0]]);
  readonly #names: string[] = [OTHER_NAME];
  readonly #kernel: Kernel;

  constructor(memory: WebAssembly.Memory, kernel: Kernel) {
    this.#memory = memory;
    this.#kernel = kernel;
  }

  /** True while another name would get a number of its own. */
  get hasRoom(): boolean {
    return this.#names.length < layout.NAMES_MAX;
  }

  /** Every name by its number. */
  get names(): readonly string[] {
    return this.#names;
  }

  /** Number of the name, 1 … NAMES_MAX − 1, given now if it is new; 0 for "other", a full table, or too long a name. */
  add(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const bytes = new TextEncoder().encode(name);
    if (!this.hasRoom || bytes.length > layout.MODEL_SIZE_MAX) return 0;
    const number = this.#names.length;
    this.#names.push(name);
    this.#numbers.set(name, number);
    this.#publish(bytes, number);
    return number;
  }

  #publish(bytes: Uint8Array, number: number): void {
    const { buffer } = this.#memory;
    const scratch = layout.NAME_SCRATCH;
    new Uint8Array(buffer).set(bytes, scratch + 8);
    this.#kernel.hashBytes(scratch + 8, bytes.length, scratch);
    const hash = new DataView(buffer).getBigUint64(scratch, true);
    const table = new BigUint64Array(buffer, layout.NAMES, (layout.NAME_SLOTS * layout.NAME_STRIDE) / 8);
    const mask = BigInt(layout.NAME_SLOTS - 1);
    let slot = Number(hash & mask);
    while (table[slot * 2] !== 0n) slot = (slot + 1) % layout.NAME_SLOTS;
    table[slot * 2 + 1] = BigInt(number);
    Atomics.store(table, slot * 2, hash);
  }
}
