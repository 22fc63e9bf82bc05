/**
 * Rows of numbers in shared memory, found by a number that stands for their labels. One thread adds and counts, others
 * read: a cell is one aligned 64-bit word, so a reader gets the value before or after, never half of it.
 *
 *   keys f64[capacity] │ cells f64[capacity × width]        the count stands in the table's header
 */

export interface KeyedRowsShape {
  readonly capacity: number;
  /** Rows at the end that only `rowOfReserved` takes, for the keys that stand for all others. */
  readonly reserved: number;
  /** Cells of one row. */
  readonly width: number;
}

/** Bytes that such rows take. */
export function keyedRowsSize({ capacity, width }: KeyedRowsShape): number {
  return capacity * (1 + width) * 8;
}

export class KeyedRows {
  /** Row r has the cells r × width …; only the writer changes them. */
  readonly cells: Float64Array;
  readonly width: number;
  readonly #shape: KeyedRowsShape;
  /** One cell: rows so far. Raised after the key is written. */
  readonly #count: Int32Array;
  readonly #keys: Float64Array;
  readonly #rows = new Map<number, number>();

  constructor(buffer: SharedArrayBuffer, offset: number, count: Int32Array, shape: KeyedRowsShape) {
    this.#shape = shape;
    this.width = shape.width;
    this.#count = count;
    this.#keys = new Float64Array(buffer, offset, shape.capacity);
    this.cells = new Float64Array(buffer, offset + shape.capacity * 8, shape.capacity * shape.width);
    for (let row = 0; row < this.count; row++) this.#rows.set(this.keyOf(row), row);
  }

  get count(): number {
    return Atomics.load(this.#count, 0);
  }

  /** The key of a row from 0 to count − 1. */
  keyOf(row: number): number {
    return this.#keys[row] ?? 0;
  }

  /** For the one writer: the key's row, taken now if it is new; undefined when there is no room. */
  rowOf(key: number): number | undefined {
    return this.#rows.get(key) ?? this.#add(key, this.#shape.capacity - this.#shape.reserved);
  }

  /** The same for a key that stands for others; there are at most `reserved` of them, so they find room. */
  rowOfReserved(key: number): number | undefined {
    return this.#rows.get(key) ?? this.#add(key, this.#shape.capacity);
  }

  #add(key: number, limit: number): number | undefined {
    const row = this.count;
    if (row >= limit) return undefined;
    this.#keys[row] = key;
    Atomics.store(this.#count, 0, row + 1);
    this.#rows.set(key, row);
    return row;
  }
}
