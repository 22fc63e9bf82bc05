/**
 * The one writer of the prefix index. Drains the rings of all shards: what was picked is what the endpoint is taken to
 * hold from then on. Keeps each endpoint within its capacity by forgetting its least recently used blocks.
 *
 *   ring record ─► generation ─► lane: held? ─► room: lane, entries ─► table ─► lane: what the table took ─► ring tail
 *
 * Blocks are stored head first and removed tail first, so that what an endpoint holds is prefix-closed at every instant
 * (M11). Starting a writer empties the index: a new one can replace one that has died.
 */
import { assert } from "../base/assert.ts";
import { instantiateKernel, type Kernel, type KernelBuild } from "./kernel.ts";
import { type LaneCapacity, Lanes } from "./lanes.ts";
import { layout } from "./layout.ts";

/**
 * Bytes of one ring that are applied before the next shard has its turn: about a millisecond of the longest prompts.
 */
const DRAIN_SLICE_SIZE = 65_536;
/** How often one record may have other blocks evicted for it; what finds no place then is refused. */
const EVICTION_ROUNDS_MAX = 4;
/** Blocks that a full table gives up at least, so that the search for the fullest lane is not made for each block. */
const TABLE_EVICTION_BLOCKS_MIN = 64;

export interface IndexWriterOptions {
  readonly memory: WebAssembly.Memory;
  readonly lanes: LaneCapacity;
  readonly build?: KernelBuild;
  /** Holder sets in use are numbered below this; SETS_MAX unless a test wants to run out of them. */
  readonly setLimit?: number;
}

/** Base of a ring and word indexes of its head and tail. */
interface Ring {
  readonly base: number;
  readonly head: number;
  readonly tail: number;
}

export class IndexWriter {
  readonly kernel: Kernel;
  readonly lanes: Lanes;
  readonly #words: Uint32Array;
  readonly #doorbell: Int32Array;
  readonly #counters: BigUint64Array;
  /** By shard. */
  readonly #rings: readonly Ring[];
  /** Requests to clear that have been looked for; undefined: none has. */
  #clearsSeen: number | undefined;
  #recordCount = 0;
  #staleCount = 0;
  #refusedCount = 0;
  #clearedCount = 0;

  /** Takes over the index of a memory: empties it and skips what the rings hold. No other writer may be running. */
  constructor(options: IndexWriterOptions) {
    const { memory, lanes, build, setLimit = layout.SETS_MAX } = options;
    this.kernel = instantiateKernel(memory, build);
    this.lanes = new Lanes(lanes, build);
    this.#words = new Uint32Array(memory.buffer);
    this.#doorbell = new Int32Array(memory.buffer, layout.INDEX + layout.INDEX_SLEEPING, 1);
    this.#counters = new BigUint64Array(
      memory.buffer,
      layout.INDEX + layout.INDEX_COUNTERS,
      layout.INDEX_COUNTERS_COUNT,
    );
    this.#rings = this.#findRings();
    this.kernel.writerReset(setLimit);
  }

  /**
   * Applies a slice of each ring, and clears the endpoints that the control thread asks for. Returns how much there
   * was.
   */
  drain(): number {
    let applied = this.#clearRequested();
    for (let shard = 0; shard < this.#rings.length; shard++) applied += this.#drainRing(shard);
    if (applied === 0) return 0;
    this.kernel.raiseEpoch();
    this.#publishCounters();
    return applied;
  }

  /** Forgets all that an endpoint holds, tails first. */
  clearEndpoint(slot: number): void {
    while (this.lanes.blockCount(slot) > 0) this.#evict(slot, layout.BLOCKS_MAX, 0);
  }

  /**
   * Sleeps until a shard or the control thread rings the doorbell (M9), at most `timeoutMs`. Not if there is work
   * already.
   */
  waitForWork(timeoutMs: number): void {
    Atomics.store(this.#doorbell, 0, 1);
    // Looked at after the word is 1: whoever adds work later finds it set, and wakes the writer.
    if (!this.#hasWork() && !this.isStopRequested()) Atomics.wait(this.#doorbell, 0, 1, timeoutMs);
    Atomics.store(this.#doorbell, 0, 0);
  }

  /**
   * Waits up to `timeoutMs` without being woken by shards, so that one turn serves all that they pick meanwhile. Not if
   * there is work already.
   */
  nap(timeoutMs: number): void {
    // The word stays 0: to shards the writer is awake, and they make no call into the kernel of the system for it.
    if (!this.#hasWork() && !this.isStopRequested()) Atomics.wait(this.#doorbell, 0, 0, timeoutMs);
  }

  isStopRequested(): boolean {
    return Atomics.load(this.#words, (layout.HEADER + layout.HEADER_SHUTDOWN) / 4) === 1;
  }

  #findRings(): Ring[] {
    const header = layout.HEADER / 4;
    const shardCount = this.#words[header + layout.HEADER_SHARD_COUNT / 4] as number;
    const shardsBase = this.#words[header + layout.HEADER_SHARDS_BASE / 4] as number;
    const shardStride = this.#words[header + layout.HEADER_SHARD_STRIDE / 4] as number;
    return Array.from({ length: shardCount }, (_, shard) => {
      const base = shardsBase + shard * shardStride;
      return {
        base: base + layout.SHARD_RING,
        head: (base + layout.SHARD_RING_HEAD) / 4,
        tail: (layout.INDEX + layout.INDEX_RING_TAIL) / 4 + shard,
      };
    });
  }

  #hasWork(): boolean {
    if (this.#clearsRequested() !== this.#clearsSeen) return true;
    return this.#rings.some(({ head, tail }) => Atomics.load(this.#words, head) !== this.#words[tail]);
  }

  #clearsRequested(): number {
    return Atomics.load(this.#words, (layout.ENDPOINTS + layout.ENDPOINTS_CLEARS) / 4);
  }

  #clearRequested(): number {
    const requested = this.#clearsRequested();
    if (requested === this.#clearsSeen) return 0;
    // Read before the column: a request that is not seen in it now raises the number once more.
    this.#clearsSeen = requested;
    let cleared = 0;
    let slot = this.kernel.nextClearRequest(0);
    for (; slot < layout.ENDPOINTS_MAX; slot = this.kernel.nextClearRequest(slot + 1)) {
      // Read before the lane is cleared: a later request is answered by a later clearing.
      const generation = Atomics.load(this.#words, layout.COLUMN_CLEAR_REQUEST / 4 + slot);
      this.clearEndpoint(slot);
      Atomics.store(this.#words, (layout.INDEX + layout.INDEX_CLEARED) / 4 + slot, generation);
      cleared++;
    }
    this.#clearedCount += cleared;
    return cleared;
  }

  /**
   * Applies up to a slice of one ring. Each record leaves the ring, and thereby the shard's overlay, once it is in the
   * index.
   */
  #drainRing(shard: number): number {
    const ring = this.#rings[shard] as Ring;
    const head = Atomics.load(this.#words, ring.head);
    let tail = this.#words[ring.tail] as number;
    let drained = 0;
    let records = 0;
    while (tail !== head && drained < DRAIN_SLICE_SIZE) {
      const record = ring.base + (tail & (layout.RING_SIZE - 1));
      const size = this.#words[(record + layout.RING_RECORD_SIZE) / 4] as number;
      // Texts are made when they are needed: this is done for each record.
      if (size < 8 || size % 8 !== 0 || size > (head - tail) >>> 0) {
        assert(false, `shard ${shard}: ring record of ${size} bytes`);
      }
      if (this.#words[(record + layout.RING_RECORD_SLOT) / 4] !== layout.RING_PADDING) {
        this.#applyRecord(record);
        records++;
      }
      tail = (tail + size) >>> 0;
      drained += size;
      Atomics.store(this.#words, ring.tail, tail);
    }
    this.#recordCount += records;
    return records;
  }

  #applyRecord(record: number): void {
    const slot = this.#words[(record + layout.RING_RECORD_SLOT) / 4] as number;
    const generation = this.#words[(record + layout.RING_RECORD_GENERATION) / 4] as number;
    if (!this.#isCurrent(slot, generation)) {
      this.#staleCount++;
      return;
    }
    const keyCount = this.#words[(record + layout.RING_RECORD_KEY_COUNT) / 4] as number;
    const stored = this.#storeChain(slot, record + layout.RING_RECORD_KEYS, keyCount);
    this.#refusedCount += keyCount - stored;
  }

  /** False once the endpoint has left the slot, which the control thread says before it gives the slot again. */
  #isCurrent(slot: number, generation: number): boolean {
    if (slot >= layout.ENDPOINTS_MAX) assert(false, `ring record for slot ${slot}`);
    if (Atomics.load(this.#words, layout.COLUMN_GENERATION / 4 + slot) !== generation) return false;
    return Atomics.load(this.#words, layout.COLUMN_CLEAR_REQUEST / 4 + slot) !== generation;
  }

  /** Stores a chain as the endpoint's most recently used. Returns how many leading keys the endpoint holds now. */
  #storeChain(slot: number, keys: number, keyCount: number): number {
    const { lanes } = this;
    const limit = this.#laneLimit(slot);
    const count = Math.min(keyCount, limit);
    const held = lanes.match(slot, this.#words, keys, count);
    if (held === count) return held;
    // The chain's own blocks are the newest now, and count ≤ limit: what is evicted is never one of them.
    this.#evict(slot, lanes.blockCount(slot) + count - held - limit, held);
    const fresh = Math.min(count - held, this.#freeEntries(slot, count - held, held));
    const stored = this.#storeInTable(slot, keys + held * 8, fresh, held);
    lanes.insert(slot, held, stored);
    return held + stored;
  }

  /** Blocks that the endpoint is taken to hold at most: what the control thread says of it, or the common limit. */
  #laneLimit(slot: number): number {
    return Atomics.load(this.#words, layout.COLUMN_LANE_LIMIT / 4 + slot) || this.lanes.capacity.blocksPerEndpoint;
  }

  /** Tries to have `count` lane entries free, at the cost of the fullest lanes. Returns how many are. */
  #freeEntries(slot: number, count: number, held: number): number {
    for (let round = 0; round < EVICTION_ROUNDS_MAX && this.lanes.freeCount() < count; round++) {
      if (this.#evictFromFullest(slot, count - this.lanes.freeCount(), held) === 0) break;
    }
    return this.lanes.freeCount();
  }

  /**
   * Stores keys for the endpoint; a table at its load limit takes room from the fullest lanes. Returns how many it
   * stored.
   */
  #storeInTable(slot: number, keys: number, count: number, held: number): number {
    let stored = this.kernel.storeBlocks(slot, keys, count);
    for (let round = 0; round < EVICTION_ROUNDS_MAX && stored < count && this.#isTableFull(); round++) {
      const wanted = Math.max(count - stored, TABLE_EVICTION_BLOCKS_MIN);
      if (this.#evictFromFullest(slot, wanted, held) === 0) break;
      stored += this.kernel.storeBlocks(slot, keys + stored * 8, count - stored);
    }
    return stored;
  }

  #isTableFull(): boolean {
    const head = layout.INDEX / 4;
    const keyCount = this.#words[head + layout.INDEX_KEY_COUNT / 4] as number;
    return keyCount >= (this.#words[head + layout.INDEX_KEY_LIMIT / 4] as number);
  }

  /** Evicts from the lane that holds most; from `slot` itself only what is not of the chain in hand. */
  #evictFromFullest(slot: number, count: number, held: number): number {
    const fullest = this.lanes.fullest();
    return this.#evict(fullest, count, fullest === slot ? held : 0);
  }

  #evict(slot: number, count: number, keep: number): number {
    if (count <= 0) return 0;
    const target = layout.INDEX_EVICTED_KEYS;
    const evicted = this.lanes.evict(slot, Math.min(count, layout.BLOCKS_MAX), keep, this.#words, target);
    this.kernel.removeBlocks(slot, target, evicted);
    return evicted;
  }

  #publishCounters(): void {
    this.#addToCounter(layout.INDEX_COUNTER_RECORDS, this.#recordCount);
    this.#addToCounter(layout.INDEX_COUNTER_STALE_RECORDS, this.#staleCount);
    this.#addToCounter(layout.INDEX_COUNTER_BLOCKS_REFUSED, this.#refusedCount);
    this.#addToCounter(layout.INDEX_COUNTER_ENDPOINTS_CLEARED, this.#clearedCount);
    this.#recordCount = 0;
    this.#staleCount = 0;
    this.#refusedCount = 0;
    this.#clearedCount = 0;
  }

  #addToCounter(counter: number, amount: number): void {
    if (amount > 0) this.#counters[counter] = (this.#counters[counter] as bigint) + BigInt(amount);
  }
}
