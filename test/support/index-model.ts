/**
 * The prefix index as a plain model (`Map<key, Set<slot>>`), and a handle on the real one that tests can compare with
 * it. Chains are made as the kernel makes them: a key is a hash of the block and of the key before it.
 */
import type { Kernel } from "../../src/wasm/kernel.ts";
import { layout } from "../../src/wasm/layout.ts";
import type { TestKernel } from "./kernel.ts";

const U64 = (1n << 64n) - 1n;

/** The key of block `block` after `previous`: SplitMix64's finalizer (Vigna, public domain), which is a bijection. */
function chainKey(previous: bigint, block: number): bigint {
  let mixed = ((previous ^ BigInt(block)) + 0x9e3779b97f4a7c15n) & U64;
  mixed = ((mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n) & U64;
  mixed = ((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn) & U64;
  return mixed ^ (mixed >> 31n);
}

/** Keys of a prompt, given its blocks. Prompts that begin alike have keys that begin alike. */
export function chainOf(blocks: readonly number[], root = 1n): bigint[] {
  let previous = root;
  return blocks.map((block) => {
    previous = chainKey(previous, block);
    return previous;
  });
}

/** A chain of `length` blocks that shares nothing with a chain of another name. */
export function chainNamed(name: number, length: number): bigint[] {
  return chainOf(Array.from({ length }, (_, block) => (block === 0 ? 1_000_000 + name : block)));
}

/** What an index should know. */
export class IndexModel {
  readonly holders: Map<bigint, Set<number>> = new Map();

  store(slot: number, keys: readonly bigint[]): void {
    for (const key of keys) {
      const holders = this.holders.get(key);
      if (holders === undefined) this.holders.set(key, new Set([slot]));
      else holders.add(slot);
    }
  }

  remove(slot: number, keys: readonly bigint[]): void {
    for (const key of keys) {
      const holders = this.holders.get(key);
      if (holders?.delete(slot) && holders.size === 0) this.holders.delete(key);
    }
  }

  depth(slot: number, keys: readonly bigint[]): number {
    const missing = keys.findIndex((key) => !this.holders.get(key)?.has(slot));
    return missing === -1 ? keys.length : missing;
  }
}

/** The index of a test kernel. Uses the scratch area of shard 0 for what crosses the border. */
export class TestIndex {
  readonly kernel: Kernel;
  readonly view: DataView;
  readonly shard: number;
  readonly #keys: BigUint64Array;
  readonly #candidates: BigUint64Array;
  readonly #depths: Uint16Array;
  readonly #scratch: number;

  constructor({ kernel, view, memory, shardBase }: TestKernel, shard = 0) {
    this.kernel = kernel;
    this.view = view;
    this.shard = shardBase(shard);
    const area = this.shard + layout.SHARD_SCRATCH;
    this.#keys = new BigUint64Array(memory.buffer, area, layout.BLOCKS_MAX);
    this.#candidates = new BigUint64Array(memory.buffer, area + 16_384, layout.MASK_WORDS);
    this.#depths = new Uint16Array(memory.buffer, area + 20_480, layout.ENDPOINTS_MAX);
    this.#scratch = area + 24_576;
  }

  /** Writes keys where kernel functions can read them. */
  putKeys(keys: readonly bigint[]): number {
    this.#keys.set(keys);
    return this.#keys.byteOffset;
  }

  store(slot: number, keys: readonly bigint[]): number {
    return this.kernel.storeBlocks(slot, this.putKeys(keys), keys.length);
  }

  remove(slot: number, keys: readonly bigint[]): number {
    return this.kernel.removeBlocks(slot, this.putKeys(keys), keys.length);
  }

  /**
   * Depths by slot, for the candidates in the order given. `overlay`: own picks that are not applied yet count as well.
   */
  depths(
    keys: readonly bigint[],
    candidates: readonly number[],
    how: "jump" | "linear" | "overlay" = "jump",
  ): readonly number[] {
    this.#candidates.fill(0n);
    for (const slot of candidates) {
      const word = slot >> 6;
      this.#candidates[word] = (this.#candidates[word] as bigint) | (1n << BigInt(slot & 63));
    }
    this.#depths.fill(0xdead);
    const pointer = this.putKeys(keys);
    const { kernel, shard } = this;
    const match = how === "linear" ? kernel.matchKeysLinear : kernel.matchKeys;
    kernel.readBegin(shard);
    match(pointer, keys.length, this.#candidates.byteOffset, this.#depths.byteOffset, this.#scratch);
    if (how === "overlay") kernel.overlayMatch(shard, pointer, keys.length, this.#depths.byteOffset);
    kernel.readEnd(shard);
    return candidates.map((slot) => this.#depths[slot] as number);
  }

  /** Tells the index writer of a pick. False when the ring is full. */
  push(slot: number, generation: number, keys: readonly bigint[]): boolean {
    return this.kernel.ringPush(this.shard, slot, generation, this.putKeys(keys), keys.length) !== 0;
  }

  /** "" when all invariants of the index hold, or which one is broken, and where. */
  brokenInvariant(): string {
    const broken = this.kernel.checkIndex(this.#scratch);
    return broken === 0 ? "" : `M${broken} at ${this.view.getUint32(this.#scratch, true)}`;
  }

  keyCount(): number {
    return this.view.getUint32(layout.INDEX + layout.INDEX_KEY_COUNT, true);
  }

  counter(counter: number): number {
    return Number(this.view.getBigUint64(layout.INDEX + layout.INDEX_COUNTERS + counter * 8, true));
  }
}
