/** A record of the matrix as the table that stands in `bench/README.md`. */
import type { LoadRecord, MeasureRecord, Span } from "./matrix.ts";

export function formatLoadRecord(record: LoadRecord): string {
  const { machine, node, commit, seed, roundCount, durationMs } = record;
  const pinned = record.isPinned ? "servers on one core, generator on the others" : "nothing pinned to a core";
  const rows = record.measures.map((measure) => {
    const { bare, picker, ratio } = measure;
    const figures = [bare, picker].map((span) => (span === undefined ? LIMITED : figure(measure, span)));
    return `| ${[measure.label, ...figures, ratio === undefined ? LIMITED : formatRatio(ratio)].join(" | ")} |`;
  });
  const rounds = `${roundCount} rounds of ${durationMs / 1000} s`;
  return [
    `**load**: ${machine}; Node ${node}; commit ${commit}; seed ${seed}; ${rounds}; ${pinned}.`,
    "",
    "| | bare gRPC server | picker | ratio: median, span |",
    "|---|---|---|---|",
    ...rows,
    "",
    ...notes(record),
  ].join("\n");
}

/** Stands for a figure that says more about the generator. */
const LIMITED = "–";

function figure({ unit }: MeasureRecord, { median }: Span): string {
  return `${short(median)}${unit === "/s" ? "" : " "}${unit}`;
}

function formatRatio({ median, min, max }: Span): string {
  return `${median.toFixed(2)} × (${min.toFixed(2)} … ${max.toFixed(2)})`;
}

function notes(record: LoadRecord): string[] {
  const memory = record.memoryBytesMax;
  const lines = [
    `Memory at most: bare server ${megabytes(memory.bare)}, picker ${megabytes(memory.picker)}.`,
    `The generator took ${short(record.generatorCpuPerExchangeUs)} µs of CPU per 4 KiB exchange.`,
    `Exchanges that failed: ${record.errorCount}.`,
    record.h2load,
  ];
  if (record.generatorLimits.length > 0)
    lines.push(`Not shown, since the generator was the limit: ${record.generatorLimits.join("; ")}.`);
  return lines;
}

function short(value: number): string {
  if (value >= 100) return String(Math.round(value));
  return value.toFixed(value >= 10 ? 1 : 2);
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
