/** Prompts that were found in another format: text, or token ids in protobuf's packed varints, cut anywhere. */
import { describe, expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { layout } from "../../../src/wasm/layout.ts";
import { KERNEL_BUILDS, testKernel } from "../../support/kernel.ts";
import { scanFacts, scanPieces, windowField } from "../../support/scan.ts";
import { blockIds } from "../../support/xxh64.ts";

const { API_RAW_TEXT, API_RAW_TOKEN_IDS, SCAN_DONE, SCAN_NOT_TOKEN_IDS } = layout;
const SEED = 20_261_122;

function idsOf(bytes: Buffer, blockSize: number): string[] {
  return blockIds(bytes, blockSize).map((id) => id.toString(16).padStart(16, "0"));
}

function varints(numbers: readonly bigint[]): Buffer {
  const bytes: number[] = [];
  for (let number of numbers) {
    while (number > 0x7fn) {
      bytes.push(Number(number & 0x7fn) | 0x80);
      number >>= 7n;
    }
    bytes.push(Number(number));
  }
  return Buffer.from(bytes);
}

function words(numbers: readonly bigint[]): Buffer {
  return Buffer.from(Uint32Array.from(numbers, (number) => Number(number & 0xffff_ffffn)).buffer);
}

describe.each(KERNEL_BUILDS)("raw prompts, %s build", (build) => {
  const kernel = testKernel(build);

  test.each([0, 1, 63, 64, 65, 1_000, 200_000])("a text of %i bytes is taken as it stands", (size) => {
    const prng = new Prng(SEED);
    const text = Buffer.from(Uint8Array.from({ length: size }, () => prng.nextU32()));
    const cuts = [7, 65_536, 65_540, 131_000, 196_000].filter((cut) => cut < size);
    expect(scanPieces(kernel, text, cuts, { api: API_RAW_TEXT, blockSize: 256 })).toBe(SCAN_DONE);
    expect(scanFacts(kernel)).toMatchObject({
      promptSize: size,
      hasPrompt: size > 0,
      model: undefined,
      prompt: idsOf(text, 256),
    });
  });

  test("token ids are the same whole, cut at every place, and byte by byte", () => {
    const numbers = [0n, 1n, 127n, 128n, 16_383n, 16_384n, 0xffff_ffffn, 0x1_0000_0001n, 0xffff_ffff_ffff_ffffn, 5n];
    const packed = varints(numbers);
    const expected = idsOf(words(numbers), 64);
    const everywhere = Array.from({ length: packed.length }, (_, index) => index);
    const ways = [[], everywhere, ...everywhere.map((cut) => [cut])];
    for (const cuts of ways) {
      expect(scanPieces(kernel, packed, cuts, { api: API_RAW_TOKEN_IDS, blockSize: 64 })).toBe(SCAN_DONE);
      expect(scanFacts(kernel)).toMatchObject({ prompt: expected, promptSize: numbers.length * 4 });
    }
    expect(ways.length).toBe(packed.length + 2);
  });

  test("a piece full of one-byte ids, each four times its size, stays within the staging area", () => {
    const packed = Buffer.alloc(layout.CHUNK_SIZE_MAX, 9);
    const behind = kernel.shardBase(0) + layout.SHARD_STAGING + layout.STAGING_SIZE;
    kernel.bytes.fill(0xcc, behind, behind + 16);
    expect(scanPieces(kernel, packed, [], { api: API_RAW_TOKEN_IDS, blockSize: 4_096 })).toBe(SCAN_DONE);
    const expected = words(Array.from(packed, BigInt));
    expect(scanFacts(kernel)).toMatchObject({ prompt: idsOf(expected, 4_096), promptSize: expected.length });
    expect(kernel.bytes.subarray(behind, behind + 16)).toEqual(new Uint8Array(16).fill(0xcc));
  });

  test("an id of ten bytes is one, a longer one or one that does not end is none", () => {
    const id = (size: number): Buffer => Buffer.concat([Buffer.alloc(size - 1, 0xff), Buffer.from([1])]);
    const scan = (packed: Buffer): number => scanPieces(kernel, packed, [3], { api: API_RAW_TOKEN_IDS });
    expect(scan(Buffer.concat([id(10), id(9), id(10)]))).toBe(SCAN_DONE);
    for (const size of [11, 12, 1_000]) {
      expect(scan(Buffer.concat([id(10), id(size), id(1)]))).toBe(SCAN_NOT_TOKEN_IDS);
      expect(windowField(kernel, layout.WINDOW_BODY_OFFSET)).toBe(19);
    }
    for (const size of [2, 5, 10])
      expect(scan(Buffer.concat([id(4), id(size).subarray(0, -1)]))).toBe(SCAN_NOT_TOKEN_IDS);
  });

  test("random bytes never harm", () => {
    const prng = new Prng(SEED).fork("garbage");
    for (let index = 0; index < 500; index++) {
      const bytes = Buffer.from(Uint8Array.from({ length: prng.nextBelow(200) }, () => prng.nextU32()));
      const result = scanPieces(kernel, bytes, [prng.nextBelow(bytes.length + 1)], { api: API_RAW_TOKEN_IDS });
      const sizes = bytes.toString("latin1").split(/(?<=[\0-\x7f])/);
      const isGood = sizes.every((id) => id.length <= 10) && (bytes.at(-1) ?? 0) < 0x80;
      expect(result).toBe(isGood ? SCAN_DONE : SCAN_NOT_TOKEN_IDS);
    }
  });
});
