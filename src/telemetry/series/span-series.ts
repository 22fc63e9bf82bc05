/** Counts what became of the spans of a shard. */
import { add, SHARED_COLUMNS, SPAN_OUTCOMES, type SpanOutcome } from "./columns.ts";
import type { ShardSeries } from "./shard-series.ts";

export function countSpans({ shared }: ShardSeries, count: number, outcome: SpanOutcome): void {
  add(shared, SHARED_COLUMNS.spans + SPAN_OUTCOMES.indexOf(outcome), count);
}
