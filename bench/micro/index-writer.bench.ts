/**
 * What the index writer costs per block: a pick's record goes through the ring, the endpoint's lane and the key table,
 * and as the lanes are full, each new block evicts an old one, on its way from table and lane. The baseline keeps one
 * Map per endpoint in order of use and a Map of Sets.
 */
import { createHash } from "node:crypto";
import { Prng } from "../../src/base/prng.ts";
import { EndpointColumns } from "../../src/wasm/endpoint-columns.ts";
import { IndexWriter } from "../../src/wasm/index-writer.ts";
import { layout } from "../../src/wasm/layout.ts";
import { type TestKernel, testKernel } from "../../test/support/kernel.ts";
import type { BenchSize, MicroBench, MicroBenchCase } from "../harness.ts";

interface Shape {
  readonly blocks: number;
  /** Leading blocks of each prompt that all prompts share, and that all endpoints come to hold. */
  readonly sharedBlocks: number;
  readonly target?: { readonly text: string; readonly maxNs: number };
}

const SHAPES: readonly Shape[] = [
  // One block is stored and one is evicted.
  { blocks: 256, sharedBlocks: 0, target: { text: "≥ 4 M stores and evictions/s", maxNs: 500 } },
  { blocks: 256, sharedBlocks: 192 },
  { blocks: 2048, sharedBlocks: 0 },
  { blocks: 16, sharedBlocks: 8 },
];

const SCALES = {
  small: { endpoints: 4, slotsLog2: 13, blocksPerEndpoint: 512 },
  large: { endpoints: 100, slotsLog2: 20, blocksPerEndpoint: 6_000 },
} as const;

/** Of a slot's first endpoint. */
const GENERATION = 1;

export const indexWriterBench: MicroBench = {
  name: "index-writer",
  unit: "block",
  cases: (size, seed) => (size === "large" ? SHAPES : SHAPES.slice(0, 2)).map((shape) => writeCase(shape, size, seed)),
};

function writeCase(shape: Shape, size: BenchSize, seed: number): MicroBenchCase {
  const bench = new FullLanes(shape, size, seed);
  return {
    label: `prompts of ${shape.blocks} blocks, ${shape.sharedBlocks} of them shared`,
    operationsPerCall: shape.blocks,
    ...(shape.target && {
      target: { text: shape.target.text, met: ({ p50Ns }) => p50Ns <= (shape.target?.maxNs ?? 0) },
    }),
    kernel: () => bench.write(),
    baseline: () => bench.writePlainly(),
    baselineName: "Map per endpoint, Map of Sets",
    check: () => bench.check(),
  };
}

/** An index and its plain counterpart in the steady state, in which every endpoint holds all it may. */
class FullLanes {
  readonly #shape: Shape;
  readonly #scale: (typeof SCALES)[BenchSize];
  readonly #kernel: TestKernel;
  readonly #writer: IndexWriter;
  readonly #prompt: BigUint64Array;
  readonly #prng: Prng;
  readonly #plainPrng: Prng;
  readonly #plain: PlainIndex;
  readonly #plainPrompt: BigUint64Array;
  #nextSlot = 0;
  #nextPlainSlot = 0;

  constructor(shape: Shape, size: BenchSize, seed: number) {
    const { slotsLog2, blocksPerEndpoint, endpoints } = SCALES[size];
    this.#shape = shape;
    this.#scale = SCALES[size];
    this.#kernel = testKernel("release", { indexSlotsLog2: slotsLog2, streamWindowCount: 1 });
    const { memory, shardBase } = this.#kernel;
    const columns = new EndpointColumns(memory);
    for (let slot = 0; slot < endpoints; slot++) columns.add(slot, "10.0.0.1:8000");
    this.#writer = new IndexWriter({
      memory,
      lanes: { blocksPerEndpoint, blocksTotal: endpoints * blocksPerEndpoint },
    });
    this.#prompt = new BigUint64Array(memory.buffer, shardBase(0) + layout.SHARD_SCRATCH, shape.blocks);
    this.#plainPrompt = new BigUint64Array(shape.blocks);
    this.#plain = new PlainIndex(blocksPerEndpoint);
    // Two generators with one seed: both sides see the same prompts, each at its own pace.
    this.#prng = new Prng(seed);
    this.#plainPrng = new Prng(seed);
    for (const prompt of [this.#prompt, this.#plainPrompt]) fillWithKeys(prompt, 0, new Prng(seed).fork("shared"));
    const prompts = Math.ceil((endpoints * blocksPerEndpoint) / (shape.blocks - shape.sharedBlocks)) + endpoints;
    for (let prompt = 0; prompt < prompts; prompt++) {
      this.write();
      this.writePlainly();
    }
  }

  write(): void {
    const { kernel, shardBase } = this.#kernel;
    fillWithKeys(this.#prompt, this.#shape.sharedBlocks, this.#prng);
    const slot = this.#nextSlot++ % this.#scale.endpoints;
    kernel.ringPush(shardBase(0), slot, GENERATION, this.#prompt.byteOffset, this.#prompt.length);
    this.#writer.drain();
  }

  writePlainly(): void {
    fillWithKeys(this.#plainPrompt, this.#shape.sharedBlocks, this.#plainPrng);
    this.#plain.store(this.#nextPlainSlot++ % this.#scale.endpoints, this.#plainPrompt);
  }

  /** Both sides have taken the same prompts, and must hold as many distinct blocks. */
  check(): string {
    if (this.#nextSlot !== this.#nextPlainSlot) throw new Error("the two sides are not in step");
    const { view } = this.#kernel;
    const keyCount = view.getUint32(layout.INDEX + layout.INDEX_KEY_COUNT, true);
    if (keyCount !== this.#plain.holders.size) {
      throw new Error(`the index holds ${keyCount} blocks, the plain one ${this.#plain.holders.size}`);
    }
    if (!this.#plainPrompt.every((key, block) => key === this.#prompt[block])) throw new Error("the prompts differ");
    return createHash("sha256")
      .update(`${keyCount} ${this.#prompt.join(" ")}`)
      .digest("hex")
      .slice(0, 16);
  }
}

/** The same index as one would first write it: Maps keep insertion order, so re-inserting a key makes it the newest. */
class PlainIndex {
  readonly holders: Map<bigint, Set<number>> = new Map();
  readonly #lanes: Map<number, Map<bigint, true>> = new Map();
  readonly #blocksPerEndpoint: number;

  constructor(blocksPerEndpoint: number) {
    this.#blocksPerEndpoint = blocksPerEndpoint;
  }

  store(slot: number, keys: BigUint64Array): void {
    const lane = this.#lanes.get(slot) ?? new Map<bigint, true>();
    this.#lanes.set(slot, lane);
    // Tail first, as the lanes do it.
    for (let block = keys.length - 1; block >= 0; block--) {
      const key = keys[block] as bigint;
      if (lane.delete(key)) {
        lane.set(key, true);
        continue;
      }
      lane.set(key, true);
      const holders = this.holders.get(key);
      if (holders === undefined) this.holders.set(key, new Set([slot]));
      else holders.add(slot);
    }
    for (const oldest of lane.keys()) {
      if (lane.size <= this.#blocksPerEndpoint) break;
      lane.delete(oldest);
      const holders = this.holders.get(oldest);
      holders?.delete(slot);
      if (holders?.size === 0) this.holders.delete(oldest);
    }
  }
}

function fillWithKeys(keys: BigUint64Array, from: number, prng: Prng): void {
  const halves = new Uint32Array(keys.buffer, keys.byteOffset, keys.length * 2);
  for (let at = from * 2; at < halves.length; at++) halves[at] = prng.nextU32();
}
