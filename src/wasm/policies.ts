/**
 * The writer of compiled policies, for the control thread: a policy is written whole, then its number becomes active
 * (M3).
 */
import { assert } from "../base/assert.ts";
import { layout } from "./layout.ts";

/** What a scorer runs in the kernel. The numbers are `layout.SCORER_…`; parameters as the kernel documents them. */
export interface ScorerProgram {
  readonly op: number;
  readonly parameters?: readonly [number?, number?];
}

export interface PolicyProgram {
  /** Bytes of a block: a multiple of 4, 64 … BLOCK_SIZE_MAX. */
  readonly blockSize: number;
  /** Blocks of a prompt that are matched, 1 … BLOCKS_MAX. */
  readonly blocksMax: number;
  /** Bytes that count as one token when load is estimated. */
  readonly tokenSize: number;
  /** Age at which a scraped value counts as unknown. */
  readonly staleMs: number;
  /** `layout.PICKER_…` */
  readonly picker: number;
  /** Endpoints that a pick names, 1 … TARGETS_MAX: the picked one and those to fall back to. */
  readonly targetsMax: number;
  readonly scorers: readonly { readonly program: ScorerProgram; readonly weight: number }[];
}

/** What the kernel can score by, for plugin definitions. */
export type ScorerOp = "queueDepth" | "kvCacheUtilization" | "prefixCache";

export const SCORER_OPS: Readonly<Record<ScorerOp, number>> = {
  queueDepth: layout.SCORER_QUEUE_DEPTH,
  kvCacheUtilization: layout.SCORER_KV_CACHE_UTILIZATION,
  prefixCache: layout.SCORER_PREFIX_CACHE,
};

/** How the kernel can pick. */
export const PICKER_PROGRAMS: Readonly<Record<"maxScore", number>> = { maxScore: layout.PICKER_MAX_SCORE };

export class PolicyTable {
  readonly #view: DataView;
  readonly #active: Int32Array;
  #next = 0;

  constructor(memory: WebAssembly.Memory) {
    this.#view = new DataView(memory.buffer, layout.POLICIES, layout.POLICIES_MAX * layout.POLICY_STRIDE);
    this.#active = new Int32Array(memory.buffer, layout.HEADER + layout.HEADER_ACTIVE_POLICY, 1);
  }

  /** Writes the policy under the next number, makes it the active one and returns the number. */
  publish(policy: PolicyProgram): number {
    const { blockSize, blocksMax, targetsMax, scorers } = policy;
    assert(
      blockSize >= 64 && blockSize <= layout.BLOCK_SIZE_MAX && blockSize % 4 === 0,
      `block size ${blockSize} bytes`,
    );
    assert(
      blocksMax >= 1 && blocksMax <= layout.BLOCKS_MAX,
      `blocksMax ${blocksMax} is not in 1 … ${layout.BLOCKS_MAX}`,
    );
    assert(
      targetsMax >= 1 && targetsMax <= layout.TARGETS_MAX,
      `targetsMax ${targetsMax} is not in 1 … ${layout.TARGETS_MAX}`,
    );
    assert(policy.tokenSize >= 1, `token size ${policy.tokenSize} bytes`);
    assert(scorers.length <= layout.SCORERS_MAX, `${scorers.length} scorers are more than ${layout.SCORERS_MAX}`);
    for (const { weight } of scorers) assert(Number.isFinite(weight), `weight ${weight} is not finite`);
    const number = this.#next;
    this.#next = (number + 1) % layout.POLICIES_MAX;
    const base = number * layout.POLICY_STRIDE;
    const view = this.#view;
    view.setUint32(base + layout.POLICY_BLOCK_SIZE, blockSize, true);
    view.setUint32(base + layout.POLICY_BLOCKS_MAX, blocksMax, true);
    view.setUint32(base + layout.POLICY_TOKEN_SIZE, policy.tokenSize, true);
    view.setUint32(base + layout.POLICY_STALE_MS, policy.staleMs, true);
    view.setUint32(base + layout.POLICY_PICKER, policy.picker, true);
    view.setUint32(base + layout.POLICY_TARGETS_MAX, targetsMax, true);
    view.setUint32(base + layout.POLICY_SCORER_COUNT, scorers.length, true);
    for (const [index, { program, weight }] of scorers.entries()) {
      const scorer = base + layout.POLICY_SCORERS + index * layout.SCORER_STRIDE;
      view.setUint32(scorer + layout.SCORER_OP, program.op, true);
      view.setFloat64(scorer + layout.SCORER_WEIGHT, weight, true);
      view.setFloat64(scorer + layout.SCORER_PARAMETER0, program.parameters?.[0] ?? 0, true);
      view.setFloat64(scorer + layout.SCORER_PARAMETER1, program.parameters?.[1] ?? 0, true);
    }
    Atomics.store(this.#active, 0, number);
    return number;
  }
}
