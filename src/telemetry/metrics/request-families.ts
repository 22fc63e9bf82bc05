/**
 * Writes the metrics of requests from the shards' series tables: each under its own name and labels, and under the
 * older one, which adds up what differs only in labels that it lacks. A series appears with its first value.
 */
import { ERROR_CODES, type HistogramColumns, REQUEST_COLUMNS } from "../series/columns.ts";
import { type SeriesGroup, type SeriesRow, sumOf } from "../series/row-groups.ts";
import type { RequestLabelValues, SeriesView } from "../series/series-view.ts";
import type { MetricDeclaration } from "./declaration.ts";
import { familyHead, HistogramText, LabelText, sampleLine } from "./exposition.ts";
import {
  REQUEST_LABELS,
  type RequestHistogram,
  requestErrors,
  requestHistograms,
  requestRunning,
  requestTotal,
  timeToFirstToken,
} from "./request-metrics.ts";

/** Request labels that are the same in all of these tables' rows, as text. */
interface Child {
  readonly labels: string;
  readonly modelName: string;
  /** Row lists of the groups that fall together here; they grow when shards add rows. */
  readonly rowLists: (readonly SeriesRow[])[];
}

/** Groups of the view, by some of their labels. Groups are only ever added, so each look takes in what is new. */
class Children {
  readonly names: readonly string[];
  readonly #positions: readonly number[];
  readonly #labelText: LabelText;
  readonly #byLabels = new Map<string, Child>();
  #seen = 0;

  constructor(names: readonly string[]) {
    this.names = names;
    this.#positions = names.map((name) => REQUEST_LABELS.indexOf(name));
    this.#labelText = new LabelText(names);
  }

  takeIn(groups: readonly SeriesGroup<RequestLabelValues>[], limit: number): boolean {
    const end = Math.min(groups.length, this.#seen + limit);
    for (const { labels: values, rows } of groups.slice(this.#seen, end)) {
      const labels = this.#labelText.of(this.#positions.map((position) => values[position] ?? ""));
      const child = this.#byLabels.get(labels) ?? { labels, modelName: values[0], rowLists: [] };
      this.#byLabels.set(labels, child);
      child.rowLists.push(rows);
    }
    this.#seen = end;
    return end < groups.length;
  }

  all(): IterableIterator<Child> {
    return this.#byLabels.values();
  }
}

/** Groups that are sorted in as one piece. */
const TAKE_IN_MAX = 4;

export class RequestFamilies {
  readonly #view: SeriesView;
  readonly #withTwins: boolean;
  readonly #children = new Map<string, Children>();
  /** Sums of one child. */
  readonly #counts: Float64Array = new Float64Array(REQUEST_COLUMNS.width);

  constructor(view: SeriesView, options: { readonly withTwins: boolean }) {
    this.#view = view;
    this.#withTwins = options.withTwins;
  }

  *pieces(): Iterable<string> {
    yield* this.#family(requestTotal, this.#counter);
    yield* this.#family(requestErrors, this.#errors);
    yield* this.#family(requestRunning, this.#running);
    for (const [name, declaration] of Object.entries(requestHistograms)) {
      const columns = REQUEST_COLUMNS.histograms[name as RequestHistogram];
      yield* this.#family(declaration, (metric, child) => this.#histogram(metric, child, columns, ""));
    }
    const { whole, streamed } = REQUEST_COLUMNS.timeToFirstToken;
    yield* this.#family(timeToFirstToken, (metric, child) => {
      const parts = [
        this.#histogram(metric, child, whole, ',streaming="false"'),
        this.#histogram(metric, child, streamed, ',streaming="true"'),
      ];
      return parts.join("");
    });
  }

  /** A metric and its twin. */
  *#family(declaration: MetricDeclaration, lines: (metric: Written, child: Child) => string): Iterable<string> {
    yield* this.#metric(declaration, declaration.labels, lines);
    const { twin } = declaration;
    if (twin === undefined || !this.#withTwins) return;
    const help = `Older name of ${declaration.name}.`;
    yield* this.#metric({ ...declaration, name: twin.name, help }, twin.labels, lines);
  }

  *#metric(
    declaration: MetricDeclaration,
    labels: readonly string[],
    lines: (metric: Written, child: Child) => string,
  ): Iterable<string> {
    yield familyHead(declaration);
    const children = this.#childrenOf(labels.filter((name) => REQUEST_LABELS.includes(name)));
    while (children.takeIn(this.#view.requests(), TAKE_IN_MAX)) yield "";
    const { name, buckets } = declaration;
    const metric: Written = { name, histogram: buckets && new HistogramText(name, buckets) };
    for (const child of children.all()) yield lines(metric, child);
  }

  #childrenOf(names: readonly string[]): Children {
    const key = names.join();
    const known = this.#children.get(key) ?? new Children(names);
    this.#children.set(key, known);
    return known;
  }

  readonly #counter = ({ name }: Written, child: Child): string => {
    const total = totalOf(child, REQUEST_COLUMNS.total);
    return total === 0 ? "" : sampleLine(name, child.labels, total);
  };

  readonly #running = ({ name }: Written, child: Child): string => {
    if (child.modelName === "" || totalOf(child, REQUEST_COLUMNS.total) === 0) return "";
    return sampleLine(name, child.labels, totalOf(child, REQUEST_COLUMNS.running));
  };

  readonly #errors = ({ name }: Written, child: Child): string => {
    let text = "";
    for (const [index, code] of ERROR_CODES.entries()) {
      const count = totalOf(child, REQUEST_COLUMNS.errors + index);
      if (count > 0) text += sampleLine(name, `${child.labels},error_code="${code}"`, count);
    }
    return text;
  };

  #histogram({ histogram }: Written, child: Child, { at, bounds }: HistogramColumns, more: string): string {
    const counts = this.#counts.subarray(0, bounds.length + 2);
    let hasValues = false;
    for (let column = 0; column < counts.length; column++) {
      const sum = totalOf(child, at + column);
      counts[column] = sum;
      if (sum !== 0 && column <= bounds.length) hasValues = true;
    }
    return hasValues && histogram !== undefined ? histogram.lines(child.labels + more, counts) : "";
  }
}

interface Written {
  readonly name: string;
  readonly histogram: HistogramText | undefined;
}

function totalOf({ rowLists }: Child, column: number): number {
  let total = 0;
  for (const rows of rowLists) total += sumOf(rows, column);
  return total;
}
