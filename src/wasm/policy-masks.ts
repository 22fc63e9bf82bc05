/**
 * Label masks, for the control thread: for each policy, up to LABEL_MASKS_MAX sets of endpoints that its filters name
 * by number. The bits of a new endpoint are written before it becomes present, those of a policy before it becomes
 * active (M3).
 */
import { assert } from "../base/assert.ts";
import { layout } from "./layout.ts";

const WORDS = layout.MASK_SIZE / 4;

export class PolicyMasks {
  readonly #words: Int32Array;

  constructor(memory: WebAssembly.Memory) {
    const masks = layout.POLICIES_MAX * layout.LABEL_MASKS_MAX;
    this.#words = new Int32Array(memory.buffer, layout.LABEL_MASKS, masks * WORDS);
  }

  /** Says whether an endpoint belongs to a mask of a policy. */
  set(policy: number, mask: number, slot: number, isMember: boolean): void {
    assert(mask >= 0 && mask < layout.LABEL_MASKS_MAX, `label mask ${mask}`);
    assert(slot >= 0 && slot < layout.ENDPOINTS_MAX, `slot ${slot}`);
    const word = this.#first(policy) + mask * WORDS + (slot >> 5);
    const bit = 1 << (slot & 31);
    if (isMember) Atomics.or(this.#words, word, bit);
    else Atomics.and(this.#words, word, ~bit);
  }

  /** Empties all masks of a policy number, before a new policy gets it. */
  clear(policy: number): void {
    const first = this.#first(policy);
    this.#words.fill(0, first, first + layout.LABEL_MASKS_MAX * WORDS);
  }

  #first(policy: number): number {
    assert(policy >= 0 && policy < layout.POLICIES_MAX, `policy ${policy}`);
    return policy * layout.LABEL_MASKS_MAX * WORDS;
  }
}
