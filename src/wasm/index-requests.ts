/**
 * What the control thread asks of the index writer: to forget an endpoint that has left its slot, and to stop. Each request
 * is a word of the shared memory, and then the doorbell (M9).
 */
import { layout } from "./layout.ts";

export class IndexRequests {
  readonly #words: Int32Array;

  constructor(memory: WebAssembly.Memory) {
    this.#words = new Int32Array(memory.buffer);
  }

  /**
   * Asks that all blocks of a slot be forgotten, whose endpoint of this generation is gone. Records that shards still send
   * for that generation are dropped from now on. The slot must not be given again before `isCleared`.
   */
  clear(slot: number, generation: number): void {
    Atomics.store(this.#words, layout.COLUMN_CLEAR_REQUEST / 4 + slot, generation);
    this.#ringDoorbell();
  }

  /** Whether the last request for the slot, if there was one, has been carried out. */
  isCleared(slot: number): boolean {
    const requested = Atomics.load(this.#words, layout.COLUMN_CLEAR_REQUEST / 4 + slot);
    return Atomics.load(this.#words, (layout.INDEX + layout.INDEX_CLEARED) / 4 + slot) === requested;
  }

  /** Asks the writer to return. */
  stop(): void {
    Atomics.store(this.#words, (layout.HEADER + layout.HEADER_SHUTDOWN) / 4, 1);
    this.#ringDoorbell();
  }

  #ringDoorbell(): void {
    const doorbell = (layout.INDEX + layout.INDEX_SLEEPING) / 4;
    if (Atomics.exchange(this.#words, doorbell, 0) === 1) Atomics.notify(this.#words, doorbell, 1);
  }
}
