/** Hashes of names, for the control thread: XXH64 as the kernel makes it of a model's name in a body. */
import type { Kernel } from "./kernel.ts";
import { layout } from "./layout.ts";

/** Names whose hash is kept. Past that all are forgotten, and hashed again as they come. */
const KEPT_MAX = 4096;

export class NameHashes {
  readonly #kernel: Kernel;
  readonly #scratch: Uint8Array;
  readonly #result: DataView;
  readonly #kept = new Map<string, bigint>();

  constructor(memory: WebAssembly.Memory, kernel: Kernel) {
    this.#kernel = kernel;
    this.#scratch = new Uint8Array(memory.buffer, layout.NAME_SCRATCH + 8, layout.NAME_SCRATCH_SIZE - 8);
    this.#result = new DataView(memory.buffer, layout.NAME_SCRATCH, 8);
  }

  /** Of the name's first NAME_SCRATCH_SIZE − 8 bytes: longer ones than MODEL_SIZE_MAX are in no request. */
  hash(name: string): bigint {
    const known = this.#kept.get(name);
    if (known !== undefined) return known;
    const bytes = new TextEncoder().encode(name).subarray(0, this.#scratch.length);
    this.#scratch.set(bytes);
    this.#kernel.hashBytes(layout.NAME_SCRATCH + 8, bytes.length, layout.NAME_SCRATCH);
    const hash = this.#result.getBigUint64(0, true);
    if (this.#kept.size >= KEPT_MAX) this.#kept.clear();
    this.#kept.set(name, hash);
    return hash;
  }
}
