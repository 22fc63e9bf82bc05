/**
 * Runs micro benches: each case is a kernel and a plain JavaScript baseline doing equal work in the same run, so that
 * the ratio holds when the machine's speed drifts. `small` runs inside `npm test` (it only proves that the case works);
 * `large` is for figures. Machine, Node version, commit, seed and a hash of the result go into every record.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import os from "node:os";
import { Bench } from "tinybench";

export type BenchSize = "small" | "large";

export interface MicroBenchCase {
  readonly label: string;
  /** Bytes that one operation works through: the record then also gives GB/s. */
  readonly bytesPerOperation?: number;
  /** Operations of one call, when a call does several (a batch of picks): figures are per operation. */
  readonly operationsPerCall?: number;
  /** What the figure should reach, for the table; never asserted. */
  readonly target?: { readonly text: string; readonly met: (figures: Figures) => boolean };
  readonly kernel: () => unknown;
  readonly baseline: () => unknown;
  readonly baselineName: string;
  /** Proves that both did the same work: returns a hash of the common result, throws when they differ. */
  readonly check: () => string | Promise<string>;
}

export interface MicroBench {
  readonly name: string;
  /** What one operation is. */
  readonly unit: string;
  cases(size: BenchSize, seed: number): readonly MicroBenchCase[];
}

/** Per operation. */
export interface Figures {
  readonly p50Ns: number;
  readonly p90Ns: number;
  readonly p99Ns: number;
  readonly maxNs: number;
  readonly samples: number;
  readonly gigabytesPerSecond?: number;
}

export interface CaseRecord {
  readonly label: string;
  readonly kernel: Figures;
  readonly baselineName: string;
  readonly baseline: Figures;
  /** Baseline's median over the kernel's: how many times cheaper the kernel is. */
  readonly ratio: number;
  readonly resultHash: string;
  readonly target?: { readonly text: string; readonly met: boolean };
}

export interface BenchRecord {
  readonly name: string;
  readonly unit: string;
  readonly machine: string;
  readonly node: string;
  readonly commit: string;
  readonly seed: number;
  readonly date: string;
  readonly cases: readonly CaseRecord[];
}

/** Where records are kept, from the project's root. */
export const RESULTS = "bench/results";

const TIME_MS = { small: 1, large: 600 } as const;

/** Runs all cases of a bench. In `small` size the figures mean nothing, only that every case ran and checked. */
export async function runMicroBench(bench: MicroBench, size: BenchSize, seed: number): Promise<BenchRecord> {
  const records: CaseRecord[] = [];
  for (const benchCase of bench.cases(size, seed)) records.push(await runCase(benchCase, size));
  return { name: bench.name, unit: bench.unit, ...surroundings(), seed, cases: records };
}

async function runCase(benchCase: MicroBenchCase, size: BenchSize): Promise<CaseRecord> {
  const resultHash = await benchCase.check();
  const options = { time: TIME_MS[size], iterations: 4, warmupTime: TIME_MS[size] / 4, warmupIterations: 2 };
  const bench = new Bench({ ...options, throws: true, retainSamples: true });
  bench.add("kernel", benchCase.kernel).add("baseline", benchCase.baseline);
  await bench.run();
  const kernel = figures(bench, "kernel", benchCase);
  const baseline = figures(bench, "baseline", benchCase);
  return {
    label: benchCase.label,
    kernel,
    baselineName: benchCase.baselineName,
    baseline,
    ratio: round(baseline.p50Ns / kernel.p50Ns),
    resultHash,
    ...(benchCase.target && { target: { text: benchCase.target.text, met: benchCase.target.met(kernel) } }),
  };
}

function figures(bench: Bench, task: string, benchCase: MicroBenchCase): Figures {
  const result = bench.getTask(task)?.result;
  if (result === undefined || !("latency" in result) || result.latency.samples === undefined) {
    throw new Error(`bench case ${benchCase.label}: ${task} gave no samples`);
  }
  const operations = benchCase.operationsPerCall ?? 1;
  const sorted = result.latency.samples.map((milliseconds) => (milliseconds * 1e6) / operations).sort((a, b) => a - b);
  const at = (fraction: number): number =>
    round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN);
  const p50Ns = at(0.5);
  return {
    p50Ns,
    p90Ns: at(0.9),
    p99Ns: at(0.99),
    maxNs: at(1),
    samples: sorted.length,
    ...(benchCase.bytesPerOperation !== undefined && {
      gigabytesPerSecond: round(benchCase.bytesPerOperation / p50Ns),
    }),
  };
}

/** What a figure is worth nothing without. */
export type BenchSurroundings = Pick<BenchRecord, "machine" | "node" | "commit" | "date">;

export function surroundings(): BenchSurroundings {
  const cpu = os.cpus()[0]?.model.trim() ?? "unknown processor";
  return {
    machine: `${cpu}, ${os.cpus().length} cores, ${os.type()} ${os.arch()}`,
    node: process.version,
    commit: currentCommit(),
    date: new Date().toISOString().slice(0, 10),
  };
}

function currentCommit(): string {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return "unknown (not a git checkout)";
  }
}

/**
 * Writes a record to `bench/results/<name>.node<major>.json` and returns the path. Below the working directory, which
 * is the project's root: compiled benches lie elsewhere.
 */
export function saveRecord(record: { readonly name: string; readonly node: string }): string {
  mkdirSync(RESULTS, { recursive: true });
  const path = `${RESULTS}/${record.name}.node${process.versions.node.split(".")[0]}.json`;
  writeFileSync(path, `${JSON.stringify(record, undefined, 2)}\n`);
  return path;
}

/** A record as the table that stands in `bench/README.md`. */
export function formatRecord(record: BenchRecord): string {
  const rows = record.cases.map((entry) => {
    const speed = entry.kernel.gigabytesPerSecond === undefined ? "" : ` (${entry.kernel.gigabytesPerSecond} GB/s)`;
    const target = entry.target === undefined ? "" : `${entry.target.text}: ${entry.target.met ? "met" : "missed"}`;
    const spread = `${formatNs(entry.kernel.p50Ns)} / ${formatNs(entry.kernel.p99Ns)}${speed}`;
    const baseline = `${formatNs(entry.baseline.p50Ns)} (${entry.baselineName})`;
    return `| ${[entry.label, spread, baseline, `${entry.ratio} ×`, target].join(" | ")} |`;
  });
  const { name, unit, machine, node, commit, seed } = record;
  return [
    `**${name}**, per ${unit}. ${machine}; Node ${node}; commit ${commit}; seed ${seed}.`,
    "",
    "| case | kernel p50 / p99 | baseline p50 | ratio | target |",
    "|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}

function formatNs(nanoseconds: number): string {
  if (nanoseconds >= 1e6) return `${round(nanoseconds / 1e6)} ms`;
  return nanoseconds >= 1e3 ? `${round(nanoseconds / 1e3)} µs` : `${round(nanoseconds)} ns`;
}

function round(value: number): number {
  return value >= 100 ? Math.round(value) : Math.round(value * 100) / 100;
}
