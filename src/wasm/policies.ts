/**
 * The writer of compiled policies, for the control thread: a policy is written whole, then its number becomes active
 * (M3). `policy-record.ts` knows where its fields stand.
 */
import { layout } from "./layout.ts";
import { checkPolicy, writePolicy } from "./policy-record.ts";
import { shardBases } from "./regions.ts";

/** One operation of the kernel with its numbers; which of them it uses stands with it in `assembly/`. */
export interface KernelProgram {
  readonly op: number;
  /** At most PARAMETERS_MAX; those that are left out are 0. */
  readonly parameters?: readonly number[];
  /** Number of a label mask (0 … LABEL_MASKS_MAX − 1) or of a request mask (0 … REQUEST_MASKS_MAX − 1). */
  readonly mask?: number;
  /** Number of an attribute column, 0 … ATTRIBUTES_MAX − 1. */
  readonly column?: number;
  /** Number of a second attribute column, or of a session of the request (0 … REQUEST_SESSIONS_MAX − 1). */
  readonly operand?: number;
}

export interface WeightedProgram {
  readonly program: KernelProgram;
  readonly weight: number;
}

export interface ProfileProgram {
  /** Each gets what the one before it has left. */
  readonly filters: readonly KernelProgram[];
  readonly scorers: readonly WeightedProgram[];
  /** `layout.PICKER_…` */
  readonly picker: number;
  /** Endpoints that a pick names, 1 … TARGETS_MAX: the picked one and those to fall back to. */
  readonly targetsMax: number;
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
  /** Estimated output tokens per prompt token that a pick charges as well; 0 for none. */
  readonly outputRatio: number;
  /** Upper bound of that estimate. */
  readonly outputTokensMax: number;
  /** Pixels of an image that count as one token; 0: all images count as `imageTokens`. */
  readonly imageTokenPixels: number;
  /** Tokens of an image whose size is not known, 1 … ASSET_TOKENS_MAX. */
  readonly imageTokens: number;
  /** Tokens of a video of which the request does not say more, 1 … ASSET_TOKENS_MAX. */
  readonly videoTokens: number;
  /** Says how full the pool is; undefined: it is never full. */
  readonly detector: KernelProgram | undefined;
  /** 1 … PROFILES_MAX. A profile's position is its number. */
  readonly profiles: readonly ProfileProgram[];
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
  /** Per shard, how many of its requests hold each policy. */
  readonly #holds: readonly Int32Array[];
  #next = 0;

  constructor(memory: WebAssembly.Memory) {
    const { buffer } = memory;
    this.#view = new DataView(buffer, layout.POLICIES, layout.POLICIES_MAX * layout.POLICY_STRIDE);
    this.#active = new Int32Array(buffer, layout.HEADER + layout.HEADER_ACTIVE_POLICY, 1);
    this.#holds = shardBases(memory).map(
      (base) => new Int32Array(buffer, base + layout.SHARD_POLICY_HOLDS, layout.POLICIES_MAX),
    );
  }

  /**
   * Writes the policy under a number that is free, lets `prepare` write what belongs to that number (label masks), and
   * makes it the active one. Undefined, and nothing changed, while requests hold all other numbers: try again later.
   */
  publish(policy: PolicyProgram, prepare?: (policy: number) => void): number | undefined {
    checkPolicy(policy);
    const number = this.#findFree();
    if (number === undefined) return undefined;
    this.#next = (number + 1) % layout.POLICIES_MAX;
    writePolicy(this.#view, number * layout.POLICY_STRIDE, policy);
    prepare?.(number);
    Atomics.store(this.#active, 0, number);
    return number;
  }

  /**
   * The number that was free for longest. The active one is never free, so a shard that takes hold of it and then still
   * finds it active holds it in time (M18). Before the first policy nothing is active.
   */
  #findFree(): number | undefined {
    const active = this.#active[0] as number;
    const isEmpty = this.#view.getUint32(active * layout.POLICY_STRIDE + layout.POLICY_PROFILE_COUNT, true) === 0;
    for (let step = 0; step < layout.POLICIES_MAX; step++) {
      const number = (this.#next + step) % layout.POLICIES_MAX;
      if (number === active && !isEmpty) continue;
      if (this.#holds.every((holds) => Atomics.load(holds, number) === 0)) return number;
    }
    return undefined;
  }
}
