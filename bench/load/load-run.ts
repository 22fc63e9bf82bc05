/**
 * One measured load: generators on this thread or on several, a warm-up, the measured time, and what the server and the
 * generators used meanwhile. Where the generators were the limit, the result says so and has no figures of the server
 * that depend on them.
 */

import type { Clock } from "../../src/base/clock.ts";
import { Generator, type GeneratorOptions, type GeneratorResult, type Pace } from "./generator.ts";
import { GeneratorThread } from "./generator-thread.ts";
import { type HistogramState, LatencyHistogram, type LatencySummary } from "./latency-histogram.ts";
import { type ProcessUsage, readProcessUsage } from "./process-usage.ts";
import { sleep } from "./sleep.ts";

/** What all threads do together. */
export interface LoadOptions extends Omit<GeneratorOptions, "serialStart"> {
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** Measures on, beyond the duration, until so many exchanges have ended. */
  readonly exchangeCountMin?: number;
  /** 1 runs on the calling thread. */
  readonly threadCount: number;
  /** The server's process, when its use is to be measured. */
  readonly pid?: number;
  /** Distinguishes runs against one server, so that no prompt comes twice. */
  readonly run?: number;
}

export interface ServerUse {
  readonly cpuSeconds: number;
  /** Part of the measured time, 1 for one core. */
  readonly cpuFraction: number;
  readonly cpuPerExchangeUs: number;
  readonly memoryBytes: number;
  readonly memoryBytesMax: number;
}

export interface LoadResult {
  readonly durationMs: number;
  readonly completedCount: number;
  /** Response chunks answered. */
  readonly chunkCount: number;
  readonly connectionCount: number;
  readonly errors: Readonly<Record<string, number>>;
  /** Open loop only. */
  readonly offeredPerSecond?: number;
  /** Why there are no latencies and rates of the server; undefined when there are. */
  readonly generatorLimit?: string;
  readonly ratePerSecond: number;
  readonly pick: LatencySummary;
  readonly exchange: LatencySummary;
  readonly generator: {
    readonly cpuPerExchangeUs: number;
    readonly busyFraction: number;
    readonly lag: LatencySummary;
  };
  readonly server?: ServerUse;
}

/** Above this a closed loop shows how fast the generator is. */
const BUSY_FRACTION_MAX = 0.9;
/** An open loop that is later than this in 1 of 100 cases, and by half of what it measures, measures itself. */
const LAG_P99_MS_MAX = 1;
const LAG_FRACTION_MAX = 0.5;

/** Serial numbers have 48 bits: 4 for threads, 12 for runs, 32 for requests. */
const SERIALS_PER_RUN: number = 2 ** 32;
const RUNS_MAX = 2 ** 12;
export const THREADS_MAX = 16;

interface RunningGenerator {
  start(): Promise<void>;
  startMeasuring(): Promise<void>;
  endedCount(): Promise<number>;
  stopMeasuring(): Promise<GeneratorResult>;
  stop(): Promise<void>;
}

/** Runs a load to its end. Rejects when the target cannot be reached or gets lost. */
export async function runLoad(options: LoadOptions, clock: Clock): Promise<LoadResult> {
  const generators = startGenerators(options, clock);
  try {
    await Promise.all(generators.map((generator) => generator.start()));
    await sleep(clock, options.warmUpMs);
    const before = readUse(options.pid);
    await Promise.all(generators.map((generator) => generator.startMeasuring()));
    await sleep(clock, options.durationMs);
    await untilEnded(generators, options.exchangeCountMin ?? 0, clock);
    const after = readUse(options.pid);
    const results = await Promise.all(generators.map((generator) => generator.stopMeasuring()));
    return resultOf(options, results, before, after);
  } finally {
    await Promise.all(generators.map((generator) => generator.stop()));
  }
}

function startGenerators(options: LoadOptions, clock: Clock): RunningGenerator[] {
  const { threadCount, run = 0 } = options;
  const shares = Array.from({ length: threadCount }, (_, thread): GeneratorOptions => {
    return {
      ...options,
      seed: options.seed + thread,
      pace: shareOf(options.pace, thread, threadCount),
      connectionCount: Math.max(1, Math.round(options.connectionCount / threadCount)),
      serialStart: (thread * RUNS_MAX + (run % RUNS_MAX)) * SERIALS_PER_RUN,
    };
  });
  if (threadCount > 1) return shares.map((share) => new GeneratorThread(share));
  return shares.map((share) => new Generator(share, clock));
}

function shareOf(pace: Pace, thread: number, threadCount: number): Pace {
  if (pace.kind === "open") return { kind: "open", ratePerSecond: pace.ratePerSecond / threadCount };
  const start = Math.floor((pace.concurrency * thread) / threadCount);
  const end = Math.floor((pace.concurrency * (thread + 1)) / threadCount);
  return { kind: "closed", concurrency: end - start };
}

interface Use {
  /** Of all threads of this process. */
  readonly generatorCpuUs: number;
  readonly server: ProcessUsage | undefined;
}

function readUse(pid: number | undefined): Use {
  const { user, system } = process.cpuUsage();
  return { generatorCpuUs: user + system, server: pid === undefined ? undefined : readProcessUsage(pid) };
}

function resultOf(options: LoadOptions, results: readonly GeneratorResult[], before: Use, after: Use): LoadResult {
  const sum = (count: (result: GeneratorResult) => number): number => results.reduce((all, one) => all + count(one), 0);
  const durationMs = sum((result) => result.durationMs) / results.length;
  const completedCount = sum((result) => result.completedCount);
  const [pick, exchange, lag] = (["pick", "exchange", "lag"] as const).map((name) =>
    summaryOf(results.map((result) => result[name])),
  ) as [LatencySummary, LatencySummary, LatencySummary];
  const cpuFraction = (after.generatorCpuUs - before.generatorCpuUs) / 1000 / durationMs / results.length;
  const busyFraction = Math.max(cpuFraction, ...results.map((result) => result.busyFraction));
  const limit = generatorLimit(options.pace, { busyFraction, lag, pick });
  const server = serverUse(before.server, after.server, { durationMs, completedCount });
  return {
    durationMs,
    completedCount,
    chunkCount: sum((result) => result.chunkCount),
    connectionCount: sum((result) => result.connectionCount),
    errors: errorsOf(results),
    ...(options.pace.kind === "open" && { offeredPerSecond: options.pace.ratePerSecond }),
    ...(limit !== undefined && { generatorLimit: limit }),
    ratePerSecond: (completedCount * 1000) / durationMs,
    pick,
    exchange,
    generator: {
      cpuPerExchangeUs: (after.generatorCpuUs - before.generatorCpuUs) / completedCount,
      busyFraction,
      lag,
    },
    ...(server !== undefined && { server }),
  };
}

function summaryOf(states: readonly HistogramState[]): LatencySummary {
  const histogram = new LatencyHistogram();
  for (const state of states) histogram.merge(state);
  return histogram.summary();
}

function errorsOf(results: readonly GeneratorResult[]): Record<string, number> {
  const errors: Record<string, number> = {};
  for (const result of results) {
    for (const [kind, count] of result.errors) errors[kind] = (errors[kind] ?? 0) + count;
  }
  return errors;
}

/** What made the generators the limit; undefined when the server was, or nothing. An open loop spins, so it is busy. */
export function generatorLimit(
  pace: Pace,
  seen: { readonly busyFraction: number; readonly lag: LatencySummary; readonly pick: LatencySummary },
): string | undefined {
  if (pace.kind === "closed") {
    if (seen.busyFraction <= BUSY_FRACTION_MAX) return undefined;
    return `its thread was busy for ${Math.round(100 * seen.busyFraction)} % of the time`;
  }
  if (seen.lag.p99Ms <= Math.max(LAG_P99_MS_MAX, LAG_FRACTION_MAX * seen.pick.p99Ms)) return undefined;
  return `1 of 100 exchanges began ${seen.lag.p99Ms.toFixed(1)} ms late or more`;
}

function serverUse(
  before: ProcessUsage | undefined,
  after: ProcessUsage | undefined,
  { durationMs, completedCount }: { readonly durationMs: number; readonly completedCount: number },
): ServerUse | undefined {
  if (before === undefined || after === undefined) return undefined;
  const cpuSeconds = after.cpuSeconds - before.cpuSeconds;
  return {
    cpuSeconds,
    cpuFraction: (cpuSeconds * 1000) / durationMs,
    cpuPerExchangeUs: (cpuSeconds * 1e6) / completedCount,
    memoryBytes: after.memoryBytes,
    memoryBytesMax: after.memoryBytesMax,
  };
}

async function untilEnded(generators: readonly RunningGenerator[], countMin: number, clock: Clock): Promise<void> {
  const endedCount = async (): Promise<number> => {
    const counts = await Promise.all(generators.map((generator) => generator.endedCount()));
    return counts.reduce((sum, count) => sum + count, 0);
  };
  while ((await endedCount()) < countMin) await sleep(clock, ENDED_POLL_MS);
}

const ENDED_POLL_MS = 20;
