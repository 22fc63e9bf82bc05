/** `README.md`: what whole processes are to cost, and what they did cost in the latest records, by version of Node. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { RESULTS } from "../../bench/harness.ts";
import type { LoadRecord, MeasureRecord } from "../../bench/load/matrix.ts";
import { formatFigure, type Report, type ReportRow } from "../../bench/report.ts";
import { markdownTable } from "./markdown.ts";

/** A row of the table before it is known for which versions of Node there are figures. */
interface Target {
  readonly what: string;
  readonly target: string;
  /** By major version of Node. */
  readonly figures: ReadonlyMap<number, string>;
}

/** The records of `bench/results`, by name. */
type Records = ReadonlyMap<string, readonly Kept<unknown>[]>;

interface Kept<Shape> {
  /** Version of Node. */
  readonly major: number;
  readonly record: Shape;
}

const PICKER = 1;

export function targetTable(records: Records = readRecords()): string {
  const targets = [
    ...loadTargets(records),
    ...reportTargets(records, "latency", LATENCY_ROWS),
    ...reportTargets(records, "memory", MEMORY_ROWS),
    ...reportTargets(records, "fairness", FAIRNESS_ROWS),
    ...watchTargets(records),
    ...reportTargets(records, "shards", SHARD_ROWS),
    ...hitTargets(records),
    ...dayTargets(records),
  ];
  const majors = [...new Set(targets.flatMap(({ figures }) => [...figures.keys()]))].sort((a, b) => a - b);
  if (majors.length === 0) return "No records yet.";
  const head = ["", "target", ...majors.map((major) => `Node ${major}`)];
  const rows = targets.map(({ what, target, figures }) => [
    what,
    target,
    ...majors.map((major) => figures.get(major) ?? "–"),
  ]);
  return markdownTable(head, rows);
}

function loadTargets(records: Records): Target[] {
  const all = (records.get("load") ?? []) as readonly Kept<LoadRecord>[];
  const labels = all[0]?.record.measures.map(({ label }) => label) ?? [];
  return labels.map((label) => {
    const measures = all.map(({ major, record }) => ({
      major,
      measure: record.measures.find((measure) => measure.label === label),
    }));
    const known = measures.filter((one): one is { major: number; measure: MeasureRecord } => one.measure !== undefined);
    const [first] = known;
    return {
      what: label,
      target: first === undefined ? "" : targetText(first.measure),
      figures: new Map(known.map(({ major, measure }) => [major, loadFigure(measure)])),
    };
  });
}

function targetText({ target, unit }: MeasureRecord): string {
  return "ratioMax" in target ? `≤ ${target.ratioMax} × a bare gRPC server` : `≥ ${target.min}${unit}`;
}

function loadFigure({ target, unit, figures, ratios }: MeasureRecord): string {
  const [figure, ratio] = [figures[PICKER], ratios[PICKER]];
  if (figure === undefined || ratio === undefined) return "–";
  const text = `${formatFigure(figure.median)}${unit === "/s" ? "" : " "}${unit}`;
  return "ratioMax" in target ? `${ratio.median.toFixed(2)} × (${text})` : text;
}

/** A row of a record that stands in this table, too. */
interface PickedRow {
  readonly label: RegExp;
  readonly what: string;
  readonly target: string;
  /** Names of figures, in the record, with what is written behind each. */
  readonly figures: readonly (readonly [name: string, unit: string])[];
}

const LATENCY_ROWS: readonly PickedRow[] = [
  {
    label: /^half of what the bare server can do: picker$/,
    what: "p99 of the pick at half of the bare server's saturation",
    target: "≤ 1.2 × the bare server's",
    figures: [
      ["p99 ratio", " ×"],
      ["p99 (ms)", " ms"],
    ],
  },
  {
    label: /^half of what the picker can do: picker$/,
    what: "the same at half of the picker's saturation",
    target: "≤ 1.2 × the bare server's, if that can bear it",
    figures: [
      ["p99 ratio", " ×"],
      ["p99 (ms)", " ms"],
    ],
  },
];

const MEMORY_ROWS: readonly PickedRow[] = [
  {
    label: /^picker, wave 1$/,
    what: "resident memory with 1,000 streams of 450 KB in flight",
    target: "≤ 700 MB",
    figures: [["peak (MB)", " MB"]],
  },
  {
    label: /^picker, wave 2$/,
    what: "the same in a second wave",
    target: "adds nothing (≤ 5 %)",
    figures: [["peak (MB)", " MB"]],
  },
];

const FAIRNESS_ROWS: readonly PickedRow[] = [
  {
    label: /^picker, a body of /,
    what: "own work at a time while a body of 10 MB comes",
    target: "≤ 2 ms",
    figures: [["own work in it (ms)", " ms"]],
  },
  {
    label: /^picker, \d+ streams at once$/,
    what: "the same while 2,000 streams begin at once",
    target: "≤ 2 ms",
    figures: [["own work in it (ms)", " ms"]],
  },
];

const SHARD_ROWS: readonly PickedRow[] = [
  {
    label: /^CPU, 2 shards$/,
    what: "CPU per exchange with 2 shards against 1",
    target: "≤ 1.1 ×",
    figures: [
      ["CPU ratio", " ×"],
      ["CPU per exchange (µs)", " µs"],
    ],
  },
];

/** Prefix hits with each number of shards, side by side. */
function hitTargets(records: Records): Target[] {
  const all = (records.get("shards") ?? []) as readonly Kept<Report>[];
  if (all.length === 0) return [];
  const figures = all.map(({ major, record }) => {
    const rows = record.rows.filter(({ label }) => label.startsWith("whole, "));
    const hits = rows.map((row) => `${formatFigure(row.figures["hits (%)"])} %`);
    return [major, hits.join(", ")] as const;
  });
  return [{ what: "prefix hits with 1, 2 and 4 shards", target: "the same", figures: new Map(figures) }];
}

function reportTargets(records: Records, name: string, rows: readonly PickedRow[]): Target[] {
  const all = (records.get(name) ?? []) as readonly Kept<Report>[];
  if (all.length === 0) return [];
  return rows.map(({ label, what, target, figures }) => {
    const known = all.flatMap(({ major, record }) => {
      const row = record.rows.find((one) => label.test(one.label));
      return row === undefined ? [] : [[major, figuresText(row, figures)] as const];
    });
    return { what, target, figures: new Map(known) };
  });
}

/** A figure that the record has not is left out, as a ratio to a server that cannot be driven so fast. */
function figuresText(row: ReportRow, figures: PickedRow["figures"]): string {
  const there = figures.filter(([name]) => Number.isFinite(row.figures[name]));
  const [first = "–", ...rest] = there.map(([name, unit]) => `${formatFigure(row.figures[name])}${unit}`);
  return rest.length === 0 ? first : `${first} (${rest.join(", ")})`;
}

interface ScrapeRecord {
  readonly cases: readonly { readonly label: string; readonly cores: number }[];
}

function watchTargets(records: Records): Target[] {
  const all = (records.get("scrape-load") ?? []) as readonly Kept<ScrapeRecord>[];
  if (all.length === 0) return [];
  const row = (what: string, target: string, label: RegExp): Target => ({
    what,
    target,
    figures: new Map(
      all.map(({ major, record }) => [major, formatCores(record.cases.find((one) => label.test(one.label))?.cores)]),
    ),
  });
  return [
    row("cores for watching 100 endpoints of 60 KB every 50 ms", "≤ 0.25", /^busy, every 50 ms$/),
    row("the same with back-off and no traffic", "≤ 0.03", /^idle, with back-off$/),
  ];
}

function formatCores(cores: number | undefined): string {
  return cores === undefined ? "–" : cores.toFixed(3);
}

function dayTargets(records: Records): Target[] {
  const all = (records.get("day") ?? []) as readonly Kept<Report>[];
  if (all.length === 0) return [];
  const figures = all.map(({ major, record }) => {
    const growing = record.rows.filter(({ target }) => target?.met === false).map(({ label }) => label);
    const count = Number(/^\d+/.exec(record.about)?.[0] ?? 0) / 1e6;
    return [
      major,
      `${growing.length === 0 ? "nothing" : growing.join(", ")} (${formatFigure(count)} million)`,
    ] as const;
  });
  const what = "what grows after the first tenth of a day's exchanges";
  return [{ what, target: "nothing", figures: new Map(figures) }];
}

function readRecords(): Records {
  const records = new Map<string, Kept<unknown>[]>();
  for (const file of existsSync(RESULTS) ? readdirSync(RESULTS).sort() : []) {
    const [, name, major] = /^(.+)\.node(\d+)\.json$/.exec(file) ?? [];
    if (name === undefined) continue;
    const record: unknown = JSON.parse(readFileSync(path.join(RESULTS, file), "utf8"));
    records.set(name, [...(records.get(name) ?? []), { major: Number(major), record }]);
  }
  return records;
}
