/**
 * A bounded list of texts in shared memory, by number: a shard adds to it, the control thread reads it, and a shard
 * that takes the place of a dead one finds what that one had added. Number 0 stands for all texts that found no place.
 *
 *   lengths u16[capacity] │ bytes u8[capacity × sizeMax]        the count stands in the table's header
 */

export interface NameRowsShape {
  readonly capacity: number;
  /** Bytes of one text in UTF-8; a longer one finds no place. */
  readonly sizeMax: number;
}

/** Bytes that such a list takes. */
export function nameRowsSize({ capacity, sizeMax }: NameRowsShape): number {
  return capacity * 2 + capacity * sizeMax;
}

export class NameRows {
  readonly #shape: NameRowsShape;
  /** One cell: texts so far. Raised after the text is written, so that a reader never sees half of one. */
  readonly #count: Int32Array;
  readonly #lengths: Uint16Array;
  readonly #bytes: Buffer;
  readonly #numbers = new Map<string, number>();

  constructor(buffer: SharedArrayBuffer, offset: number, count: Int32Array, shape: NameRowsShape) {
    this.#shape = shape;
    this.#count = count;
    this.#lengths = new Uint16Array(buffer, offset, shape.capacity);
    this.#bytes = Buffer.from(buffer, offset + shape.capacity * 2, shape.capacity * shape.sizeMax);
    for (let number = 1; number <= this.count; number++) this.#numbers.set(this.textOf(number), number);
  }

  /** Texts that have a number; they are 1 … count. */
  get count(): number {
    return Atomics.load(this.#count, 0);
  }

  /** The text of a number from 1 to `count`. */
  textOf(number: number): string {
    const start = (number - 1) * this.#shape.sizeMax;
    return this.#bytes.toString("utf8", start, start + (this.#lengths[number - 1] ?? 0));
  }

  /** For the one writer: the text's number, given now if it is new; 0 when it finds no place. */
  numberOf(text: string): number {
    return this.#numbers.get(text) ?? this.#add(text);
  }

  #add(text: string): number {
    const count = this.count;
    const size = Buffer.byteLength(text);
    if (count >= this.#shape.capacity || size > this.#shape.sizeMax) return 0;
    this.#bytes.write(text, count * this.#shape.sizeMax, size, "utf8");
    this.#lengths[count] = size;
    Atomics.store(this.#count, 0, count + 1);
    this.#numbers.set(text, count + 1);
    return count + 1;
  }
}
