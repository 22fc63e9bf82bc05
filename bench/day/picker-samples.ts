/** What a picker holds at one moment, from outside and inside: memory, heaps, open files, its tables by its metrics. */
import { readdirSync } from "node:fs";
import type { Clock } from "../../src/base/clock.ts";
import { type InsideLine, readInsideWatch } from "../load/inside-watch.ts";
import { readProcessUsage } from "../load/process-usage.ts";
import { sleep } from "../load/sleep.ts";

/** By name with unit. */
export type PickerSample = Readonly<Record<QuantityName, number>>;

export type QuantityName =
  | "resident memory (MB)"
  | "heap of the shard (MB)"
  | "buffers of the shard (MB)"
  | "heap of the control thread (MB)"
  | "blocks in the prefix index"
  | "lines of the metrics page"
  | "open files"
  | "threads";

/** What is watched, in the order of the table: by how much more is no growth, however little there is. */
export const SLACK: Readonly<Record<QuantityName, number>> = {
  "resident memory (MB)": 5,
  "heap of the shard (MB)": 3,
  "buffers of the shard (MB)": 3,
  "heap of the control thread (MB)": 3,
  "blocks in the prefix index": 1_000,
  "lines of the metrics page": 500,
  "open files": 10,
  threads: 1,
};

export interface SampledPicker {
  readonly pid: number;
  readonly metricsPort: number;
  readonly insideFolder: string;
}

/** Heaps are as small as they were since `sinceWallMs`, that is after a collection. */
export async function samplePicker(picker: SampledPicker, sinceWallMs: number, clock: Clock): Promise<PickerSample> {
  // Before the page, which takes tens of megabytes for a moment.
  const memoryBytes = readProcessUsage(picker.pid).memoryBytes;
  const page = await metricsPage(picker.metricsPort);
  const lines = await linesSince(picker.insideFolder, sinceWallMs, clock);
  const least = (role: InsideLine["role"], read: (line: InsideLine) => number): number =>
    megabytes(Math.min(...lines.filter((line) => line.role === role).map(read)));
  return {
    "resident memory (MB)": megabytes(memoryBytes),
    "heap of the shard (MB)": least("shard", ({ heapBytes }) => heapBytes),
    "buffers of the shard (MB)": least("shard", ({ externalBytes }) => externalBytes),
    "heap of the control thread (MB)": least("control", ({ heapBytes }) => heapBytes),
    "blocks in the prefix index": page.sum("endpoint_picker_index_blocks"),
    "lines of the metrics page": page.lineCount,
    "open files": readdirSync(`/proc/${picker.pid}/fd`).length,
    threads: readdirSync(`/proc/${picker.pid}/task`).length,
  };
}

/** Waits for a line of each thread that is watched: where little is between two samples, it may not be written yet. */
async function linesSince(folder: string, sinceWallMs: number, clock: Clock): Promise<InsideLine[]> {
  const endMs = clock.nowMs() + LINES_MS_MAX;
  while (clock.nowMs() < endMs) {
    const lines = readInsideWatch(folder).filter(({ wallMs }) => wallMs >= sinceWallMs);
    if (WATCHED.every((role) => lines.some((line) => line.role === role))) return lines;
    await sleep(clock, LINES_POLL_MS);
  }
  throw new Error(`the threads of the picker have not written of themselves into ${folder} for ${LINES_MS_MAX} ms`);
}

const WATCHED: readonly InsideLine["role"][] = ["shard", "control"];
const LINES_MS_MAX = 20_000;
const LINES_POLL_MS = 20;

export interface MetricsPage {
  readonly lineCount: number;
  /** Of all series of that name; 0 when there is none. */
  sum(name: string): number;
}

export async function metricsPage(port: number): Promise<MetricsPage> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  if (!response.ok) throw new Error(`the metrics page answers with ${response.status}`);
  const lines = (await response.text()).split("\n");
  return {
    lineCount: lines.length,
    sum: (name) =>
      lines
        .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
        .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0),
  };
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e5) / 10;
}
