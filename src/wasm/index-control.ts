/** What the control thread asks of the index writer, through the shared memory: to clear a slot, and to end. */
import { layout } from "./layout.ts";

export class IndexControl {
  readonly #clearRequests: Int32Array;
  readonly #clears: Int32Array;
  readonly #cleared: Int32Array;
  readonly #doorbell: Int32Array;
  readonly #shutdown: Int32Array;

  constructor(memory: WebAssembly.Memory) {
    const { buffer } = memory;
    this.#clearRequests = new Int32Array(buffer, layout.COLUMN_CLEAR_REQUEST, layout.ENDPOINTS_MAX);
    this.#clears = new Int32Array(buffer, layout.ENDPOINTS + layout.ENDPOINTS_CLEARS, 1);
    this.#cleared = new Int32Array(buffer, layout.INDEX + layout.INDEX_CLEARED, layout.ENDPOINTS_MAX);
    this.#doorbell = new Int32Array(buffer, layout.INDEX + layout.INDEX_SLEEPING, 1);
    this.#shutdown = new Int32Array(buffer, layout.HEADER + layout.HEADER_SHUTDOWN, 1);
  }

  /** Asks for all blocks that this generation of the slot holds to be dropped. */
  requestClear(slot: number, generation: number): void {
    Atomics.store(this.#clearRequests, slot, generation);
    Atomics.add(this.#clears, 0, 1);
    this.wake();
  }

  isCleared(slot: number, generation: number): boolean {
    return Atomics.load(this.#cleared, slot) === generation;
  }

  /** Asks the writer's task to return. */
  requestEnd(): void {
    Atomics.store(this.#shutdown, 0, 1);
    this.wake();
  }

  /** Makes the writer look at what it is asked. */
  wake(): void {
    Atomics.store(this.#doorbell, 0, 0);
    Atomics.notify(this.#doorbell, 0);
  }
}
