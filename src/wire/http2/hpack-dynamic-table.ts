/**
 * HPACK's dynamic table (RFC 7541, 2.3.2 and 4): the fields that the peer has added, newest first, as strings. The peer
 * decides what is in it; its size, in the RFC's measure, never exceeds `capacity`.
 *
 *   ring     ┌────┬────┬────┬────┬────┬────┬────┬────┐   count = 3
 *            │    │    │ c  │ b  │ a  │    │    │    │   a was added first and is evicted first
 *            └────┴────┴────┴────┴────┴────┴────┴────┘
 *                       ▲ head: age 0
 */

/** What the RFC adds to the bytes of an entry's name and value. */
const ENTRY_OVERHEAD = 32;

export class HpackDynamicTable {
  readonly #names: string[];
  readonly #values: string[];
  /** Slots of the ring, a power of two, minus one. */
  readonly #mask: number;
  #head = 0;
  #count = 0;
  #size = 0;
  #capacity: number;

  /** `sizeMax` is the largest capacity that it will ever have. */
  constructor(options: { readonly sizeMax: number; readonly capacity: number }) {
    // The shortest entry is one of two empty strings.
    const entriesMax = Math.max(1, Math.floor(options.sizeMax / ENTRY_OVERHEAD));
    const slots = 2 ** Math.ceil(Math.log2(entriesMax));
    this.#names = new Array<string>(slots).fill("");
    this.#values = new Array<string>(slots).fill("");
    this.#mask = slots - 1;
    this.#capacity = options.capacity;
  }

  get count(): number {
    return this.#count;
  }

  /** `age` counts from the newest entry, which is 0, and is below `count`. */
  name(age: number): string {
    return this.#names[(this.#head + age) & this.#mask] as string;
  }

  value(age: number): string {
    return this.#values[(this.#head + age) & this.#mask] as string;
  }

  /** Evicts the oldest entries until this one has room. One larger than the table empties it and is not kept. */
  add(name: string, value: string): void {
    const size = entrySize(name, value);
    this.#evictTo(Math.max(0, this.#capacity - size));
    if (size > this.#capacity) return;
    this.#head = (this.#head - 1) & this.#mask;
    this.#names[this.#head] = name;
    this.#values[this.#head] = value;
    this.#count++;
    this.#size += size;
  }

  resize(capacity: number): void {
    this.#capacity = capacity;
    this.#evictTo(capacity);
  }

  #evictTo(size: number): void {
    while (this.#size > size) {
      const slot = (this.#head + --this.#count) & this.#mask;
      this.#size -= entrySize(this.#names[slot] as string, this.#values[slot] as string);
      // The strings must not outlive their entry.
      this.#names[slot] = "";
      this.#values[slot] = "";
    }
  }
}

/** Strings hold one byte per character. */
export function entrySize(name: string, value: string): number {
  return name.length + value.length + ENTRY_OVERHEAD;
}
