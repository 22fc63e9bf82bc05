/** The numbers that a decision draws from its seed, by BigInt: SplitMix64 of seed + stream × its increment. */

const wrap = (value: bigint): bigint => BigInt.asUintN(64, value);

/** 64 uniform bits. */
export function drawBits(seed: bigint, stream: number): bigint {
  let mixed = wrap(seed + BigInt(stream + 1) * 0x9e3779b97f4a7c15n);
  mixed = wrap((mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n);
  mixed = wrap((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn);
  return mixed ^ (mixed >> 31n);
}

/** A number in 0 … count − 1: the high half, scaled. */
export function drawAmong(seed: bigint, stream: number, count: number): number {
  return Number(((drawBits(seed, stream) >> 32n) * BigInt(count)) >> 32n);
}

/** A number in (0, 1): the highest 52 bits and a half. */
export function drawUnit(seed: bigint, stream: number): number {
  return (Number(drawBits(seed, stream) >> 12n) + 0.5) / 2 ** 52;
}
