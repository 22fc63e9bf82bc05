/**
 * Chance in a decision: numbers from the pick's seed, one stream per purpose, so that a decision repeats bit for bit
 * and what one part draws does not shift what another gets. Mixer: SplitMix64's (Steele, Lea, Flood: OOPSLA 2014).
 */

/** Streams: the tie among the best is drawn from the first, a filter's exploration from EXPLORATION + its number. */
export const STREAM_TIE: u64 = 0;
export const STREAM_EXPLORATION: u64 = 0x100;
/** STREAM_SHUFFLE + i: the i-th step of a shuffle. */
export const STREAM_SHUFFLE: u64 = 0x1000;
/** STREAM_SLOTS + slot: what a picker draws for an endpoint. */
export const STREAM_SLOTS: u64 = 0x10000;

/** 64 uniform bits. */
export function draw(seed: u64, stream: u64): u64 {
  let mixed = seed + (stream + 1) * 0x9e3779b97f4a7c15;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

/** A number in 0 … bound − 1, by multiply-shift on 32 bits (Lemire). */
export function drawBelow(seed: u64, stream: u64, bound: u32): u32 {
  return <u32>(((draw(seed, stream) >> 32) * <u64>bound) >> 32);
}

/** A number in (0, 1): an odd multiple of 2^-53, which is exact. */
export function drawFraction(seed: u64, stream: u64): f64 {
  return (<f64>(draw(seed, stream) >> 12) + 0.5) * 2.220446049250313e-16;
}
