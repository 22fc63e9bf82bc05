/**
 * Names for KV cache blocks, chained as in vLLM: a block's hash covers its tokens and the hash of the block before it,
 * so one hash stands for a whole prefix. The chain begins at the model (or adapter) and the request's cache salt: what
 * one model computed is of no use to another. Only whole blocks have a hash.
 *
 *   root(model, salt) ──► h0 = H(root ‖ block 0) ──► h1 = H(h0 ‖ block 1) ──► …
 */
import { hash } from "node:crypto";

/** 32 hex digits: SHA-256 cut to 128 bits, wide enough never to collide in a simulation. */
export type BlockHash = string;

const HASH_LENGTH = 32;

/** What block 0 is chained to. */
export function chainRoot(model: string, cacheSalt: string): BlockHash {
  return hash("sha256", `${model}\0${cacheSalt}`, "hex").slice(0, HASH_LENGTH);
}

/** The hashes of the whole blocks in `bytes`, which begin right after the block named `parent`. */
export function hashBlocks(parent: BlockHash, bytes: Uint8Array, blockSize: number): BlockHash[] {
  const hashes: BlockHash[] = [];
  const chained = Buffer.allocUnsafe(HASH_LENGTH + blockSize);
  let previous = parent;
  for (let end = blockSize; end <= bytes.length; end += blockSize) {
    chained.write(previous, "latin1");
    chained.set(bytes.subarray(end - blockSize, end), HASH_LENGTH);
    previous = hash("sha256", chained, "hex").slice(0, HASH_LENGTH);
    hashes.push(previous);
  }
  return hashes;
}
