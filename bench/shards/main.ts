/**
 * `npm run bench:shards`: whether shards pick as one picker. The same requests go to 1, 2 and 4 shards: in simulated
 * time, which repeats exactly, and to whole pickers; then pickers with one and two are compared by CPU time. Whole
 * pickers with several shards need Node 22.12 or later; elsewhere one is measured.
 */
import { systemClock } from "../../src/base/clock.ts";
import { Prng } from "../../src/base/prng.ts";
import { loadBuiltInConfiguration } from "../../src/configuration.ts";
import { durationFlag } from "../../src/platform/flag-kinds.ts";
import type { FlagTableOf } from "../../src/platform/flags.ts";
import { supportsReusePort } from "../../src/shards/pool.ts";
import { spanOf } from "../load/matrix.ts";
import type { Measured, ReportRow } from "../report.ts";
import { countFlag, REPORT_FLAGS, type ReportFlags, runReportProgram } from "../report-program.ts";
import { type CpuUse, measureCpu } from "./cpu-run.ts";
import type { Quality } from "./quality.ts";
import { measureQuality } from "./quality-run.ts";
import { simulateQuality } from "./simulated-run.ts";
import { planWorkload } from "./workload.ts";

interface ShardFlags extends ReportFlags {
  readonly roundCount: number;
  readonly simulatedCount: number;
  readonly requestCount: number;
  readonly sessionsPerSecond: number;
  readonly groupCount: number;
  readonly endpointCount: number;
  readonly connectionCount: number;
  readonly cpuRoundCount: number;
  readonly durationMs: number;
  readonly concurrency: number;
  readonly warmUpCount: number;
}

/** With 30,000 the first round of two shards was a fifth dearer than the later ones (54 µs, then 45). */
const WARM_UP_COUNT = 150_000;

const FLAGS: FlagTableOf<ShardFlags> = {
  ...REPORT_FLAGS,
  roundCount: countFlag("rounds", "How often each number of shards has its turn, each time with other requests.", 5),
  simulatedCount: countFlag("simulated", "Requests of each turn in simulated time.", 20_000),
  requestCount: countFlag("requests", "Requests of each turn of whole pickers.", 3_000),
  sessionsPerSecond: countFlag("sessions", "Conversations begun per second; each has some 7 requests.", 40),
  groupCount: countFlag("groups", "System prompts.", 24),
  endpointCount: countFlag("endpoints", "Model servers.", 20, 1_024),
  connectionCount: countFlag("connections", "Connections, over which requests go in turn.", 16, 1_024),
  cpuRoundCount: countFlag("cpu-rounds", "How often CPU time is measured.", 5),
  durationMs: durationFlag({ name: "duration", help: "Each of these times.", byDefaultMs: 3_000, minMs: 1 }),
  concurrency: countFlag("concurrency", "Exchanges open at a time meanwhile.", 64),
  warmUpCount: countFlag("warm-up", "Exchanges per shard before CPU time is measured.", WARM_UP_COUNT),
};

const SHARD_COUNTS: readonly number[] = [1, 2, 4];
const CPU_SHARD_COUNTS: readonly number[] = [1, 2];
const CPU_RATIO_MAX = 1.1;
/** What several shards may differ from one, as part of its figure: less than two runs of one differ. */
const HIT_RATE_LOSS_MAX = 0.02;
const SPREAD_GAIN_MAX = 0.1;
/** A shard is told to look for work, and the index writer does so within a millisecond (src/index-writer.ts). */
const INDEX_PERIOD_MS = 1;

async function run(flags: ShardFlags, onProgress: (text: string) => void): Promise<Measured> {
  const isShared = supportsReusePort();
  const simulated = await simulateRounds(flags, onProgress);
  const rounds = await measureRounds(flags, isShared ? SHARD_COUNTS : [1], onProgress);
  const cpu = await measureCpu({
    ...flags,
    shardCounts: isShared ? CPU_SHARD_COUNTS : [1],
    roundCount: flags.cpuRoundCount,
    clock: systemClock,
    onProgress,
  });
  const { requestCount, endpointCount, connectionCount, roundCount } = flags;
  const fleet = `${endpointCount} model servers over ${connectionCount} connections`;
  const about = `${roundCount} rounds of ${requestCount} requests to ${fleet}, medians`;
  const notes = [
    `Simulated: ${flags.simulatedCount} requests in the kernel of 1, 2 and 4 shards, without threads and sockets.`,
    "Hits: bytes of prompts that the picked server held.",
    "Requests: those of the busiest server, and their standard deviation, both over the mean.",
    "In flight: the most at any server at a time.",
    `CPU: 4 KiB, ${flags.cpuRoundCount} rounds of ${flags.durationMs / 1_000} s, in turn.`,
    ...(isShared ? [] : [`Node ${process.version} cannot share a port between threads, so it has one shard.`]),
  ];
  const rows = [...qualityRows("simulated", simulated), ...qualityRows("whole", rounds), ...cpuRows(cpu)];
  return { about, rows, notes };
}

/** By number of shards, round by round. */
type Rounds = ReadonlyMap<number, readonly Quality[]>;

async function simulateRounds(flags: ShardFlags, onProgress: (text: string) => void): Promise<Rounds> {
  const config = await loadBuiltInConfiguration();
  const rounds = new Map<number, Quality[]>(SHARD_COUNTS.map((shardCount) => [shardCount, []]));
  for (let round = 0; round < flags.roundCount; round++) {
    const seed = flags.seed + round;
    const requests = planWorkload({ ...flags, requestCount: flags.simulatedCount, prng: new Prng(seed) });
    const options = { ...flags, config, requests, seed, indexPeriodMs: INDEX_PERIOD_MS };
    for (const [shardCount, qualities] of rounds) qualities.push(simulateQuality({ ...options, shardCount }));
    onProgress(`simulated, round ${round + 1} of ${flags.roundCount}`);
  }
  return rounds;
}

async function measureRounds(
  flags: ShardFlags,
  shardCounts: readonly number[],
  onProgress: (text: string) => void,
): Promise<Rounds> {
  const rounds = new Map<number, Quality[]>(shardCounts.map((shardCount) => [shardCount, []]));
  for (let round = 0; round < flags.roundCount; round++) {
    const seed = flags.seed + round;
    const requests = planWorkload({ ...flags, prng: new Prng(seed) });
    // In turn forwards and backwards: a machine that gets busier is not to be taken for shards.
    const turns = round % 2 === 0 ? [...rounds] : [...rounds].reverse();
    for (const [shardCount, qualities] of turns) {
      const quality = await measureQuality({ ...flags, shardCount, requests, seed, clock: systemClock });
      qualities.push(quality);
      onProgress(`round ${round + 1}, ${shardCount} shards: ${JSON.stringify(figuresOf(quality))}`);
    }
  }
  return rounds;
}

function qualityRows(kind: string, rounds: Rounds): ReportRow[] {
  const one = median(rounds.get(1) ?? []);
  return [...rounds].map(([shardCount, qualities]) => {
    const quality = median(qualities);
    const row = { label: `${kind}, ${shardsText(shardCount)}`, figures: figuresOf(quality) };
    if (shardCount === 1) return row;
    const isAsGood =
      quality.hitRate >= (1 - HIT_RATE_LOSS_MAX) * one.hitRate &&
      quality.maxOverMean <= (1 + SPREAD_GAIN_MAX) * one.maxOverMean;
    return { ...row, target: { text: "hits and requests as with 1 shard", met: isAsGood } };
  });
}

function figuresOf(quality: Quality): Record<string, number> {
  return {
    "hits (%)": 100 * quality.hitRate,
    "hits, as the picker counts (%)": 100 * quality.hitRateOfPicker,
    "requests, max / mean": quality.maxOverMean,
    "requests, deviation / mean": quality.variation,
    "in flight, peak": quality.inFlightPeak,
    "in flight, mean of peaks": quality.inFlightPeakMean,
    "had to wait (%)": 100 * quality.waitedFraction,
    "fullest shard's picks (%)": 100 * quality.fullestShardFraction,
  };
}

function median(qualities: readonly Quality[]): Quality {
  const names = Object.keys(qualities[0] ?? {}) as (keyof Quality)[];
  return Object.fromEntries(
    names.map((name) => [name, spanOf(qualities.map((quality) => quality[name])).median]),
  ) as unknown as Quality;
}

function cpuRows(uses: readonly CpuUse[]): ReportRow[] {
  const [one] = uses;
  return uses.map(({ shardCount, cpuPerExchangeUs, errorCount }): ReportRow => {
    const { median: cpuUs } = spanOf(cpuPerExchangeUs);
    const row = {
      label: `CPU, ${shardsText(shardCount)}`,
      figures: { "CPU per exchange (µs)": cpuUs, failed: errorCount },
    };
    if (one === undefined || shardCount === 1) return row;
    const ratios = cpuPerExchangeUs.map((us, round) => us / (one.cpuPerExchangeUs[round] ?? Number.NaN));
    const { median: ratio } = spanOf(ratios);
    const target = { text: `CPU ≤ ${CPU_RATIO_MAX} × that of 1 shard`, met: ratio <= CPU_RATIO_MAX };
    return { ...row, figures: { ...row.figures, "CPU ratio": ratio }, target };
  });
}

function shardsText(count: number): string {
  return count === 1 ? "1 shard" : `${count} shards`;
}

await runReportProgram({
  name: "shards",
  about: "Compares what pickers with 1, 2 and 4 shards pick, and what an exchange costs.",
  flags: FLAGS,
  run,
});
