/**
 * The bytes of a stream that its client does not take yet: a queue in slabs of the shard's pool, or in buffers where
 * the pool has none left.
 */
import { SLAB_SIZE, type SlabPool } from "../../slab-pool.ts";
import type { MessageCursor } from "./message-cursor.ts";

interface Piece {
  /** Undefined when the bytes are a buffer of their own. */
  readonly slab: number | undefined;
  readonly bytes: Buffer;
}

export class WaitingBytes {
  readonly #pool: SlabPool;
  readonly #pieces: Piece[] = [];
  /** Bytes of the first piece that are gone, and of the last that are filled. */
  #start = 0;
  #end = 0;
  #size = 0;

  constructor(pool: SlabPool) {
    this.#pool = pool;
  }

  get size(): number {
    return this.#size;
  }

  /** Copies what the cursor has left behind the rest. */
  append(cursor: MessageCursor): void {
    this.#size += cursor.left;
    while (cursor.left > 0) {
      if (this.#pieces.length === 0 || this.#end === SLAB_SIZE) this.#extend();
      const count = Math.min(cursor.left, SLAB_SIZE - this.#end);
      cursor.copy((this.#pieces.at(-1) as Piece).bytes, this.#end, count);
      this.#end += count;
    }
  }

  /** Sets the cursor before the first bytes, as many as lie together. There must be some. */
  stand(cursor: MessageCursor): void {
    const [first] = this.#pieces as [Piece];
    cursor.resume(first.bytes, this.#start, this.#pieces.length === 1 ? this.#end : SLAB_SIZE);
  }

  /** Drops the first `count` bytes, at most those before which `stand` stood. */
  pass(count: number): void {
    this.#size -= count;
    this.#start += count;
    if (this.#size === 0) this.drop();
    else if (this.#start === SLAB_SIZE) this.#dropFirst();
  }

  /** Drops all. */
  drop(): void {
    while (this.#pieces.length > 0) this.#dropFirst();
    this.#end = 0;
    this.#size = 0;
  }

  #dropFirst(): void {
    const slab = this.#pieces.shift()?.slab;
    if (slab !== undefined) this.#pool.give(slab);
    this.#start = 0;
  }

  #extend(): void {
    const slab = this.#pool.take();
    const bytes = slab === undefined ? Buffer.allocUnsafeSlow(SLAB_SIZE) : this.#pool.view(slab);
    this.#pieces.push({ slab, bytes });
    this.#end = 0;
  }
}
