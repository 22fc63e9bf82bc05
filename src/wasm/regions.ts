/**
 * Creates the one shared memory: plans where the regions that are sized at start lie, and writes the header. The memory
 * never grows afterwards (growth would detach every view). Pages are committed by the operating system when first
 * touched, so reserving the maximum costs nothing.
 */
import { assert } from "../base/assert.ts";
import { layout } from "./layout.ts";

const PAGE_SIZE = 65_536;
const PAGES_MAX = 65_536;

export interface MemoryShape {
  /** Data shards, 1 … SHARDS_MAX. */
  readonly shardCount: number;
  /** Requests of one shard whose body may be arriving at once; one more is refused. */
  readonly streamWindowCount: number;
  /** log2 of the index's key slots, 12 … 26. At 70 % load 2^20 slots hold 734,003 distinct blocks in 16 MiB. */
  readonly indexSlotsLog2: number;
}

export interface MemoryPlan extends MemoryShape {
  readonly shardStride: number;
  readonly shardsBase: number;
  readonly indexTable: number;
  readonly indexVersions: number;
  readonly pages: number;
}

/** Places the regions. Throws when they do not fit into 4 GiB or a size is out of range. */
export function planMemory(shape: MemoryShape): MemoryPlan {
  const { shardCount, streamWindowCount, indexSlotsLog2 } = shape;
  assert(
    shardCount >= 1 && shardCount <= layout.SHARDS_MAX,
    `shardCount ${shardCount} is not in 1 … ${layout.SHARDS_MAX}`,
  );
  assert(
    streamWindowCount >= 1 && streamWindowCount <= 65_536,
    `streamWindowCount ${streamWindowCount} is not in 1 … 65536`,
  );
  assert(indexSlotsLog2 >= 12 && indexSlotsLog2 <= 26, `indexSlotsLog2 ${indexSlotsLog2} is not in 12 … 26`);
  const shardStride = alignUp(layout.SHARD_WINDOWS + streamWindowCount * layout.WINDOW_STRIDE, PAGE_SIZE);
  const shardsBase = alignUp(layout.INDEX_END, PAGE_SIZE);
  const indexTable = shardsBase + shardCount * shardStride;
  const indexVersions = indexTable + 2 ** indexSlotsLog2 * layout.INDEX_SLOT_SIZE;
  const end = indexVersions + (2 ** indexSlotsLog2 / layout.INDEX_WINDOW_SLOTS) * 4;
  const pages = Math.ceil(end / PAGE_SIZE);
  assert(
    pages <= PAGES_MAX,
    `${shardCount} shards, ${streamWindowCount} windows and 2^${indexSlotsLog2} slots need more than 4 GiB`,
  );
  return { ...shape, shardStride, shardsBase, indexTable, indexVersions, pages };
}

/** A new shared memory with its header written: ready for every thread. */
export function createSharedMemory(shape: MemoryShape): WebAssembly.Memory {
  const plan = planMemory(shape);
  const memory = new WebAssembly.Memory({ initial: plan.pages, maximum: plan.pages, shared: true });
  const header = new DataView(memory.buffer, layout.HEADER, layout.HEADER_SIZE);
  const fields: readonly (readonly [offset: number, value: number])[] = [
    [layout.HEADER_SHARD_COUNT, plan.shardCount],
    [layout.HEADER_WINDOW_COUNT, plan.streamWindowCount],
    [layout.HEADER_INDEX_SLOTS_LOG2, plan.indexSlotsLog2],
    [layout.HEADER_SHARDS_BASE, plan.shardsBase],
    [layout.HEADER_SHARD_STRIDE, plan.shardStride],
    [layout.HEADER_INDEX_TABLE, plan.indexTable],
    [layout.HEADER_INDEX_VERSIONS, plan.indexVersions],
    [layout.HEADER_VERSION, layout.LAYOUT_VERSION],
  ];
  for (const [offset, value] of fields) header.setUint32(offset, value, true);
  return memory;
}

/** Bases of the shards' regions, by number. */
export function shardBases(memory: WebAssembly.Memory): number[] {
  const header = new DataView(memory.buffer, layout.HEADER, layout.HEADER_SIZE);
  const base = header.getUint32(layout.HEADER_SHARDS_BASE, true);
  const stride = header.getUint32(layout.HEADER_SHARD_STRIDE, true);
  const count = header.getUint32(layout.HEADER_SHARD_COUNT, true);
  return Array.from({ length: count }, (_, shard) => base + shard * stride);
}

function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}
