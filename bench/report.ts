/**
 * Records of benches that run whole processes, as data with names and units, and the table that is made of one. The
 * benches that compare figures round by round (`load/`) and function by function (`micro/`) have shapes of their own.
 */
import type { BenchSurroundings } from "./harness.ts";

export interface Report extends BenchSurroundings {
  readonly name: string;
  readonly seed: number;
  /** How it was measured: sizes, counts, rounds. */
  readonly about: string;
  readonly rows: readonly ReportRow[];
  /** Sentences below the table. */
  readonly notes: readonly string[];
}

export interface ReportRow {
  readonly label: string;
  /** By name with unit: "peak (MB)". A row need not have every figure. */
  readonly figures: Readonly<Record<string, number>>;
  readonly target?: { readonly text: string; readonly met: boolean };
}

/** What a bench has measured: all of its record that is not the same in every bench. */
export type Measured = Pick<Report, "about" | "rows" | "notes">;

/** A record as the table that stands in `bench/README.md`. */
export function formatReport({ name, machine, node, commit, seed, about, rows, notes }: Report): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row.figures)))];
  const hasTargets = rows.some(({ target }) => target !== undefined);
  const head = ["", ...columns, ...(hasTargets ? ["target"] : [])];
  const cells = rows.map(({ label, figures, target }) => [
    label,
    ...columns.map((column) => formatFigure(figures[column])),
    ...(hasTargets ? [target === undefined ? "" : `${target.text}: ${target.met ? "met" : "missed"}`] : []),
  ]);
  return [
    `**${name}**: ${machine}; Node ${node}; commit ${commit}; seed ${seed}; ${about}.`,
    "",
    tableLine(head),
    `|${"---|".repeat(head.length)}`,
    ...cells.map(tableLine),
    ...(notes.length === 0 ? [] : ["", ...notes]),
  ].join("\n");
}

/** Three digits, or whole numbers from 100 on. */
export function formatFigure(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (Number.isInteger(value) || size >= 100) return String(Math.round(value));
  return value.toFixed(size >= 10 ? 1 : 2);
}

function tableLine(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}
