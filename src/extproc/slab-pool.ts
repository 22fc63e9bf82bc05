/**
 * Memory for bytes that must outlive the call that brought them: slabs of one size, made once and used again and again,
 * so that bytes that wait are none of the garbage collector's business. One pool per shard; whoever takes a slab owns
 * it until it gives it back.
 *
 *   arena 0                          arena 1
 *   ├─ slab 0 ─┼─ … ─┼─ slab 1023 ─┤ ├─ slab 1024 ─┼─ …      allocated when first needed, kept from then on
 *
 *   free     1 bit per slab, 32 to a word        freeWords    1 bit per word of an arena: whether it has a free slab
 *
 * The lowest free slab goes first, so that memory in use follows the peak of what was held at once, not the history.
 */
import { assert } from "../base/assert.ts";

/** Holds a frame of HTTP/2 as proxies send them. A body of 450 KB wastes 2 % on average. */
export const SLAB_SIZE = 16_384;

const WORD_BITS = 32;
/** As many as one word of `freeWords` stands for: 16 MiB. */
const ARENA_SLABS = WORD_BITS * WORD_BITS;

export interface SlabPoolOptions {
  readonly slabsMax: number;
  /** Called each time that no slab is free. */
  readonly onExhausted: () => void;
}

export class SlabPool {
  readonly #options: SlabPoolOptions;
  readonly #free: Uint32Array;
  readonly #freeWords: Uint32Array;
  /** No arena below has a free slab. */
  #firstArena = 0;
  #takenCount = 0;
  readonly #arenas: Buffer[] = [];
  /** Made when a slab is first taken. */
  readonly #views: (Buffer | undefined)[] = [];

  constructor(options: SlabPoolOptions) {
    const { slabsMax } = options;
    assert(slabsMax >= 0, "a pool has 0 slabs or more");
    this.#options = options;
    this.#free = new Uint32Array(Math.ceil(slabsMax / WORD_BITS));
    this.#freeWords = new Uint32Array(Math.ceil(slabsMax / ARENA_SLABS));
    for (let slab = 0; slab < slabsMax; slab++) this.#markFree(slab);
  }

  /** The number of a slab that is the caller's from now on; undefined when none is free. */
  take(): number | undefined {
    const freeWords = this.#freeWords;
    let arena = this.#firstArena;
    while (arena < freeWords.length && freeWords[arena] === 0) arena++;
    this.#firstArena = arena;
    if (arena === freeWords.length) {
      this.#options.onExhausted();
      return undefined;
    }
    const word = arena * WORD_BITS + lowestBit(freeWords[arena] as number);
    const slab = word * WORD_BITS + lowestBit(this.#free[word] as number);
    this.#markTaken(slab);
    return slab;
  }

  /** The slab may be taken by others. Its views are not to be used any more. */
  give(slab: number): void {
    assert(this.#views[slab] !== undefined && !this.#isFree(slab), "a slab is given back that is not taken");
    this.#markFree(slab);
    this.#takenCount--;
    this.#firstArena = Math.min(this.#firstArena, Math.floor(slab / ARENA_SLABS));
  }

  /** The bytes of a slab that is taken: the same object each time. */
  view(slab: number): Buffer {
    const view = this.#views[slab];
    assert(view !== undefined, "a slab is used that was never taken");
    return view;
  }

  get takenCount(): number {
    return this.#takenCount;
  }

  /** Counted one by one: for checks. With `takenCount` always `slabsMax`. */
  get freeCount(): number {
    let count = 0;
    for (let slab = 0; slab < this.#options.slabsMax; slab++) if (this.#isFree(slab)) count++;
    return count;
  }

  /** Bytes allocated so far; what was never used of them takes no memory. */
  get allocatedSize(): number {
    return this.#arenas.reduce((sum, { length }) => sum + length, 0);
  }

  #isFree(slab: number): boolean {
    return ((this.#free[Math.floor(slab / WORD_BITS)] as number) & (1 << (slab % WORD_BITS))) !== 0;
  }

  #markFree(slab: number): void {
    const word = Math.floor(slab / WORD_BITS);
    (this.#free[word] as number) |= 1 << (slab % WORD_BITS);
    (this.#freeWords[Math.floor(word / WORD_BITS)] as number) |= 1 << (word % WORD_BITS);
  }

  #markTaken(slab: number): void {
    const word = Math.floor(slab / WORD_BITS);
    const rest = (this.#free[word] as number) & ~(1 << (slab % WORD_BITS));
    this.#free[word] = rest;
    if (rest === 0) (this.#freeWords[Math.floor(word / WORD_BITS)] as number) &= ~(1 << (word % WORD_BITS));
    this.#takenCount++;
    if (this.#views[slab] === undefined) this.#views[slab] = this.#newView(slab);
  }

  #newView(slab: number): Buffer {
    const number = Math.floor(slab / ARENA_SLABS);
    let arena = this.#arenas[number];
    if (arena === undefined) {
      const slabs = Math.min(ARENA_SLABS, this.#options.slabsMax - number * ARENA_SLABS);
      // Not cleared: the system backs a page when it is first written.
      arena = Buffer.allocUnsafeSlow(slabs * SLAB_SIZE);
      this.#arenas[number] = arena;
    }
    const start = (slab % ARENA_SLABS) * SLAB_SIZE;
    return arena.subarray(start, start + SLAB_SIZE);
  }
}

/** Number of the lowest bit that is set in a word that is not 0. */
function lowestBit(word: number): number {
  return WORD_BITS - 1 - Math.clz32(word & -word);
}
