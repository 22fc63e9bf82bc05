/**
 * The open streams of a connection by their numbers. Not a Map: that moves into new memory with every few streams that
 * come and go, and what it leaves behind, once old, keeps the streams that were open then until the next full
 * collection.
 */
import type { DirectStream } from "./stream.ts";

const SLOTS_MIN = 64;

/** Open addressing. Numbers go up by two, so that a stream nearly always lies in its own slot. */
export class StreamTable {
  #slots: (DirectStream | undefined)[] = emptySlots(SLOTS_MIN);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(id: number): boolean {
    return this.get(id) !== undefined;
  }

  get(id: number): DirectStream | undefined {
    return this.#slots[this.#find(id)];
  }

  /** Its number is not in the table. */
  add(stream: DirectStream): void {
    if (this.#size * 2 >= this.#slots.length) this.#grow();
    this.#slots[this.#find(stream.id)] = stream;
    this.#size++;
  }

  delete(id: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let hole = this.#find(id);
    if (slots[hole] === undefined) return;
    this.#size--;
    // Those behind that would not be found any more move up.
    for (let at = (hole + 1) & mask; ; at = (at + 1) & mask) {
      const stream = slots[at];
      if (stream === undefined) break;
      const home = (stream.id >>> 1) & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      slots[hole] = stream;
      hole = at;
    }
    slots[hole] = undefined;
  }

  /** All of them now; they may be deleted meanwhile. */
  all(): DirectStream[] {
    return this.#slots.filter((stream) => stream !== undefined);
  }

  /** Where it is, or would be. */
  #find(id: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let at = (id >>> 1) & mask;
    for (let stream = slots[at]; stream !== undefined && stream.id !== id; stream = slots[at]) at = (at + 1) & mask;
    return at;
  }

  #grow(): void {
    const streams = this.all();
    this.#slots = emptySlots(this.#slots.length * 2);
    for (const stream of streams) this.#slots[this.#find(stream.id)] = stream;
  }
}

function emptySlots(count: number): (DirectStream | undefined)[] {
  return new Array<DirectStream | undefined>(count).fill(undefined);
}
