/**
 * What stands where in a row of a shard's series table. A histogram takes one cell per bound, one for what exceeds all
 * of them, and one for the sum; cells count their own bucket only, and are added up when somebody scrapes.
 *
 *   │ ≤ bound 0 │ ≤ bound 1 │ … │ above │ sum │
 */
import { ERROR_KINDS } from "../../base/errors.ts";
import type { HistogramDeclaration } from "../metrics/declaration.ts";
import {
  pluginDuration,
  prefixHitBytes,
  prefixHitRatio,
  requestProcessing,
  responseProcessing,
  schedulerDuration,
  streamDuration,
} from "../metrics/pool-metrics.ts";
import { type RequestHistogram, requestHistograms, timeToFirstToken } from "../metrics/request-metrics.ts";

/** The error code of a response whose status is not 200. */
export const MODEL_SERVER_ERROR = "ModelServerError";

/** Values of the label `error_code`, in the order of their cells. */
export const ERROR_CODES: readonly string[] = [...Object.keys(ERROR_KINDS), MODEL_SERVER_ERROR];

/** gRPC status codes with which a stream can end, in the order of their cells. */
export const STREAM_CODES = ["OK", "Canceled", "Unknown"] as const;
export type StreamCode = (typeof STREAM_CODES)[number];

/** What found no room in a table and was counted as `other`, in the order of the cells. */
export const FOLDED_KINDS = ["request", "attempt", "in-flight", "plugin"] as const;
export type FoldedKind = (typeof FOLDED_KINDS)[number];

/** What becomes of spans that are sent to a collector, in the order of their cells. */
export const SPAN_OUTCOMES = ["exported", "failed"] as const;
export type SpanOutcome = (typeof SPAN_OUTCOMES)[number];

export interface HistogramColumns {
  /** First cell. */
  readonly at: number;
  readonly bounds: Float64Array;
}

/** Gives out cells one after the other. */
class Cells {
  width = 0;

  take(count: number): number {
    const at = this.width;
    this.width += count;
    return at;
  }

  histogram({ buckets }: HistogramDeclaration): HistogramColumns {
    return { at: this.take(buckets.length + 2), bounds: Float64Array.from(buckets) };
  }
}

export interface RequestColumns {
  readonly total: number;
  readonly running: number;
  /** First of the cells of ERROR_CODES. */
  readonly errors: number;
  readonly histograms: Readonly<Record<RequestHistogram, HistogramColumns>>;
  readonly timeToFirstToken: { readonly whole: HistogramColumns; readonly streamed: HistogramColumns };
  readonly width: number;
}

/** Cells of a combination of request labels. */
export const REQUEST_COLUMNS: RequestColumns = requestColumns();

function requestColumns(): RequestColumns {
  const cells = new Cells();
  const entries = Object.entries(requestHistograms).map(([name, histogram]) => [name, cells.histogram(histogram)]);
  return {
    total: cells.take(1),
    running: cells.take(1),
    errors: cells.take(ERROR_CODES.length),
    histograms: Object.fromEntries(entries) as Record<RequestHistogram, HistogramColumns>,
    timeToFirstToken: { whole: cells.histogram(timeToFirstToken), streamed: cells.histogram(timeToFirstToken) },
    width: cells.width,
  };
}

export interface SharedColumns {
  readonly scheduler: HistogramColumns;
  readonly requestProcessing: HistogramColumns;
  readonly responseProcessing: HistogramColumns;
  readonly hitRatio: HistogramColumns;
  readonly hitBytes: HistogramColumns;
  readonly streamDuration: HistogramColumns;
  readonly streamsOpen: number;
  /** Connections that take new streams. */
  readonly connections: number;
  /** First of the cells of STREAM_CODES. */
  readonly streams: number;
  /** First of the cells of SPAN_OUTCOMES. */
  readonly spans: number;
  /** First of the cells of FOLDED_KINDS. */
  readonly folded: number;
  readonly width: number;
}

/** Cells that a shard has once. */
export const SHARED_COLUMNS: SharedColumns = sharedColumns();

function sharedColumns(): SharedColumns {
  const cells = new Cells();
  return {
    scheduler: cells.histogram(schedulerDuration),
    requestProcessing: cells.histogram(requestProcessing),
    responseProcessing: cells.histogram(responseProcessing),
    hitRatio: cells.histogram(prefixHitRatio),
    hitBytes: cells.histogram(prefixHitBytes),
    streamDuration: cells.histogram(streamDuration),
    streamsOpen: cells.take(1),
    connections: cells.take(1),
    streams: cells.take(STREAM_CODES.length),
    spans: cells.take(SPAN_OUTCOMES.length),
    folded: cells.take(FOLDED_KINDS.length),
    width: cells.width,
  };
}

/** Cells of a plugin's row. */
export const PLUGIN_COLUMNS: { readonly duration: HistogramColumns; readonly width: number } = pluginColumns();

function pluginColumns(): typeof PLUGIN_COLUMNS {
  const cells = new Cells();
  return { duration: cells.histogram(pluginDuration), width: cells.width };
}

/** Counts a value: in the first bucket whose bound it does not exceed. */
export function observe(cells: Float64Array, row: number, { at, bounds }: HistogramColumns, value: number): void {
  let low = 0;
  let high = bounds.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value <= (bounds[middle] ?? 0)) high = middle;
    else low = middle + 1;
  }
  add(cells, row + at + low, 1);
  add(cells, row + at + bounds.length + 1, value);
}

export function add(cells: Float64Array, at: number, amount: number): void {
  cells[at] = (cells[at] ?? 0) + amount;
}
