/**
 * Takes the shape of the prefix cache from what the engines report of theirs: the block size from the first endpoint,
 * in the order of the fleet, that reports one, and for each endpoint how many such blocks it can hold. On the control
 * thread.
 */
import { TOKEN_SIZE_BYTES } from "../config/defaults.ts";
import type { PrefixCacheShape } from "../framework/plugin.ts";
import { layout } from "../wasm/layout.ts";
import type { ProgramTuning } from "./policy-publisher.ts";

/** Smaller blocks cost more to look up than they find; the Go picker raises them to it, too. */
const BLOCK_SIZE_TOKENS_MIN = 64;
const BLOCK_SIZE_TOKENS_MAX = layout.BLOCK_SIZE_MAX / TOKEN_SIZE_BYTES;

/** What an engine says of its KV cache. A value that it does not say is undefined. */
export interface CacheReport {
  readonly slot: number;
  readonly generation: number;
  readonly blockSizeTokens: number | undefined;
  readonly blockCount: number | undefined;
}

export interface AutoTuneOptions {
  readonly setLaneLimit: (slot: number, blocks: number | undefined) => void;
  readonly onTuned: (tuning: ProgramTuning) => void;
}

export class AutoTune {
  readonly #options: AutoTuneOptions;
  #shape: PrefixCacheShape | undefined;
  /** What the index writer takes for the limit of an endpoint without one: the first policy's. */
  #commonLimit: number | undefined;
  #blockSizeTokens: number | undefined;
  /** By slot: what was set last, and for whom. */
  readonly #limits = new Map<number, { readonly generation: number; readonly limit: number | undefined }>();

  constructor(options: AutoTuneOptions) {
    this.#options = options;
  }

  /** Another policy is to be in force; `reports` are those so far. Its tuning is in `tuning` afterwards. */
  setShape(shape: PrefixCacheShape | undefined, reports: readonly CacheReport[] = []): void {
    this.#shape = shape;
    this.#commonLimit ??= shape?.blocksPerEndpointMax;
    this.#blockSizeTokens = shape?.autoTune === true ? blockSizeOf(reports) : undefined;
    for (const report of reports) this.#limit(report);
  }

  /** The numbers that follow from the reports so far. */
  get tuning(): ProgramTuning {
    const shape = this.#shape;
    const blockSizeTokens = this.#blockSizeTokens;
    if (shape === undefined || blockSizeTokens === undefined) return {};
    const blocksMax = Math.max(1, Math.floor(shape.prefixTokensMax / blockSizeTokens));
    return { blockSize: blockSizeTokens * TOKEN_SIZE_BYTES, blocksMax: Math.min(blocksMax, layout.BLOCKS_MAX) };
  }

  /** What all endpoints report now, in the order of the fleet. */
  onReports(reports: readonly CacheReport[]): void {
    const blockSizeTokens = this.#shape?.autoTune === true ? blockSizeOf(reports) : undefined;
    if (blockSizeTokens !== undefined && blockSizeTokens !== this.#blockSizeTokens) {
      this.#blockSizeTokens = blockSizeTokens;
      this.#options.onTuned(this.tuning);
    }
    for (const report of reports) this.#limit(report);
  }

  /** Undefined where it is the common one. */
  get #configuredLimit(): number | undefined {
    const limit = this.#shape?.blocksPerEndpointMax;
    return limit === this.#commonLimit ? undefined : limit;
  }

  #limit({ slot, generation, blockSizeTokens, blockCount }: CacheReport): void {
    const ownSizeTokens = this.#blockSizeTokens ?? this.#shape?.blockSizeTokens ?? BLOCK_SIZE_TOKENS_MIN;
    const isKnown = this.#shape?.autoTune === true && isCount(blockSizeTokens) && isCount(blockCount);
    const limit = isKnown
      ? Math.max(1, Math.floor((blockCount * blockSizeTokens) / ownSizeTokens))
      : this.#configuredLimit;
    const last = this.#limits.get(slot);
    if (last?.generation === generation && last.limit === limit) return;
    this.#limits.set(slot, { generation, limit });
    this.#options.setLaneLimit(slot, limit);
  }
}

/** Of the first that reports one, as far as it can be used. */
function blockSizeOf(reports: readonly CacheReport[]): number | undefined {
  const reported = reports.find(({ blockSizeTokens }) => isCount(blockSizeTokens))?.blockSizeTokens;
  return reported === undefined ? undefined : clampBlockSize(reported);
}

function isCount(value: number | undefined): value is number {
  return value !== undefined && Number.isFinite(value) && value >= 1;
}

function clampBlockSize(reportedTokens: number): number {
  return Math.min(Math.max(Math.floor(reportedTokens), BLOCK_SIZE_TOKENS_MIN), BLOCK_SIZE_TOKENS_MAX);
}
