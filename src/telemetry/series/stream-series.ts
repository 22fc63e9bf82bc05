/** Counts the ext_proc streams of a shard by how they ended and how long they were open. Off unless asked for. */
import type { Clock } from "../../base/clock.ts";
import { add, observe, SHARED_COLUMNS, STREAM_CODES, type StreamCode } from "./columns.ts";
import type { ShardSeries } from "./shard-series.ts";

export class StreamSeries {
  readonly #series: ShardSeries;
  readonly #clock: Clock;

  constructor(series: ShardSeries, clock: Clock) {
    this.#series = series;
    this.#clock = clock;
  }

  /** A stream was opened; call what this returns once when it is over. */
  open(): (code: StreamCode) => void {
    const { shared } = this.#series;
    const openedAtMs = this.#clock.nowMs();
    add(shared, SHARED_COLUMNS.streamsOpen, 1);
    return (code) => {
      add(shared, SHARED_COLUMNS.streamsOpen, -1);
      add(shared, SHARED_COLUMNS.streams + STREAM_CODES.indexOf(code), 1);
      observe(shared, 0, SHARED_COLUMNS.streamDuration, (this.#clock.nowMs() - openedAtMs) / 1_000);
    };
  }
}
