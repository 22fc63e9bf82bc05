/**
 * Random UUIDs for request ids: RFC 9562 version 4, drawn from a Prng so that a simulation repeats. Not for secrets.
 */
import type { Prng } from "./prng.ts";

export function randomUuid(prng: Prng): string {
  const hex = [prng.nextU32(), prng.nextU32(), prng.nextU32(), prng.nextU32()]
    .map((word) => word.toString(16).padStart(8, "0"))
    .join("");
  const variant = (8 + (Number.parseInt(hex.slice(16, 17), 16) & 3)).toString(16);
  const groups = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    variant + hex.slice(17, 20),
    hex.slice(20),
  ];
  return groups.join("-");
}
