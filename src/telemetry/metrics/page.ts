/**
 * The metrics page: all families, made and sent in slices, so that the thread that makes it does other things between
 * two of them, however many series there are. A page that nobody reads on is not made to its end.
 */
import type { Clock } from "../../base/clock.ts";
import { nextTurn } from "../../base/turn.ts";
import type { MetricSources } from "../metrics.ts";
import { ownFamilies } from "./own-families.ts";
import { poolFamilies } from "./pool-families.ts";
import { processMetrics } from "./process-metrics.ts";
import { RequestFamilies } from "./request-families.ts";

export interface MetricsPageOptions {
  /** Expose each metric under the name that older dashboards know, too. */
  readonly withTwins: boolean;
  /** Expose metrics of ext_proc streams. */
  readonly withStreams: boolean;
  readonly clock: Pick<Clock, "nowMs">;
}

/** Characters of a slice: below 1 ms of work (`bench/micro/exposition`). A piece may exceed it by a few KB. */
const SLICE_SIZE_MAX = 32 * 1024;

/** Time after which a slice ends although it is small: code that runs for the first time takes ten times as long. */
const SLICE_MS_MAX = 1;

/** Pieces of a slice, for those that turn out empty. */
const SLICE_PIECES_MAX = 256;

/** Rows of shards that are taken in as one piece: with 64 shards there are 130,000 of them at the first scrape. */
const TAKE_IN_MAX = 4;

export class MetricsPage {
  readonly contentType = "text/plain; version=0.0.4; charset=utf-8";
  readonly #sources: MetricSources;
  readonly #options: MetricsPageOptions;
  readonly #requests: RequestFamilies;

  constructor(sources: MetricSources, options: MetricsPageOptions) {
    this.#sources = sources;
    this.#options = options;
    this.#requests = new RequestFamilies(sources.series, options);
  }

  /** The page as it is now, to be read slice by slice; each slice is made in an event-loop turn of its own. */
  async *expose(): AsyncGenerator<string, void, undefined> {
    const { clock } = this.#options;
    let slice = await processMetrics();
    let pieces = 0;
    let endMs = clock.nowMs() + SLICE_MS_MAX;
    for (const piece of this.pieces()) {
      slice += piece;
      pieces++;
      if (slice.length < SLICE_SIZE_MAX && pieces < SLICE_PIECES_MAX && clock.nowMs() < endMs) continue;
      if (slice !== "") yield slice;
      await nextTurn();
      slice = "";
      pieces = 0;
      endMs = clock.nowMs() + SLICE_MS_MAX;
    }
    yield slice;
  }

  /** The whole page in one text: for tests, and for whoever can wait. */
  async metrics(): Promise<string> {
    let text = "";
    for await (const slice of this.expose()) text += slice;
    return text;
  }

  /** The page without the process's own metrics, in pieces of a few lines. */
  *pieces(): Iterable<string> {
    while (this.#sources.series.takeIn(TAKE_IN_MAX)) yield "";
    yield* ownFamilies(this.#sources);
    yield* poolFamilies(this.#sources, this.#options);
    yield* this.#requests.pieces();
  }
}
