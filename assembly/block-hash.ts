/**
 * Block ids: XXH64 of each block's bytes, dependent on nothing else, so that they can be taken while a body arrives and
 * chained when model, salt and the order of parts are known (`schedule.ts`). The body scanner calls `hashBlocks` over
 * what it has staged; TypeScript calls both functions for prompts and names that it holds itself.
 */
import { xxh64, xxh64Stripes } from "./xxh64";

/**
 * Writes the id of each whole block of `size` bytes at `source` to `target`, 8 bytes each, and returns their count.
 * Bytes after the last whole block are not read. Any block size from 1; multiples of 32 are fastest.
 */
export function hashBlocks(source: usize, size: u32, blockSize: u32, target: usize): u32 {
  const count = size / blockSize;
  const end: usize = source + <usize>(count * blockSize);
  if ((blockSize & 31) == 0) {
    for (; source < end; source += blockSize, target += 8) store<u64>(target, xxh64Stripes(source, blockSize));
  } else {
    for (; source < end; source += blockSize, target += 8) store<u64>(target, xxh64(source, blockSize));
  }
  return count;
}

/** Writes XXH64 of the bytes, seed 0, to the 8 bytes at `target`. */
export function hashBytes(source: usize, size: u32, target: usize): void {
  store<u64>(target, xxh64(source, size));
}
