/** How well a picker picked, as the model servers saw it. */
import type { SharedCounters } from "../../src/wasm/counters.ts";
import { layout } from "../../src/wasm/layout.ts";
import type { Tally } from "./model-fleet.ts";

export interface Quality {
  /** Part of the prompts' bytes that the picked server held, 0 to 1. */
  readonly hitRate: number;
  /** Part of the prompts' blocks that the picker took the picked server to hold. */
  readonly hitRateOfPicker: number;
  /** Requests of the server that got most, over the mean. */
  readonly maxOverMean: number;
  /** Standard deviation of the servers' requests, over their mean. */
  readonly variation: number;
  /** The most requests that any server had at a time, and the mean of the servers' peaks. */
  readonly inFlightPeak: number;
  readonly inFlightPeakMean: number;
  /** Part of the requests that found all places of their server taken. */
  readonly waitedFraction: number;
  /** Part of the picks that the fullest shard made. */
  readonly fullestShardFraction: number;
}

export function qualityOf(tallies: readonly Readonly<Tally>[], counters: SharedCounters): Quality {
  const total = (count: (tally: Readonly<Tally>) => number): number =>
    tallies.reduce((sum, tally) => sum + count(tally), 0);
  const requests = tallies.map((tally) => tally.requests);
  const mean = total((tally) => tally.requests) / tallies.length;
  const deviation = Math.sqrt(requests.reduce((sum, count) => sum + (count - mean) ** 2, 0) / tallies.length);
  const picks = Array.from({ length: counters.shardCount }, (_, shard) =>
    counters.ofShard(shard, layout.SHARD_COUNTER_PICKS),
  );
  const matched = counters.shards(layout.SHARD_COUNTER_MATCHED_BLOCKS);
  return {
    hitRate: total((tally) => tally.heldSize) / total((tally) => tally.promptSize),
    hitRateOfPicker: matched / counters.shards(layout.SHARD_COUNTER_PROMPT_BLOCKS),
    maxOverMean: Math.max(...requests) / mean,
    variation: deviation / mean,
    inFlightPeak: Math.max(...tallies.map((tally) => tally.inFlightPeak)),
    inFlightPeakMean: total((tally) => tally.inFlightPeak) / tallies.length,
    waitedFraction: total((tally) => tally.waited) / total((tally) => tally.requests),
    fullestShardFraction: Math.max(...picks) / counters.shards(layout.SHARD_COUNTER_PICKS),
  };
}
