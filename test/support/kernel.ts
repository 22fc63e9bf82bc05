/** Kernels for tests: every suite over the kernel runs on the debug build (asserts on) and on the release build. */
import { instantiateKernel, type Kernel } from "../../src/wasm/kernel.ts";
import { layout } from "../../src/wasm/layout.ts";
import { createSharedMemory, type MemoryShape, planMemory } from "../../src/wasm/regions.ts";

export const KERNEL_BUILDS = ["debug", "release"] as const;
export type KernelBuild = (typeof KERNEL_BUILDS)[number];

export interface TestKernel {
  readonly kernel: Kernel;
  readonly memory: WebAssembly.Memory;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Base of a shard's region. */
  shardBase(shard: number): number;
  /** Base of one of its stream windows. */
  windowBase(shard: number, window: number): number;
}

/** A kernel over a small memory of its own: one shard, 16 windows and 2^16 index slots unless told otherwise. */
export function testKernel(build: KernelBuild, shape: Partial<MemoryShape> = {}): TestKernel {
  const full: MemoryShape = { shardCount: 1, streamWindowCount: 16, indexSlotsLog2: 16, ...shape };
  const plan = planMemory(full);
  const memory = createSharedMemory(full);
  const shardBase = (shard: number): number => plan.shardsBase + shard * plan.shardStride;
  return {
    kernel: instantiateKernel(memory, build),
    memory,
    bytes: new Uint8Array(memory.buffer),
    view: new DataView(memory.buffer),
    shardBase,
    windowBase: (shard, window) => shardBase(shard) + layout.SHARD_WINDOWS + window * layout.WINDOW_STRIDE,
  };
}
