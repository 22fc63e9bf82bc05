/**
 * What a simulated model server can be told. Every option has a default, with its reason, in `defaults.ts`; what cannot
 * be true of a real engine is refused here, before the server starts.
 */
import type { Clock } from "../base/clock.ts";
import { SIMULATOR_DEFAULTS } from "./defaults.ts";
import type { Fault } from "./faults.ts";

export interface SimulatorSettings {
  /** Value of the response header `x-simulator`: who answered. */
  readonly name: string;
  readonly host: string;
  /** 0: the operating system chooses one. */
  readonly port: number;
  /** The base model. */
  readonly model: string;
  /** LoRA adapters, served as models of their own names. */
  readonly adapters: readonly string[];
  /** Adapters that run at the same time; a request for one more waits. vLLM's `--max-loras`. */
  readonly runningAdaptersMax: number;
  /** Requests that run at the same time; the others wait, first come, first served. vLLM's `--max-num-seqs`. */
  readonly runningRequestsMax: number;
  /** Tokens of prompt and reply together. vLLM's `--max-model-len`. */
  readonly contextTokensMax: number;
  readonly blockSizeTokens: number;
  /** KV cache capacity. The longest context must fit. */
  readonly kvCacheBlocks: number;
  /** Time from the start of a request to its first token = overhead + uncached prompt tokens × time per token. */
  readonly prefillOverheadMs: number;
  readonly prefillTokenMs: number;
  /** Time between two tokens of one reply. */
  readonly interTokenMs: number;
  /** All times are multiplied by a factor that grows from 1 (one request runs) to this (all places are taken). */
  readonly loadFactorMax: number;
  /** A reply ends by itself after a drawn number of tokens in this range. */
  readonly replyTokensMin: number;
  readonly replyTokensMax: number;
  /** Cut-off for requests that name none. */
  readonly replyTokensCutoff: number;
  /** u32. The same seed, model and prompt give the same reply on every server. */
  readonly seed: number;
  /** `/metrics` is padded with further histograms to at least this size. 0: no padding. */
  readonly expositionSizeMin: number;
  /** Gauges and counters that `/metrics` shows with other values than the true ones, or not at all, or in addition. */
  readonly metricOverrides: MetricOverrides;
  readonly fault: Fault;
  /** Share of the generation requests that meet the fault, 0 to 1. */
  readonly faultFraction: number;
  readonly clock: Clock;
}

export type SimulatorOptions = Partial<SimulatorSettings>;

export type MetricOverrides = Readonly<Record<string, number | "absent">>;

/** All settings, checked. Throws `RangeError` with the setting's name and value. */
export function resolveOptions(options: SimulatorOptions): SimulatorSettings {
  const settings: SimulatorSettings = { ...SIMULATOR_DEFAULTS, ...options };
  for (const [name, minimum] of Object.entries(COUNT_MINIMUMS)) {
    const value = settings[name as keyof typeof COUNT_MINIMUMS];
    check(Number.isInteger(value) && value >= minimum, `${name} ${value} is not a whole number from ${minimum}`);
  }
  for (const name of ["prefillOverheadMs", "prefillTokenMs", "interTokenMs"] as const) {
    check(Number.isFinite(settings[name]) && settings[name] >= 0, `${name} ${settings[name]} is not a duration`);
  }
  check(settings.port <= 65_535, `port ${settings.port} is above 65535`);
  check(settings.loadFactorMax >= 1, `loadFactorMax ${settings.loadFactorMax} is below 1`);
  check(
    settings.faultFraction >= 0 && settings.faultFraction <= 1,
    `faultFraction ${settings.faultFraction} is not in 0 … 1`,
  );
  check(
    settings.replyTokensMin <= settings.replyTokensMax,
    `replyTokensMin ${settings.replyTokensMin} is above replyTokensMax ${settings.replyTokensMax}`,
  );
  check(
    settings.contextTokensMax <= settings.kvCacheBlocks * settings.blockSizeTokens,
    `contextTokensMax ${settings.contextTokensMax} does not fit into ${settings.kvCacheBlocks} blocks of the KV cache`,
  );
  return settings;
}

const COUNT_MINIMUMS = {
  port: 0,
  runningAdaptersMax: 1,
  runningRequestsMax: 1,
  contextTokensMax: 16,
  blockSizeTokens: 1,
  kvCacheBlocks: 1,
  replyTokensMin: 1,
  replyTokensMax: 1,
  replyTokensCutoff: 1,
  seed: 0,
  expositionSizeMin: 0,
};

function check(condition: boolean, message: string): void {
  if (!condition) throw new RangeError(message);
}
