/**
 * What block ids cost, without the scan: `hashBlocks` over bytes that lie in shared memory, against plain JavaScript.
 */
import { Prng } from "../../src/base/prng.ts";
import { layout } from "../../src/wasm/layout.ts";
import { testKernel } from "../../test/support/kernel.ts";
import type { MicroBench, MicroBenchCase } from "../harness.ts";
import { hashBlocksPlainly } from "./plain-xxh64.ts";

const SHAPES = [
  { blockSize: 256, size: 16_384, target: { text: "≥ 8 GB/s", minGigabytesPerSecond: 8 } },
  { blockSize: 64, size: 16_384 },
  { blockSize: 1024, size: 16_384 },
  { blockSize: 256, size: 2048 },
  { blockSize: 256, size: 524_288 },
] as const;

export const blockHashBench: MicroBench = {
  name: "block-hash",
  unit: "prompt",
  cases: (size, seed) => (size === "large" ? SHAPES : SHAPES.slice(0, 2)).map((shape) => hashCase(shape, seed)),
};

function hashCase(shape: (typeof SHAPES)[number], seed: number): MicroBenchCase {
  const { blockSize, size } = shape;
  const { kernel, bytes, memory } = testKernel("release", { streamWindowCount: 64 });
  const prng = new Prng(seed);
  const source = layout.INDEX_SETS;
  const target = source + size;
  for (let at = 0; at < size; at++) bytes[source + at] = prng.nextBelow(256);
  const words = new Int32Array(bytes.slice(source, target).buffer);
  const plainIds = new Int32Array((size / blockSize) * 2);
  const kernelIds = new Int32Array(memory.buffer, target, plainIds.length);
  const hash = (): number => kernel.hashBlocks(source, size, blockSize, target);
  const hashPlainly = (): void => hashBlocksPlainly(words, blockSize, plainIds);
  return {
    label: `${size / 1024} KiB in blocks of ${blockSize} B`,
    bytesPerOperation: size,
    ...("target" in shape && {
      target: {
        text: shape.target.text,
        met: ({ gigabytesPerSecond = 0 }) => gigabytesPerSecond >= shape.target.minGigabytesPerSecond,
      },
    }),
    kernel: hash,
    baseline: hashPlainly,
    baselineName: "XXH64 in two 32-bit halves",
    check: () => {
      hash();
      hashPlainly();
      if (kernelIds.some((half, index) => half !== plainIds[index])) throw new Error("kernel and baseline differ");
      return Buffer.from(Int32Array.from(plainIds.slice(-2)).buffer).toString("hex");
    },
  };
}
