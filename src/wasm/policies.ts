/**
 * The writer of compiled policies, for the control thread: a policy is written whole, then its number becomes active
 * (M3).
 */
import { assert } from "../base/assert.ts";
import { layout } from "./layout.ts";

/** One operation of the kernel with its numbers, as `assembly/` documents them. */
export interface KernelProgram {
  readonly op: number;
  readonly parameters?: readonly number[];
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
  readonly scorers: readonly { readonly program: KernelProgram; readonly weight: number }[];
}

/** What the kernel can score by. */
export type ScorerOp =
  | "queueDepth"
  | "runningRequests"
  | "kvCacheUtilization"
  | "prefixCache"
  | "loraAffinity"
  | "loadAware"
  | "activeRequest"
  | "tokenLoad"
  | "noHitLru"
  | "requestMask"
  | "session"
  | "contextLength"
  | "attribute"
  | "custom";

export const SCORER_OPS: Readonly<Record<ScorerOp, number>> = {
  queueDepth: layout.SCORER_QUEUE_DEPTH,
  runningRequests: layout.SCORER_RUNNING_REQUESTS,
  kvCacheUtilization: layout.SCORER_KV_CACHE_UTILIZATION,
  prefixCache: layout.SCORER_PREFIX_CACHE,
  loraAffinity: layout.SCORER_LORA_AFFINITY,
  loadAware: layout.SCORER_LOAD_AWARE,
  activeRequest: layout.SCORER_ACTIVE_REQUEST,
  tokenLoad: layout.SCORER_TOKEN_LOAD,
  noHitLru: layout.SCORER_NO_HIT_LRU,
  requestMask: layout.SCORER_REQUEST_MASK,
  session: layout.SCORER_SESSION,
  contextLength: layout.SCORER_CONTEXT_LENGTH,
  attribute: layout.SCORER_ATTRIBUTE,
  custom: layout.SCORER_CUSTOM,
};

/** What the kernel can filter by. */
export type FilterOp =
  | "labels"
  | "requestMask"
  | "requestMaskOrAll"
  | "sessionOrAll"
  | "prefixAffinity"
  | "utilization"
  | "attribute"
  | "contextLength"
  | "belowUtilization"
  | "belowConcurrency"
  | "servesModel"
  | "healthy"
  | "custom";

export const FILTER_OPS: Readonly<Record<FilterOp, number>> = {
  labels: layout.FILTER_LABELS,
  requestMask: layout.FILTER_REQUEST_MASK,
  requestMaskOrAll: layout.FILTER_REQUEST_MASK_OR_ALL,
  sessionOrAll: layout.FILTER_SESSION_OR_ALL,
  prefixAffinity: layout.FILTER_PREFIX_AFFINITY,
  utilization: layout.FILTER_UTILIZATION,
  attribute: layout.FILTER_ATTRIBUTE,
  contextLength: layout.FILTER_CONTEXT_LENGTH,
  belowUtilization: layout.FILTER_BELOW_UTILIZATION,
  belowConcurrency: layout.FILTER_BELOW_CONCURRENCY,
  servesModel: layout.FILTER_SERVES_MODEL,
  healthy: layout.FILTER_HEALTHY,
  custom: layout.FILTER_CUSTOM,
};

/** How the kernel can judge how full a pool is. */
export type DetectorOp = "utilization" | "concurrency";

export const DETECTOR_OPS: Readonly<Record<DetectorOp, number>> = {
  utilization: layout.DETECTOR_UTILIZATION,
  concurrency: layout.DETECTOR_CONCURRENCY,
};

/** How the kernel can pick. */
export type PickerOp = "maxScore" | "random" | "weightedRandom" | "custom";

export const PICKER_OPS: Readonly<Record<PickerOp, number>> = {
  maxScore: layout.PICKER_MAX_SCORE,
  random: layout.PICKER_RANDOM,
  weightedRandom: layout.PICKER_WEIGHTED_RANDOM,
  custom: layout.PICKER_CUSTOM,
};

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
