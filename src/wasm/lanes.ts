/**
 * The index writer's lanes: which blocks each endpoint holds, in order of use (`assembly/lanes.ts` over a private
 * memory of its own). Carries keys between that memory and the shared one.
 */
import { assert } from "../base/assert.ts";
import { instantiateKernel, type Kernel, type KernelBuild } from "./kernel.ts";
import { layout } from "./layout.ts";

const PAGE_SIZE = 65_536;

export interface LaneCapacity {
  /** Blocks that one endpoint is taken to hold at most; its least recently used are forgotten first. */
  readonly blocksPerEndpoint: number;
  /** Blocks of all endpoints together, 24 to 32 bytes of private memory each. */
  readonly blocksTotal: number;
}

/** 4 GiB of entries and buckets. */
const BLOCKS_TOTAL_MAX = 2 ** 27;

export class Lanes {
  readonly kernel: Kernel;
  readonly memory: WebAssembly.Memory;
  readonly capacity: LaneCapacity;
  readonly #words: Uint32Array;
  readonly #used: Uint32Array;
  readonly #records: Uint32Array;

  constructor(capacity: LaneCapacity, build?: KernelBuild) {
    const { blocksPerEndpoint, blocksTotal } = capacity;
    assert(blocksPerEndpoint >= 1, `blocksPerEndpoint ${blocksPerEndpoint} is not positive`);
    assert(
      blocksTotal >= 1 && blocksTotal <= BLOCKS_TOTAL_MAX,
      `blocksTotal ${blocksTotal} is not in 1 … ${BLOCKS_TOTAL_MAX}`,
    );
    const bucketsLog2 = Math.ceil(Math.log2(Math.max(blocksTotal, 2)));
    const size = layout.LANES_BUCKETS + 2 ** bucketsLog2 * 4 + (blocksTotal + 1) * layout.LANE_ENTRY_SIZE;
    const pages = Math.ceil(size / PAGE_SIZE);
    this.capacity = capacity;
    // Shared by type, because the module says so, but never handed to another thread.
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.kernel = instantiateKernel(this.memory, build);
    this.kernel.lanesInit(blocksTotal, bucketsLog2);
    this.#words = new Uint32Array(this.memory.buffer);
    this.#used = new Uint32Array(this.memory.buffer, layout.LANES_USED, 1);
    this.#records = new Uint32Array(
      this.memory.buffer,
      layout.LANES_RECORDS,
      (layout.ENDPOINTS_MAX * layout.LANE_STRIDE) / 4,
    );
  }

  /**
   * Takes over a chain of keys from the shared memory, and returns how many leading ones the lane holds. Those become
   * its newest. `insert` refers to this chain until the next call.
   */
  match(slot: number, shared: Uint32Array, keys: number, keyCount: number): number {
    copyKeys(shared, keys, this.#words, layout.LANES_KEYS, keyCount);
    return this.kernel.laneMatch(slot, keyCount);
  }

  /**
   * Adds keys held … held + count − 1 of the chain that `match` found `held` of. There must be that many entries free.
   */
  insert(slot: number, held: number, count: number): void {
    this.kernel.laneInsert(slot, held, count);
  }

  /**
   * Takes out up to `count` ≤ BLOCKS_MAX of the lane's oldest blocks, leaving `keep`, and writes their keys to `target`
   * in the shared memory, tails first. Returns how many.
   */
  evict(slot: number, count: number, keep: number, shared: Uint32Array, target: number): number {
    const evicted = this.kernel.laneEvict(slot, count, keep);
    copyKeys(this.#words, layout.LANES_EVICTED, shared, target, evicted);
    return evicted;
  }

  /** The slot whose lane holds most. */
  fullest(): number {
    return this.kernel.laneFullest();
  }

  blockCount(slot: number): number {
    return this.#records[(slot * layout.LANE_STRIDE + layout.LANE_COUNT) / 4] as number;
  }

  freeCount(): number {
    return this.capacity.blocksTotal - (this.#used[0] as number);
  }
}

/** Keys up to which a loop is quicker than two views of the memory. */
const LOOPED_KEYS_MAX = 64;

/** Copies keys from one memory to another, between multiples of 8 bytes. */
function copyKeys(from: Uint32Array, source: number, to: Uint32Array, target: number, count: number): void {
  const first = source / 4;
  const length = count * 2;
  if (count > LOOPED_KEYS_MAX) return to.set(from.subarray(first, first + length), target / 4);
  for (let word = 0; word < length; word++) to[target / 4 + word] = from[first + word] as number;
}
