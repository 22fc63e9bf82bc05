/**
 * `npm run bench:memory`: resident memory of the picker with many large requests in flight at once, twice: the second
 * wave shows what the first one left. The bare gRPC server, which keeps no body, stands beside it.
 */
import { systemClock } from "../../src/base/clock.ts";
import type { FlagTableOf } from "../../src/platform/flags.ts";
import { pinGenerator, type ServerUnderTest, startBareProcess, startPickerProcess } from "../load/servers.ts";
import type { Measured, ReportRow } from "../report.ts";
import { countFlag, REPORT_FLAGS, type ReportFlags, runReportProgram } from "../report-program.ts";
import { runWaves, type WaveUse } from "./waves.ts";

interface MemoryFlags extends ReportFlags {
  readonly streamCount: number;
  readonly bodySize: number;
  readonly waveCount: number;
  readonly endpointCount: number;
  readonly settleMs: number;
}

const FLAGS: FlagTableOf<MemoryFlags> = {
  ...REPORT_FLAGS,
  streamCount: countFlag("streams", "Requests in flight at once.", 1_000),
  bodySize: countFlag("body-size", "Bytes of each.", 450_000),
  waveCount: countFlag("waves", "How often.", 2),
  endpointCount: countFlag("endpoints", "Endpoints that the picker chooses from.", 100, 1_024),
  settleMs: countFlag("settle", "Milliseconds for which the process is left alone before each look.", 3_000),
};

const PEAK_MB_MAX = 700;
const SECOND_WAVE_RATIO_MAX = 1.05;
/** As many as Envoy has on a machine of some cores. */
const CONNECTION_COUNT = 4;

async function run(flags: MemoryFlags, onProgress: (text: string) => void): Promise<Measured> {
  const pinning = pinGenerator();
  const { endpointCount, streamCount, bodySize, waveCount } = flags;
  const servers: (() => Promise<ServerUnderTest>)[] = [
    () => startPickerProcess({ pinning, endpointCount, shardCount: 1 }),
    () => startBareProcess({ pinning }),
  ];
  const rows: ReportRow[] = [];
  for (const start of servers) {
    const server = await start();
    try {
      onProgress(`${server.name}: ${waveCount} waves of ${streamCount} requests`);
      rows.push(...rowsOf(server.name, await wavesAt(server, flags)));
    } finally {
      await server.end();
    }
  }
  const about = `${streamCount} requests of ${bodySize / 1000} KB in flight at once, one shard, resident memory`;
  const notes = ["Held: every request sent but for its last piece. Peak: the most until all responses had passed."];
  return { about, rows, notes };
}

async function wavesAt({ port, pid, isTls }: ServerUnderTest, flags: MemoryFlags): Promise<WaveUse[]> {
  const target = { host: "127.0.0.1", port, isTls };
  return await runWaves({ ...flags, clock: systemClock, target, pid, connectionCount: CONNECTION_COUNT });
}

function rowsOf(name: string, waves: readonly WaveUse[]): ReportRow[] {
  return waves.map(({ before, held, peak, after }, index): ReportRow => {
    const figures = {
      "before (MB)": megabytes(before),
      "held (MB)": megabytes(held),
      "peak (MB)": megabytes(peak),
      "after (MB)": megabytes(after),
    };
    const row = { label: `${name}, wave ${index + 1}`, figures };
    if (name !== "picker") return row;
    const first = waves[0]?.peak ?? Number.NaN;
    if (index > 0) return { ...row, target: { text: "≤ 1.05 × wave 1", met: peak <= SECOND_WAVE_RATIO_MAX * first } };
    return { ...row, target: { text: `≤ ${PEAK_MB_MAX} MB`, met: megabytes(peak) <= PEAK_MB_MAX } };
  });
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}

await runReportProgram({
  name: "memory",
  about: "Resident memory of the picker with many large requests in flight.",
  flags: FLAGS,
  run,
});
