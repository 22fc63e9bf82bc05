/**
 * `npm run bench:day`: ten million exchanges as fast as one core takes them, and whether anything in the picker grows
 * after the first tenth of them.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import type { FlagTableOf } from "../../src/platform/flags.ts";
import { insideWatchArguments } from "../load/inside-watch.ts";
import { pinGenerator, startPickerProcess } from "../load/servers.ts";
import type { Measured, ReportRow } from "../report.ts";
import { countFlag, REPORT_FLAGS, type ReportFlags, runReportProgram } from "../report-program.ts";
import { type DayResult, runDay } from "./day-run.ts";
import { type QuantityName, SLACK } from "./picker-samples.ts";
import { trendOf } from "./trend.ts";

interface DayFlags extends ReportFlags {
  readonly exchangeCount: number;
  readonly sampleCount: number;
  readonly variationCount: number;
  readonly concurrency: number;
  readonly connectionCount: number;
  readonly endpointCount: number;
}

const FLAGS: FlagTableOf<DayFlags> = {
  ...REPORT_FLAGS,
  exchangeCount: countFlag("exchanges", "Exchanges of the day.", 10_000_000),
  sampleCount: countFlag("samples", "How often the picker is looked at; 10 at least.", 50, 10_000),
  variationCount: countFlag("variations", "Different requests, before their serial numbers.", 2_400, 100_000),
  concurrency: countFlag("concurrency", "Exchanges that are open at a time.", 64, 100_000),
  connectionCount: countFlag("connections", "Connections at a time.", 4, 1_024),
  endpointCount: countFlag("endpoints", "Model servers; they come and go.", 100, 1_024),
};

/** The default, and sessions, which then have a table to fill. */
const CONFIG = {
  apiVersion: "inference.networking.x-k8s.io/v1alpha1",
  kind: "EndpointPickerConfig",
  plugins: [
    { type: "queue-scorer" },
    { type: "kv-cache-utilization-scorer" },
    { type: "prefix-cache-scorer" },
    { type: "session-affinity-scorer", parameters: { strategy: "session_id" } },
  ],
  schedulingProfiles: [
    {
      name: "default",
      plugins: [
        { pluginRef: "queue-scorer", weight: 2 },
        { pluginRef: "kv-cache-utilization-scorer", weight: 2 },
        { pluginRef: "prefix-cache-scorer", weight: 3 },
        { pluginRef: "session-affinity-scorer", weight: 1 },
      ],
    },
  ],
};

async function run(flags: DayFlags, onProgress: (text: string) => void): Promise<Measured> {
  const pinning = pinGenerator();
  const folder = mkdtempSync(path.join(tmpdir(), "magpie-day-"));
  const insideFolder = mkdtempSync(path.join(folder, "inside-"));
  const configFile = path.join(folder, "config.yaml");
  writeFileSync(configFile, JSON.stringify(CONFIG));
  const picker = await startPickerProcess({
    pinning,
    endpointCount: flags.endpointCount,
    shardCount: 1,
    nodeArguments: insideWatchArguments(insideFolder),
    args: [
      "--config-file",
      configFile,
      "--allow-experimental-plugins",
      "--refresh-metrics-interval",
      "1s",
      "--metrics-staleness-threshold",
      "10s",
    ],
  });
  try {
    return measured(flags, await runDay({ ...flags, clock: systemClock, picker, insideFolder, onProgress }));
  } finally {
    await picker.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

function measured(flags: DayFlags, result: DayResult): Measured {
  const { load, left, fleetChangeCount, connectionChangeCount } = result;
  const rows = (Object.keys(SLACK) as QuantityName[]).map((name): ReportRow => {
    const samples = result.samples.map((sample) => sample[name]);
    const { second, last, ratio, grows } = trendOf(samples, SLACK[name]);
    const figures = { "first sample": samples[0] ?? Number.NaN, "2nd tenth": second, "last tenth": last, ratio };
    return { label: name, figures, target: { text: "does not grow", met: !grows } };
  });
  const seconds = Math.round(load.durationMs / 1000);
  const rate = Math.round((load.completedCount * 1000) / load.durationMs);
  const failures = [...load.errors].map(([error, count]) => `${count} × ${error}`);
  return {
    about: `${load.completedCount} exchanges in ${seconds} s, ${rate}/s, one shard`,
    rows,
    notes: [
      `${flags.endpointCount} model servers, which came and went ${fleetChangeCount} times; ` +
        `${connectionChangeCount} connections replaced.`,
      `Exchanges that failed: ${failures.length === 0 ? "none" : failures.join(", ")}.`,
      `In flight after the last one: ${left.streams} streams, ${left.requests} requests.`,
    ],
  };
}

await runReportProgram({ name: "day", about: "A day of traffic, compressed: does anything grow?", flags: FLAGS, run });
