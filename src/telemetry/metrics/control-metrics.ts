/**
 * The control thread's side of metrics: it owns the shards' series tables, computes the pool's gauges every few
 * seconds, says once when a table is full, and has the page. Requests pass none of this.
 */
import type { Clock, Timer } from "../../base/clock.ts";
import type { DegradationReporter } from "../health-details.ts";
import type { MetricSources } from "../metrics.ts";
import { FOLDED_KINDS } from "../series/columns.ts";
import { SeriesView } from "../series/series-view.ts";
import { allocateShardSeries, ShardSeries } from "../series/shard-series.ts";
import { readBuildInfo } from "./build-info.ts";
import { DataLayerErrors } from "./data-layer-errors.ts";
import { MetricsPage, type MetricsPageOptions } from "./page.ts";
import { computePoolGauges, type PoolGaugeValues } from "./pool-gauges.ts";

export interface ControlMetricsOptions
  extends Pick<
      MetricSources,
      "counters" | "fleet" | "control" | "degraded" | "pluginFailures" | "poolName" | "prefixPlugin"
    >,
    MetricsPageOptions {
  readonly shardCount: number;
  readonly clock: Clock;
  /** Time between two computations of the pool's gauges. */
  readonly refreshMs: number;
  /** Age from which on an endpoint's metrics do not count. */
  readonly staleMs: number;
  readonly health: DegradationReporter;
}

export class ControlMetrics {
  readonly page: MetricsPage;
  /** Counts failures of sources and extractors; whoever scrapes reports to it. */
  readonly dataLayer: DataLayerErrors = new DataLayerErrors();
  readonly #options: ControlMetricsOptions;
  readonly #tables: readonly { readonly buffer: SharedArrayBuffer; readonly series: ShardSeries }[];
  readonly #series: SeriesView;
  readonly #timer: Timer;
  #gauges: PoolGaugeValues;
  /** As of the last refresh. */
  #spansExported = 0;
  #spansFailed = 0;

  constructor(options: ControlMetricsOptions) {
    this.#options = options;
    this.#tables = Array.from({ length: options.shardCount }, () => {
      const buffer = allocateShardSeries();
      return { buffer, series: new ShardSeries(buffer) };
    });
    this.#series = new SeriesView(this.#tables.map(({ series }) => series));
    this.#gauges = this.#compute();
    const sources: MetricSources = {
      ...options,
      series: this.#series,
      poolGauges: () => this.#gauges,
      dataLayer: this.dataLayer,
      build: readBuildInfo(),
    };
    this.page = new MetricsPage(sources, options);
    this.#timer = options.clock.setInterval(() => this.#refresh(), options.refreshMs);
  }

  /** What a shard counts in; a successor gets the same. */
  tableOf(shard: number): SharedArrayBuffer {
    const table = this.#tables[shard];
    if (table === undefined) throw new RangeError(`there is no shard ${shard}`);
    return table.buffer;
  }

  /** Nothing of a dead shard is in flight; what it counted stays. To be called before its successor starts. */
  onShardDeath(shard: number): void {
    this.#tables[shard]?.series.returnInFlight();
  }

  /** Connections of a shard that take new streams, as of half a second ago at most. */
  connectionsOf(shard: number): number {
    return this.#series.connections(shard);
  }

  close(): void {
    this.#timer.cancel();
  }

  #refresh(): void {
    this.#gauges = this.#compute();
    const full: string[] = FOLDED_KINDS.filter((kind) => this.#series.folded(kind) > 0);
    if (this.#series.foldedCombinations > 0) full.push("the shards' common");
    const { health } = this.#options;
    if (full.length > 0) health.raise("series-table-full", `too many labels for these tables: ${full.join(", ")}`);
    const [exported, failed] = [this.#series.spans("exported"), this.#series.spans("failed")];
    if (failed > this.#spansFailed)
      health.raise("spans-lost", `${failed} spans were lost so far, ${exported} were taken`);
    else if (exported > this.#spansExported) health.clear("spans-lost");
    this.#spansFailed = failed;
    this.#spansExported = exported;
  }

  #compute(): PoolGaugeValues {
    const { fleet, clock, staleMs } = this.#options;
    const loads = fleet().endpoints.map(({ load }) => load);
    return computePoolGauges(loads, { nowMs: clock.nowMs(), staleMs });
  }
}
