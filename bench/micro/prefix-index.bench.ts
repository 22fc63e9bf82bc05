/**
 * What a look-up costs: how many leading blocks of a prompt each endpoint holds. The key table stands at its load
 * limit, and look-ups go round many prompts, so that the table is not warmed by the one before. The baseline walks a
 * Map of Sets, and asks a Set only where it is another one than the block's before.
 */
import { createHash } from "node:crypto";
import { Prng } from "../../src/base/prng.ts";
import { layout } from "../../src/wasm/layout.ts";
import { type TestKernel, testKernel } from "../../test/support/kernel.ts";
import type { BenchSize, MicroBench, MicroBenchCase } from "../harness.ts";

interface Shape {
  readonly endpoints: number;
  readonly blocks: number;
  /** Different depths at which the endpoints of one prompt end. 0: nobody holds any block. */
  readonly depths: number;
  readonly target?: { readonly text: string; readonly maxNs: number };
}

const SHAPES: readonly Shape[] = [
  { endpoints: 100, blocks: 2048, depths: 4, target: { text: "≤ 5 µs", maxNs: 5_000 } },
  { endpoints: 100, blocks: 2048, depths: 0 },
  { endpoints: 100, blocks: 2048, depths: 1 },
  { endpoints: 100, blocks: 2048, depths: 16 },
  { endpoints: 8, blocks: 2048, depths: 4 },
  { endpoints: 1024, blocks: 2048, depths: 4 },
  { endpoints: 1024, blocks: 2048, depths: 64 },
  { endpoints: 100, blocks: 128, depths: 4 },
];

/** log2 of the table's slots, and prompts that look-ups go round. */
const SCALES = { small: { slotsLog2: 14, prompts: 4 }, large: { slotsLog2: 20, prompts: 128 } } as const;

export const prefixIndexBench: MicroBench = {
  name: "prefix-index",
  unit: "look-up",
  cases: (size, seed) => (size === "large" ? SHAPES : SHAPES.slice(0, 3)).map((shape) => lookUpCase(shape, size, seed)),
};

function lookUpCase(shape: Shape, size: BenchSize, seed: number): MicroBenchCase {
  const scale = SCALES[size];
  const index = new FullIndex(shape, scale.slotsLog2, scale.prompts, seed);
  let next = 0;
  let nextPlain = 0;
  return {
    label: `${shape.blocks} blocks, ${shape.endpoints} endpoints, drop depths: ${shape.depths}`,
    ...(shape.target && {
      target: { text: shape.target.text, met: ({ p50Ns }) => p50Ns <= (shape.target?.maxNs ?? 0) },
    }),
    kernel: () => index.match(next++ % scale.prompts),
    baseline: () => index.matchPlainly(nextPlain++ % scale.prompts),
    baselineName: "Map of Sets",
    check: () => {
      const hash = createHash("sha256");
      for (let prompt = 0; prompt < scale.prompts; prompt++) {
        const depths = index.match(prompt);
        const plain = index.matchPlainly(prompt);
        if (depths.some((depth, slot) => depth !== plain[slot])) throw new Error(`prompt ${prompt}: depths differ`);
        hash.update(depths);
      }
      return hash.digest("hex").slice(0, 16);
    },
  };
}

/** A table filled to its load limit, of which the first prompts are looked up; and the same as a Map. */
class FullIndex {
  readonly #kernel: TestKernel;
  readonly #shape: Shape;
  readonly #keys: BigUint64Array;
  readonly #depths: Uint16Array;
  readonly #candidates: number;
  readonly #scratch: number;
  readonly #plain: Map<bigint, ReadonlySet<number>> = new Map();
  readonly #plainDepths: Uint16Array;

  constructor(shape: Shape, slotsLog2: number, promptCount: number, seed: number) {
    const prng = new Prng(seed);
    this.#kernel = testKernel("release", { indexSlotsLog2: slotsLog2, streamWindowCount: 512 });
    this.#shape = shape;
    const { kernel, memory, shardBase } = this.#kernel;
    kernel.writerReset(layout.SETS_MAX);
    // The stream windows of the shard are free here, and large enough for all prompts.
    const keysAt = shardBase(0) + layout.SHARD_WINDOWS;
    this.#keys = new BigUint64Array(memory.buffer, keysAt, promptCount * shape.blocks);
    this.#candidates = shardBase(0) + layout.SHARD_SCRATCH;
    this.#depths = new Uint16Array(memory.buffer, this.#candidates + 4_096, shape.endpoints);
    this.#scratch = this.#candidates + 8_192;
    this.#plainDepths = new Uint16Array(shape.endpoints);
    const mask = new Uint8Array(memory.buffer, this.#candidates, layout.MASK_SIZE);
    for (let slot = 0; slot < shape.endpoints; slot++) mask[slot >> 3] = (mask[slot >> 3] ?? 0) | (1 << (slot & 7));
    fillWithKeys(this.#keys, prng);
    for (let prompt = 0; prompt < promptCount; prompt++) this.#store(prompt, prng);
    this.#fillUp(prng);
  }

  /** Depths by slot. */
  match(prompt: number): Uint16Array {
    const { blocks } = this.#shape;
    const keys = this.#keys.byteOffset + prompt * blocks * 8;
    this.#kernel.kernel.matchKeys(keys, blocks, this.#candidates, this.#depths.byteOffset, this.#scratch);
    return this.#depths;
  }

  matchPlainly(prompt: number): Uint16Array {
    const { blocks, endpoints } = this.#shape;
    const depths = this.#plainDepths.fill(0);
    let present = Array.from({ length: endpoints }, (_, slot) => slot);
    let known: ReadonlySet<number> | undefined;
    let block = 0;
    for (; block < blocks; block++) {
      const holders = this.#plain.get(this.#keys[prompt * blocks + block] as bigint);
      if (holders === undefined) break;
      if (holders === known) continue;
      for (const slot of present) if (!holders.has(slot)) depths[slot] = block;
      present = present.filter((slot) => holders.has(slot));
      if (present.length === 0) break;
      known = holders;
    }
    for (const slot of present) depths[slot] = block;
    return depths;
  }

  /** Gives each endpoint one of the shape's depths. */
  #store(prompt: number, prng: Prng): void {
    const { blocks, endpoints, depths } = this.#shape;
    if (depths === 0) return;
    const choices = Array.from({ length: depths }, () => 1 + prng.nextBelow(blocks));
    const byDepth = Array.from({ length: endpoints }, () => choices[prng.nextBelow(depths)] as number);
    const first = prompt * blocks;
    for (const [slot, depth] of byDepth.entries()) {
      this.#kernel.kernel.storeBlocks(slot, this.#keys.byteOffset + first * 8, depth);
    }
    // Neighbours with the same holders share one Set, as good an interning as the kernel's.
    let holders = new Set<number>();
    for (let block = 0; block < Math.max(...byDepth); block++) {
      if (block === 0 || choices.includes(block)) {
        holders = new Set(byDepth.flatMap((depth, slot) => (depth > block ? [slot] : [])));
      }
      this.#plain.set(this.#keys[first + block] as bigint, holders);
    }
  }

  /** Blocks of other prompts, up to the load limit. */
  #fillUp(prng: Prng): void {
    const { kernel, memory, shardBase } = this.#kernel;
    const others = new BigUint64Array(memory.buffer, shardBase(0) + layout.SHARD_RING, layout.BLOCKS_MAX);
    const single: ReadonlySet<number> = new Set([0]);
    let stored = others.length;
    while (stored === others.length) {
      fillWithKeys(others, prng);
      stored = kernel.storeBlocks(0, others.byteOffset, others.length);
      for (const key of others.subarray(0, stored)) this.#plain.set(key, single);
    }
  }
}

function fillWithKeys(keys: BigUint64Array, prng: Prng): void {
  const halves = new Uint32Array(keys.buffer, keys.byteOffset, keys.length * 2);
  for (let at = 0; at < halves.length; at++) halves[at] = prng.nextU32();
}
