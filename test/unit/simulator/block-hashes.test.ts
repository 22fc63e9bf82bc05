import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { chainRoot, hashBlocks } from "../../../src/simulator/block-hashes.ts";

const BLOCK_SIZE = 64;
const ROOT = chainRoot("m", "");

test("each hash is SHA-256 over the hash before it and the block, cut to 128 bits", () => {
  const bytes = Buffer.from("abcdefgh".repeat(16));
  const sha = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 32);
  const root = sha("m\0");
  const first = sha(root + "abcdefgh".repeat(8));
  const second = sha(first + "abcdefgh".repeat(8));
  expect(hashBlocks(ROOT, bytes, BLOCK_SIZE)).toEqual([first, second]);
});

test.each([
  [0, 0],
  [63, 0],
  [64, 1],
  [127, 1],
  [128, 2],
])("%d bytes are %d whole blocks", (size, blockCount) => {
  expect(hashBlocks(ROOT, Buffer.alloc(size), BLOCK_SIZE)).toHaveLength(blockCount);
});

test("texts share hashes up to the block in which they differ, and none after it", () => {
  const left = hashBlocks(ROOT, Buffer.from(`${"a".repeat(128)}X${"b".repeat(127)}`), BLOCK_SIZE);
  const right = hashBlocks(ROOT, Buffer.from(`${"a".repeat(128)}Y${"b".repeat(127)}`), BLOCK_SIZE);
  expect(left.map((hash, index) => hash === right[index])).toEqual([true, true, false, false]);
});

test("the chain can be continued from its last hash", () => {
  const bytes = Buffer.from("0123456789abcdef".repeat(20));
  const whole = hashBlocks(ROOT, bytes, BLOCK_SIZE);
  const start = hashBlocks(ROOT, bytes.subarray(0, 128), BLOCK_SIZE);
  expect([...start, ...hashBlocks(start.at(-1) as string, bytes.subarray(128), BLOCK_SIZE)]).toEqual(whole);
});

test("another model or another salt is another chain, and neither can pass for the other", () => {
  const roots = [chainRoot("ab", ""), chainRoot("a", "b"), chainRoot("", "ab"), chainRoot("ab", "c")];
  expect(new Set(roots).size).toBe(roots.length);
});
