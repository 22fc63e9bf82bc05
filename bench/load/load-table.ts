/** A record of the matrix as the table that stands in `bench/README.md`. */
import type { LoadRecord, MeasureRecord, Span } from "./matrix.ts";

export function formatLoadRecord(record: LoadRecord): string {
  const { machine, node, commit, seed, roundCount, durationMs, servers } = record;
  const pinned = record.isPinned ? "servers on one core, generator on the others" : "nothing pinned to a core";
  const rounds = `${roundCount} rounds of ${durationMs / 1000} s`;
  const head = ["", ...servers.map(({ name }) => name), "target for the picker"];
  const rows = record.measures.map((measure) => [
    measure.label,
    ...servers.map((_, index) => figureCell(measure, index)),
    targetCell(measure),
  ]);
  return [
    `**load**: ${machine}; Node ${node}; commit ${commit}; seed ${seed}; ${rounds}; ${pinned}.`,
    "",
    tableLine(head),
    `|${"---|".repeat(head.length)}`,
    ...rows.map(tableLine),
    "",
    ...notes(record),
  ].join("\n");
}

/** Stands for a figure that says more about the generator. */
const LIMITED = "–";

/** The base's figure alone; of the others the ratio to it as well. */
function figureCell(measure: MeasureRecord, index: number): string {
  const [figure, ratio] = [measure.figures[index], measure.ratios[index]];
  if (figure === undefined) return LIMITED;
  const text = `${short(figure.median)}${measure.unit === "/s" ? "" : " "}${measure.unit}`;
  return index === 0 || ratio === undefined ? text : `${text}: ${formatRatio(ratio)}`;
}

function formatRatio({ median, min, max }: Span): string {
  return `${median.toFixed(2)} × (${min.toFixed(2)} … ${max.toFixed(2)})`;
}

function targetCell({ target, unit, figures, ratios }: MeasureRecord): string {
  const [figure, ratio] = [figures[PICKER], ratios[PICKER]];
  if (figure === undefined || ratio === undefined) return LIMITED;
  if ("ratioMax" in target) return `≤ ${target.ratioMax} ×: ${ratio.median <= target.ratioMax ? "met" : "missed"}`;
  return `≥ ${target.min}${unit}: ${figure.median >= target.min ? "met" : "missed"}`;
}

/** Which of the servers the targets are for. */
const PICKER = 1;

function tableLine(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function notes(record: LoadRecord): string[] {
  const memory = record.servers.map(({ name, memoryBytesMax }) => `${name} ${megabytes(memoryBytesMax)}`);
  const lines = [
    `Ratios are to the ${record.servers[0]?.name}, round by round: median, and span in brackets.`,
    `Memory at most: ${memory.join(", ")}.`,
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
