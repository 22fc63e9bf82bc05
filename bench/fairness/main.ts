/**
 * `npm run bench:fairness`: how long the pick of one stream is held up while another sends a very large body, or very
 * many streams begin at once; the picker beside the bare gRPC server.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import type { FlagTableOf } from "../../src/platform/flags.ts";
import { insideWatchArguments } from "../load/inside-watch.ts";
import { pinGenerator, type ServerUnderTest, startBareProcess, startPickerProcess } from "../load/servers.ts";
import type { Measured, ReportRow } from "../report.ts";
import { countFlag, REPORT_FLAGS, type ReportFlags, runReportProgram } from "../report-program.ts";
import { type FairnessResult, measureFairness } from "./fairness-run.ts";

interface FairnessFlags extends ReportFlags {
  readonly bodySize: number;
  readonly streamCount: number;
  readonly repeatCount: number;
  readonly probesPerSecond: number;
  readonly endpointCount: number;
}

const FLAGS: FlagTableOf<FairnessFlags> = {
  ...REPORT_FLAGS,
  bodySize: countFlag("body-size", "Bytes of the large body.", 10_000_000),
  streamCount: countFlag("streams", "Streams that begin at once.", 2_000),
  repeatCount: countFlag("repeats", "How often each disturbance comes.", 15),
  probesPerSecond: countFlag("probes", "Probes per second.", 250),
  endpointCount: countFlag("endpoints", "Endpoints that the picker chooses from.", 100, 1_024),
};

const PROBE_SIZE = 4_096;
const WORK_MS_MAX = 2;

async function run(flags: FairnessFlags, onProgress: (text: string) => void): Promise<Measured> {
  const pinning = pinGenerator();
  const { endpointCount, repeatCount, probesPerSecond } = flags;
  const rows: ReportRow[] = [];
  const refusals: string[] = [];
  const measure = async (isPicker: boolean): Promise<void> => {
    const folder = mkdtempSync(path.join(tmpdir(), "magpie-inside-"));
    const options = { pinning, nodeArguments: insideWatchArguments(folder) };
    const server = isPicker
      ? await startPickerProcess({ ...options, endpointCount, shardCount: 1 })
      : await startBareProcess(options);
    try {
      onProgress(`${server.name}: each disturbance ${repeatCount} times`);
      const results = await resultsOf(server, folder, flags);
      rows.push(...results.map((result) => rowOf(server.name, result, isPicker)));
      refusals.push(...results.flatMap((result) => refusalOf(server.name, result)));
    } finally {
      await server.end();
      rmSync(folder, { recursive: true, force: true });
    }
  };
  await measure(false);
  await measure(true);
  const probes = `${probesPerSecond} probes of ${PROBE_SIZE} B per second`;
  const about = `${probes}, medians and maxima of ${repeatCount} disturbances`;
  const notes = [
    "Longest pick: of the probes during one disturbance. Longest turn: of the serving thread's event loop meanwhile.",
    "Own work: the most CPU time that the thread itself spent in one turn, garbage collection included.",
    ...refusals,
  ];
  return { about, rows, notes };
}

async function resultsOf(
  server: ServerUnderTest,
  insideFolder: string,
  { bodySize, streamCount, repeatCount, probesPerSecond, seed }: FairnessFlags,
): Promise<FairnessResult[]> {
  const disturbances = [
    { name: "nothing else", streamCount: 0, bodySize: PROBE_SIZE },
    { name: `a body of ${bodySize / 1e6} MB`, streamCount: 1, bodySize },
    { name: `${streamCount} streams at once`, streamCount, bodySize: PROBE_SIZE },
  ];
  const servingRole = server.name === "picker" ? "shard" : "control";
  const mayRefuse = server.name !== "picker";
  const common = { clock: systemClock, probeSize: PROBE_SIZE, repeatCount, probesPerSecond, mayRefuse, seed };
  return await measureFairness({ ...common, server, insideFolder, servingRole, disturbances });
}

function refusalOf(server: string, { name, refusals }: FairnessResult): string[] {
  const [first] = refusals;
  return first === undefined ? [] : [`${server}, ${name}: not taken to the end, ${refusals.length} times: ${first}.`];
}

function rowOf(
  server: string,
  { name, longestPickMs, longestTurnMs, longestWorkMs }: FairnessResult,
  hasTarget: boolean,
): ReportRow {
  const figures = {
    "longest pick (ms)": longestPickMs.median,
    "at most (ms)": longestPickMs.max,
    "longest turn (ms)": longestTurnMs.median,
    "own work in it (ms)": longestWorkMs.median,
    "own work at most (ms)": longestWorkMs.max,
  };
  const row = { label: `${server}, ${name}`, figures };
  if (!hasTarget) return row;
  return { ...row, target: { text: `own work ≤ ${WORK_MS_MAX} ms`, met: longestWorkMs.median <= WORK_MS_MAX } };
}

await runReportProgram({
  name: "fairness",
  about: "How long picks are held up by other streams' work.",
  flags: FLAGS,
  run,
});
