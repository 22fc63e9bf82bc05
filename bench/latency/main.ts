/**
 * `npm run bench:latency`: latency of the pick at half of the rate that a server can do, the picker's beside the bare
 * gRPC server's at the same rate.
 */
import { systemClock } from "../../src/base/clock.ts";
import { durationFlag } from "../../src/platform/flag-kinds.ts";
import type { FlagTableOf } from "../../src/platform/flags.ts";
import { scriptOptions } from "../load/exchange-script.ts";
import { pinGenerator, type ServerUnderTest, startBareProcess, startPickerProcess } from "../load/servers.ts";
import type { Measured, ReportRow } from "../report.ts";
import { countFlag, REPORT_FLAGS, type ReportFlags, runReportProgram } from "../report-program.ts";
import { type LatencyAtRate, type LatencyOptions, measureLatency } from "./latency-run.ts";

interface LatencyFlags extends ReportFlags {
  readonly roundCount: number;
  readonly durationMs: number;
  readonly warmUpMs: number;
  readonly bodySize: number;
  readonly concurrency: number;
  readonly endpointCount: number;
}

const FLAGS: FlagTableOf<LatencyFlags> = {
  ...REPORT_FLAGS,
  roundCount: countFlag("rounds", "How often the servers take turns.", 5, 1_000),
  durationMs: durationFlag({ name: "duration", help: "Measured time of each turn.", byDefaultMs: 4_000, minMs: 1 }),
  warmUpMs: durationFlag({ name: "warm-up", help: "Load before measuring.", byDefaultMs: 500, minMs: 0 }),
  bodySize: countFlag("body-size", "Bytes of a request.", 4_096),
  concurrency: countFlag("concurrency", "Exchanges open at a time when saturation is looked for.", 32, 100_000),
  endpointCount: countFlag("endpoints", "Endpoints that the picker chooses from.", 100, 1_024),
};

const P99_RATIO_MAX = 1.2;

async function run(flags: LatencyFlags, onProgress: (text: string) => void): Promise<Measured> {
  const pinning = pinGenerator();
  const servers: ServerUnderTest[] = [];
  try {
    servers.push(await startBareProcess({ pinning }));
    servers.push(await startPickerProcess({ pinning, endpointCount: flags.endpointCount, shardCount: 1 }));
    const result = await measureLatency(servers, latencyOptions(flags, onProgress));
    const { bodySize, roundCount, durationMs, concurrency } = flags;
    const about = `picks of ${bodySize} B bodies, ${roundCount} rounds of ${durationMs / 1000} s, open loop`;
    const saturation = Object.entries(result.saturation).map(([name, rate]) => `${name} ${Math.round(rate)}/s`);
    const errorCount = result.rates.reduce((sum, rate) => sum + rate.errorCount, 0);
    const leftOut = servers.length ** 2 - result.rates.length;
    const notes = [
      `Saturation, from closed loops of ${concurrency}: ${saturation.join(", ")}.`,
      `Exchanges that failed: ${errorCount}.`,
      ...(leftOut > 0 ? ["A server is not driven at a rate that is close to its saturation or beyond."] : []),
    ];
    if (result.generatorLimits.length > 0) {
      notes.push(`Not counted, since the generator was the limit: ${result.generatorLimits.join("; ")}.`);
    }
    return { about, rows: result.rates.map((rate) => rowOf(rate, result.rates)), notes };
  } finally {
    await Promise.all(servers.map((server) => server.end()));
  }
}

function latencyOptions(flags: LatencyFlags, onProgress: (text: string) => void): LatencyOptions {
  const { durationMs, warmUpMs, bodySize, concurrency, roundCount, seed } = flags;
  const exchange = { ending: "reset", chunksInFlight: 1, isAtOnce: false, mayEndAfterPick: false } as const;
  const connections = { authority: "localhost", connectionCount: 2, threadCount: 1, timeoutMs: 10_000 };
  const load = { ...exchange, ...connections, durationMs, warmUpMs, seed, script: scriptOptions({ bodySize }) };
  return { clock: systemClock, load, concurrency, roundCount, onProgress };
}

function rowOf(rate: LatencyAtRate, all: readonly LatencyAtRate[]): ReportRow {
  const { p50Ms, p90Ms, p99Ms, p999Ms } = rate.pick;
  const figures = {
    "offered (/s)": rate.offeredPerSecond,
    "achieved (/s)": Math.round(rate.achievedPerSecond),
    "p50 (ms)": p50Ms,
    "p90 (ms)": p90Ms,
    "p99 (ms)": p99Ms,
    "p99.9 (ms)": p999Ms,
  };
  const row = { label: `${rate.rateName}: ${rate.server}`, figures };
  const base = all.find(({ rateName, server }) => rateName === rate.rateName && server === all[0]?.server);
  if (base === undefined || base === rate) return row;
  const ratio = p99Ms / base.pick.p99Ms;
  // The generator was the limit in every round.
  if (Number.isNaN(ratio)) return row;
  const target = { text: `p99 ≤ ${P99_RATIO_MAX} × ${base.server}'s`, met: ratio <= P99_RATIO_MAX };
  return { ...row, figures: { ...figures, "p99 ratio": ratio }, target };
}

await runReportProgram({
  name: "latency",
  about: "Latency of the pick at half of the rate that a server can do.",
  flags: FLAGS,
  run,
});
