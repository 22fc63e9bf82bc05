/**
 * Rows of several shards that have the same labels, as one group. Rows are only ever added, so each look takes in what
 * is new and keeps the rest.
 */
import type { KeyedRows } from "./keyed-rows.ts";

export interface SeriesRow {
  readonly cells: Float64Array;
  /** First cell. */
  readonly at: number;
}

/** Rows of all shards with the same labels. */
export interface SeriesGroup<Labels> {
  readonly labels: Labels;
  readonly rows: SeriesRow[];
}

export class RowGroups<Labels extends readonly (string | number)[]> {
  readonly #sources: { readonly rows: KeyedRows; readonly labelsOf: (key: number) => Labels; seen: number }[];
  readonly #byLabels = new Map<string, SeriesGroup<Labels>>();
  readonly #groups: SeriesGroup<Labels>[] = [];

  constructor(sources: readonly { readonly rows: KeyedRows; readonly labelsOf: (key: number) => Labels }[]) {
    this.#sources = sources.map((source) => ({ ...source, seen: 0 }));
  }

  /** All groups that were taken in, in order of appearance: an index stands for the same group for ever. */
  get groups(): readonly SeriesGroup<Labels>[] {
    return this.#groups;
  }

  /** Takes in new rows, `limit` at most; returns whether more are left, for callers that must not take long. */
  takeIn(limit: number): boolean {
    let left = limit;
    for (const source of this.#sources) {
      const { rows } = source;
      const { count } = rows;
      for (; source.seen < count && left > 0; left--) {
        const row = { cells: rows.cells, at: source.seen * rows.width };
        this.#groupOf(source.labelsOf(rows.keyOf(source.seen))).rows.push(row);
        source.seen++;
      }
      if (source.seen < count) return true;
    }
    return false;
  }

  #groupOf(labels: Labels): SeriesGroup<Labels> {
    const key = labels.join("\u0000");
    const known = this.#byLabels.get(key);
    if (known !== undefined) return known;
    const group: SeriesGroup<Labels> = { labels, rows: [] };
    this.#byLabels.set(key, group);
    this.#groups.push(group);
    return group;
  }
}

/** Sum of one cell over the rows. */
export function sumOf(rows: readonly SeriesRow[], column: number): number {
  let sum = 0;
  for (const { cells, at } of rows) sum += cells[at + column] ?? 0;
  return sum;
}
