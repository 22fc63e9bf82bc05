/** Cuts bytes into pieces at random places: what a network does to a body. */
import type { Prng } from "../../src/base/prng.ts";

/** One to `piecesMax` pieces, some of them empty, that add up to the bytes. */
export function cutAtRandom(bytes: Buffer, prng: Prng, piecesMax = 8): Buffer[] {
  const cuts = Array.from({ length: prng.nextBelow(piecesMax) }, () => prng.nextBelow(bytes.length + 1)).sort(
    (a, b) => a - b,
  );
  return [...cuts, bytes.length].map((end, index) => bytes.subarray(index === 0 ? 0 : cuts[index - 1], end));
}

/** Every way to cut the bytes in two. */
export function everyCut(bytes: Buffer): Buffer[][] {
  return Array.from({ length: bytes.length + 1 }, (_, at) => [bytes.subarray(0, at), bytes.subarray(at)]);
}
