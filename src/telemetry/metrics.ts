/**
 * What metrics are read from, and the metrics that only this picker has: name, type, help, labels, and how the value is
 * read. Those of the Go picker are declared in `src/telemetry/metrics/`. Nothing is counted here: hot counters lie in
 * shared memory and are read when somebody scrapes, so a request pays for no metric object.
 */
import { ERROR_KINDS, type ErrorCode } from "../base/errors.ts";
import type { SharedCounters } from "../wasm/counters.ts";
import { layout } from "../wasm/layout.ts";
import type { ControlCounters } from "./control-counters.ts";
import type { DegradedCode } from "./degraded-states.ts";
import type { BuildInfo } from "./metrics/build-info.ts";
import type { DataLayerErrors } from "./metrics/data-layer-errors.ts";
import type { MetricDeclaration } from "./metrics/declaration.ts";
import type { FleetView } from "./metrics/fleet-view.ts";
import type { PoolGaugeValues } from "./metrics/pool-gauges.ts";
import { FOLDED_KINDS, SPAN_OUTCOMES } from "./series/columns.ts";
import type { SeriesView } from "./series/series-view.ts";

export interface MetricSources {
  readonly counters: SharedCounters;
  readonly fleet: () => FleetView;
  readonly control: Readonly<ControlCounters>;
  /** Degraded states by code with how many rows each has; 0 for those that do not hold. */
  readonly degraded: () => readonly { readonly code: DegradedCode; readonly count: number }[];
  /** Calls of users' plugins that failed and were left out. */
  readonly pluginFailures: () => readonly { readonly plugin: string; readonly cause: string; readonly count: number }[];
  /** What shards count by labels. */
  readonly series: SeriesView;
  readonly poolName: string;
  /** As last computed. */
  readonly poolGauges: () => PoolGaugeValues;
  readonly dataLayer: DataLayerErrors;
  /** The plugin that the prefix index stands for. */
  readonly prefixPlugin: { readonly name: string; readonly type: string };
  readonly build: BuildInfo;
}

/** A metric that only this picker has. */
export interface OwnMetric extends MetricDeclaration {
  readonly read: (sources: MetricSources) => readonly Sample[];
}

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** In the order of the counters from SHARD_COUNTER_FINISHED on. */
export const EXCHANGE_CAUSES = ["natural", "refused", "client-disconnect", "error"] as const;

const one = (value: number): readonly Sample[] => [{ labels: {}, value }];

const shardCounter = (name: string, help: string, counter: number, more?: Partial<OwnMetric>): OwnMetric => ({
  name,
  type: "counter",
  help,
  labels: [],
  ...more,
  read: ({ counters }) => one(counters.shards(counter)),
});

/** One value per shard. */
const perShard = (read: (sources: MetricSources, shard: number) => number): Pick<OwnMetric, "labels" | "read"> => ({
  labels: ["shard"],
  read: (sources) =>
    Array.from({ length: sources.counters.shardCount }, (_, shard) => ({
      labels: { shard: String(shard) },
      value: read(sources, shard),
    })),
});

const indexCounter = (name: string, help: string, counter: number): OwnMetric => ({
  name,
  type: "counter",
  help,
  labels: [],
  read: ({ counters }) => one(counters.index(counter)),
});

export const OWN_METRICS: readonly OwnMetric[] = [
  shardCounter("endpoint_picker_picks_total", "Requests for which an endpoint was picked.", layout.SHARD_COUNTER_PICKS),
  shardCounter(
    "endpoint_picker_pick_batches_total",
    "Decision batches; picks per batch is the ratio to picks.",
    layout.SHARD_COUNTER_BATCHES,
  ),
  shardCounter(
    "endpoint_picker_picks_without_endpoint_total",
    "Requests for which no endpoint was known.",
    layout.SHARD_COUNTER_NO_ENDPOINTS,
  ),
  shardCounter(
    "endpoint_picker_picks_all_unreachable_total",
    "Picks made among unreachable endpoints because none was reachable.",
    layout.SHARD_COUNTER_ALL_UNREACHABLE,
  ),
  shardCounter("endpoint_picker_prompt_blocks_total", "Prompt blocks of picks.", layout.SHARD_COUNTER_PROMPT_BLOCKS),
  shardCounter(
    "endpoint_picker_matched_blocks_total",
    "Leading prompt blocks that the picked endpoint was taken to hold.",
    layout.SHARD_COUNTER_MATCHED_BLOCKS,
  ),
  shardCounter(
    "endpoint_picker_index_ring_full_total",
    "Picks whose prompt was not recorded because the index writer was behind.",
    layout.SHARD_COUNTER_RING_FULL,
  ),
  shardCounter(
    "endpoint_picker_snapshots_torn_total",
    "Decision batches that could not get an undisturbed copy of the endpoint columns.",
    layout.SHARD_COUNTER_SNAPSHOT_TORN,
  ),
  shardCounter(
    "endpoint_picker_picks_filtered_out_total",
    "Runs of a profile whose filters left no endpoint.",
    layout.SHARD_COUNTER_FILTERED_OUT,
  ),
  shardCounter(
    "endpoint_picker_sessions_bound_total",
    "Sessions that were bound to an endpoint.",
    layout.SHARD_COUNTER_SESSIONS_BOUND,
  ),
  shardCounter(
    "endpoint_picker_sessions_replaced_total",
    "Sessions that were forgotten before their time because the table had no room.",
    layout.SHARD_COUNTER_SESSIONS_REPLACED,
  ),
  shardCounter("endpoint_picker_streams_total", "ext_proc streams opened.", layout.SHARD_COUNTER_STREAMS_OPENED),
  {
    name: "endpoint_picker_streams_inflight",
    type: "gauge",
    help: "ext_proc streams open now.",
    labels: [],
    read: ({ counters }) =>
      one(counters.shards(layout.SHARD_COUNTER_STREAMS_OPENED) - counters.shards(layout.SHARD_COUNTER_STREAMS_CLOSED)),
  },
  {
    name: "endpoint_picker_shard_streams_total",
    type: "counter",
    help: "ext_proc streams opened, by the shard that serves them.",
    ...perShard(({ counters }, shard) => counters.ofShard(shard, layout.SHARD_COUNTER_STREAMS_OPENED)),
  },
  {
    name: "endpoint_picker_shard_streams_inflight",
    type: "gauge",
    help: "ext_proc streams open now, by the shard that serves them.",
    ...perShard(({ counters }, shard) => {
      const opened = counters.ofShard(shard, layout.SHARD_COUNTER_STREAMS_OPENED);
      return opened - counters.ofShard(shard, layout.SHARD_COUNTER_STREAMS_CLOSED);
    }),
  },
  {
    name: "endpoint_picker_shard_connections",
    type: "gauge",
    help: "Connections of proxies that take new ext_proc streams, by shard.",
    ...perShard(({ series }, shard) => series.connections(shard)),
  },
  {
    name: "endpoint_picker_connections_shed_total",
    type: "counter",
    help: "Connections that a proxy was told to replace because their shard had more to do than another.",
    labels: [],
    read: ({ control }) => one(control.connectionsShed),
  },
  shardCounter(
    "endpoint_picker_protocol_errors_total",
    "ext_proc messages that were malformed or out of order; each ended its stream.",
    layout.SHARD_COUNTER_PROTOCOL_ERRORS,
  ),
  {
    name: "endpoint_picker_exchanges_total",
    type: "counter",
    help: "Requests that are over, by what ended them.",
    labels: ["cause"],
    read: ({ counters }) =>
      EXCHANGE_CAUSES.map((cause, index) => ({
        labels: { cause },
        value: counters.shards(layout.SHARD_COUNTER_FINISHED + index),
      })),
  },
  {
    name: "endpoint_picker_response_tokens_total",
    type: "counter",
    needsResponseBody: true,
    help: "Tokens that responses reported: of prompts, of prompts found in a cache, of completions.",
    labels: ["kind"],
    read: ({ counters }) => [
      { labels: { kind: "prompt" }, value: counters.shards(layout.SHARD_COUNTER_PROMPT_TOKENS) },
      { labels: { kind: "cached" }, value: counters.shards(layout.SHARD_COUNTER_CACHED_TOKENS) },
      { labels: { kind: "completion" }, value: counters.shards(layout.SHARD_COUNTER_COMPLETION_TOKENS) },
    ],
  },
  shardCounter(
    "endpoint_picker_response_events_total",
    "Events of streamed responses.",
    layout.SHARD_COUNTER_RESPONSE_EVENTS,
    { needsResponseBody: true },
  ),
  shardCounter(
    "endpoint_picker_served_elsewhere_total",
    "Requests that the proxy sent to another endpoint than the picked one.",
    layout.SHARD_COUNTER_SERVED_ELSEWHERE,
  ),
  shardCounter(
    "endpoint_picker_rewrites_skipped_total",
    "Model names that were not rewritten, or not put back, because of the proxy's body mode.",
    layout.SHARD_COUNTER_REWRITES_SKIPPED,
  ),
  shardCounter(
    "endpoint_picker_slabs_exhausted_total",
    "Times that bytes were kept outside of a shard's slabs because all of them were taken.",
    layout.SHARD_COUNTER_SLABS_EXHAUSTED,
  ),
  {
    name: "endpoint_picker_refusals_total",
    type: "counter",
    help: "Requests answered with an error, by its code.",
    labels: ["error_code"],
    read: ({ counters }) =>
      (Object.keys(ERROR_KINDS) as ErrorCode[]).map((code, index) => ({
        labels: { error_code: code },
        value: counters.shards(layout.SHARD_COUNTER_REFUSED + index),
      })),
  },
  {
    name: "endpoint_picker_requests_total",
    type: "counter",
    help: `Picks by model; beyond ${layout.NAMES_MAX - 1} names, and until a new name is known, "other".`,
    labels: ["model_name"],
    read: ({ counters, fleet }) =>
      fleet().names.map((name, number) => ({ labels: { model_name: name }, value: counters.nameRequests(number) })),
  },
  {
    name: "endpoint_picker_index_blocks",
    type: "gauge",
    help: "Distinct prompt blocks in the prefix index.",
    labels: [],
    read: ({ counters }) => one(counters.indexKeyCount),
  },
  indexCounter(
    "endpoint_picker_index_blocks_stored_total",
    "Blocks recorded as held by an endpoint.",
    layout.INDEX_COUNTER_BLOCKS_STORED,
  ),
  indexCounter(
    "endpoint_picker_index_blocks_evicted_total",
    "Blocks dropped from an endpoint's record, least recently used first.",
    layout.INDEX_COUNTER_BLOCKS_EVICTED,
  ),
  indexCounter(
    "endpoint_picker_index_blocks_refused_total",
    "Blocks that found no room in the index.",
    layout.INDEX_COUNTER_BLOCKS_REFUSED,
  ),
  {
    name: "endpoint_picker_endpoints",
    type: "gauge",
    help: "Endpoints by whether the last scrape reached them.",
    labels: ["state"],
    read: ({ fleet }) => {
      const { endpoints } = fleet();
      const reachable = endpoints.filter(({ isReachable }) => isReachable).length;
      return [
        { labels: { state: "reachable" }, value: reachable },
        { labels: { state: "unreachable" }, value: endpoints.length - reachable },
      ];
    },
  },
  {
    name: "endpoint_picker_endpoint_transitions_total",
    type: "counter",
    help: "Times an endpoint became reachable or unreachable.",
    labels: ["to"],
    read: ({ control }) => [
      { labels: { to: "reachable" }, value: control.becameReachable },
      { labels: { to: "unreachable" }, value: control.becameUnreachable },
    ],
  },
  {
    name: "endpoint_picker_scrapes_total",
    type: "counter",
    help: "Scrapes of endpoint metrics by outcome.",
    labels: ["outcome"],
    read: ({ control }) => [
      { labels: { outcome: "success" }, value: control.scrapesSucceeded },
      { labels: { outcome: "failure" }, value: control.scrapesFailed },
    ],
  },
  {
    name: "endpoint_picker_endpoints_file_reads_total",
    type: "counter",
    help: "Times the endpoints file was read again after a change, by outcome; a fault leaves the fleet as it was.",
    labels: ["outcome"],
    read: ({ control }) => [
      { labels: { outcome: "success" }, value: control.endpointsFileReloads },
      { labels: { outcome: "failure" }, value: control.endpointsFileFaults },
    ],
  },
  {
    name: "endpoint_picker_inflight_requests",
    type: "gauge",
    help: "Requests routed to an endpoint whose streams are open.",
    labels: ["endpoint_name", "namespace"],
    read: ({ counters, fleet }) =>
      fleet().endpoints.map(({ name, namespace, slot }) => ({
        labels: { endpoint_name: name, namespace },
        value: counters.inFlightRequests(slot),
      })),
  },
  {
    name: "endpoint_picker_inflight_tokens",
    type: "gauge",
    help: "Prompt tokens of those requests that the endpoint was not taken to hold.",
    labels: ["endpoint_name", "namespace"],
    read: ({ counters, fleet }) =>
      fleet().endpoints.map(({ name, namespace, slot }) => ({
        labels: { endpoint_name: name, namespace },
        value: counters.inFlightTokens(slot),
      })),
  },
  {
    name: "endpoint_picker_thread_restarts_total",
    type: "counter",
    help: "Threads that died and were replaced.",
    labels: ["thread"],
    read: ({ control }) => [
      { labels: { thread: "shard" }, value: control.shardRestarts },
      { labels: { thread: "index-writer" }, value: control.indexWriterRestarts },
    ],
  },
  {
    name: "endpoint_picker_tls_handshakes_failed_total",
    type: "counter",
    help: "Connections to ext_proc that did not come through their TLS handshake.",
    labels: [],
    read: ({ control }) => one(control.tlsHandshakesFailed),
  },
  {
    name: "endpoint_picker_connections_failed_total",
    type: "counter",
    help: "Connections to ext_proc that were given up for what their client sent.",
    labels: [],
    read: ({ control }) => one(control.connectionsFailed),
  },
  {
    name: "endpoint_picker_admin_turned_away_total",
    type: "counter",
    help: "Connections and requests of the metrics port that were over a bound: too many at once, or too slow.",
    labels: ["bound"],
    read: ({ control: { adminTurnedAway } }) =>
      Object.entries(adminTurnedAway).map(([bound, value]) => ({ labels: { bound }, value })),
  },
  {
    name: "endpoint_picker_plugin_failures_total",
    type: "counter",
    help: "Calls of users' plugins that threw, took too long or returned what cannot be used, and were left out.",
    labels: ["plugin_name", "cause"],
    read: ({ pluginFailures }) =>
      pluginFailures().map(({ plugin, cause, count }) => ({ labels: { plugin_name: plugin, cause }, value: count })),
  },
  {
    name: "endpoint_picker_degraded",
    type: "gauge",
    help: "Degraded states that hold now: 0 when one does not, else how many things are in it.",
    labels: ["state"],
    read: ({ degraded }) => degraded().map(({ code, count }) => ({ labels: { state: code }, value: count })),
  },
  {
    name: "endpoint_picker_series_folded_total",
    type: "counter",
    help: "Times that something counted as other because a shard's series table had no room for its labels, by table.",
    labels: ["table"],
    read: ({ series }) => FOLDED_KINDS.map((kind) => ({ labels: { table: kind }, value: series.folded(kind) })),
  },
  {
    name: "endpoint_picker_spans_total",
    type: "counter",
    help: "Spans of traces by what became of them on their way to the collector.",
    labels: ["outcome"],
    read: ({ series }) => SPAN_OUTCOMES.map((outcome) => ({ labels: { outcome }, value: series.spans(outcome) })),
  },
  {
    name: "endpoint_picker_series_folded_combinations",
    type: "gauge",
    help: "Combinations of request labels that are shown as other because all shards together have too many.",
    labels: [],
    read: ({ series }) => one(series.foldedCombinations),
  },
];
