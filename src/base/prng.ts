/**
 * Chance, as an argument. Whatever draws takes a `Prng`, so that a decision, a test or a simulation repeats from its
 * seed.
 *
 * The generator is xoshiro128** 1.1 by David Blackman and Sebastiano Vigna
 * (https://prng.di.unimi.it/xoshiro128starstar.c): 128 bits of state, period 2^128 − 1, 32-bit operations only, so that
 * the same stream can be drawn in WebAssembly. Not for secrets: four outputs reveal the rest.
 */
import { randomBytes } from "node:crypto";
import { assert } from "./assert.ts";

const U32_COUNT = 2 ** 32;

/** The four u32 words that xoshiro128** advances. Not all zero. */
export type PrngState = readonly [number, number, number, number];

export class Prng {
  readonly #seed: number;
  readonly #state: Int32Array;

  /** A generator that is a function of `seed` (u32) alone, or one that continues from a given state. */
  constructor(seed: number, state: PrngState = expandSeed(seed)) {
    assert(isU32(seed), `seed ${seed} is not a u32`);
    assert(
      state.some((word) => word !== 0),
      "a state of zeros never changes",
    );
    this.#seed = seed;
    this.#state = Int32Array.from(state, (word) => word | 0);
  }

  /** Uniform in 0 … 2^32 − 1. */
  nextU32(): number {
    const state = this.#state;
    const word1 = state[1] as number;
    const result = Math.imul(rotateLeft(Math.imul(word1, 5), 7), 9);
    const word2 = (state[2] as number) ^ (state[0] as number);
    const word3 = (state[3] as number) ^ word1;
    state[1] = word1 ^ word2;
    state[0] = (state[0] as number) ^ word3;
    state[2] = word2 ^ (word1 << 9);
    state[3] = rotateLeft(word3, 11);
    return result >>> 0;
  }

  /** Uniform in [0, 1), a multiple of 2^-53. Draws twice. */
  nextFraction(): number {
    const high = this.nextU32() >>> 5;
    const low = this.nextU32() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  /** Uniform integer in 0 … count − 1, for a count in 1 … 2^32. Without bias, so it may draw more than once. */
  nextBelow(count: number): number {
    assert(Number.isInteger(count) && count >= 1 && count <= U32_COUNT, `count ${count} is not in 1 … 2^32`);
    // Draws in the incomplete last run of `count` values are repeated. Less than half of all draws can be.
    const acceptedBelow = U32_COUNT - (U32_COUNT % count);
    let drawn = this.nextU32();
    while (drawn >= acceptedBelow) drawn = this.nextU32();
    return drawn % count;
  }

  /**
   * An independent generator: a function of this generator's seed and the label, whatever has been drawn so far. One
   * label per purpose keeps purposes apart: drawing more for one does not shift the others.
   */
  fork(label: string): Prng {
    return new Prng(mix(this.#seed ^ mix(hashLabel(label))));
  }
}

/** A u32 seed from the operating system, for production. Log it: with it the run can be repeated. */
export function randomSeed(): number {
  return randomBytes(4).readUInt32LE();
}

/**
 * Four state words from one. `mix` is a bijection, so the words differ from each other and at most one is zero.
 * The increment is 2^32 divided by the golden ratio, as in SplitMix (Steele, Lea, Flood: OOPSLA 2014).
 */
function expandSeed(seed: number): PrngState {
  const word = (position: number): number => mix(seed + Math.imul(position, 0x9e3779b9));
  return [word(1), word(2), word(3), word(4)];
}

/**
 * The 32-bit finaliser of MurmurHash3 by Austin Appleby (public domain): each input bit flips each output bit half the
 * time.
 */
function mix(value: number): number {
  let mixed = value | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** 32-bit FNV-1a over the UTF-16 code units of the label. */
function hashLabel(label: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < label.length; index++) hash = Math.imul(hash ^ label.charCodeAt(index), 0x01000193);
  return hash;
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function isU32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < U32_COUNT;
}
