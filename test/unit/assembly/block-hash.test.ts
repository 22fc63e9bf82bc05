import { describe, expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { KERNEL_BUILDS, type TestKernel, testKernel } from "../../support/kernel.ts";
import { blockIds, xxh64 } from "../../support/xxh64.ts";

const SEED = 20_261_120;
/** Any place in the shard's regions serves: these tests run nothing else. */
const SOURCE = 1 << 20;
const TARGET = 1 << 21;

// Well-known values of XXH64 with seed 0: the empty input, "a" and "abc" as in the test suites of xxhash ports in many
// languages; the fourth, longer than a stripe, as in those of the Python and Go ports.
const VECTORS = [
  ["", 0xef46db3751d8e999n],
  ["a", 0xd24ec4f1a98c6e5bn],
  ["abc", 0x44bc2cf5ad770999n],
  ["Call me Ishmael. Some years ago--never mind how long precisely-", 0x02a2e85470d6fd96n],
] as const;

describe("the slow XXH64 of the tests", () => {
  test.each(VECTORS)("of %j is the published value", (text, expected) => {
    expect(xxh64(Buffer.from(text))).toBe(expected);
  });
});

describe.each(KERNEL_BUILDS)("block hashes, %s build", (build) => {
  const kernel = testKernel(build);
  const bytes = randomBytes(new Prng(SEED), 4096 + 64);

  test.each(VECTORS)("XXH64 of %j is the published value", (text, expected) => {
    expect(hashOf(kernel, Buffer.from(text))).toBe(expected);
  });

  test("XXH64 equals the slow one for every size from 0 to 300, at every alignment to 8 bytes", () => {
    let runs = 0;
    for (let size = 0; size <= 300; size++) {
      const piece = bytes.subarray(size, 2 * size);
      expect(hashOf(kernel, piece, runs % 8), `size ${size}`).toBe(xxh64(piece));
      runs++;
    }
    expect(runs).toBe(301);
  });

  test.each([64, 68, 96, 100, 256, 1024, 4096])("ids of blocks of %d bytes equal the slow ones", (blockSize) => {
    const source = randomBytes(new Prng(SEED + blockSize), 5 * blockSize + blockSize - 1);
    kernel.bytes.set(source, SOURCE);
    kernel.bytes.fill(0xee, TARGET, TARGET + 6 * 8);
    const count = kernel.kernel.hashBlocks(SOURCE, source.length, blockSize, TARGET);
    expect(count).toBe(5);
    const ids = Array.from({ length: count }, (_, index) => kernel.view.getBigUint64(TARGET + index * 8, true));
    expect(ids).toEqual(blockIds(source, blockSize).slice(0, 5));
    expect(kernel.view.getBigUint64(TARGET + 5 * 8, true), "the word after the last id").toBe(0xeeeeeeeeeeeeeeeen);
  });

  test("less than a block gives no id", () => {
    expect(kernel.kernel.hashBlocks(SOURCE, 63, 64, TARGET)).toBe(0);
    expect(kernel.kernel.hashBlocks(SOURCE, 0, 64, TARGET)).toBe(0);
  });
});

function hashOf({ bytes, kernel, view }: TestKernel, source: Uint8Array, misalignment = 0): bigint {
  bytes.set(source, SOURCE + misalignment);
  kernel.hashBytes(SOURCE + misalignment, source.length, TARGET);
  return view.getBigUint64(TARGET, true);
}

function randomBytes(prng: Prng, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, () => prng.nextBelow(256));
}
