/**
 * Every metric, declared once: name, type, help, labels, and how its value is read. Nothing is counted here: hot
 * counters lie in the shared memory and are read when somebody scrapes, so a request pays for no metric object.
 */
import { type Metric, Registry } from "prom-client";
import { ERROR_KINDS, type ErrorCode } from "../base/errors.ts";
import type { SharedCounters } from "../wasm/counters.ts";
import { layout } from "../wasm/layout.ts";
import type { DegradedCode } from "./degraded-states.ts";

/** What the control thread knows beside the shared counters. */
export interface FleetView {
  readonly endpoints: readonly {
    readonly name: string;
    readonly namespace: string;
    readonly slot: number;
    readonly isReachable: boolean;
  }[];
  /** Names by number; number 0 is "other". */
  readonly names: readonly string[];
}

/** Counted on the control thread. */
export interface ControlCounters {
  scrapesSucceeded: number;
  scrapesFailed: number;
  becameReachable: number;
  becameUnreachable: number;
  shardRestarts: number;
  indexWriterRestarts: number;
}

export interface MetricSources {
  readonly counters: SharedCounters;
  readonly fleet: () => FleetView;
  readonly control: Readonly<ControlCounters>;
  /** Degraded states by code with how many rows each has; 0 for those that do not hold. */
  readonly degraded: () => readonly { readonly code: DegradedCode; readonly count: number }[];
}

export interface MetricDeclaration {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  /** The closed set of label names. */
  readonly labels: readonly string[];
  readonly read: (sources: MetricSources) => readonly Sample[];
}

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export function newControlCounters(): ControlCounters {
  return {
    scrapesSucceeded: 0,
    scrapesFailed: 0,
    becameReachable: 0,
    becameUnreachable: 0,
    shardRestarts: 0,
    indexWriterRestarts: 0,
  };
}

/** In the order of the counters from SHARD_COUNTER_FINISHED on. */
export const EXCHANGE_CAUSES = ["natural", "refused", "client-disconnect", "error"] as const;

const one = (value: number): readonly Sample[] => [{ labels: {}, value }];

const shardCounter = (name: string, help: string, counter: number): MetricDeclaration => ({
  name,
  type: "counter",
  help,
  labels: [],
  read: ({ counters }) => one(counters.shards(counter)),
});

const indexCounter = (name: string, help: string, counter: number): MetricDeclaration => ({
  name,
  type: "counter",
  help,
  labels: [],
  read: ({ counters }) => one(counters.index(counter)),
});

export const METRICS: readonly MetricDeclaration[] = [
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
  shardCounter("endpoint_picker_streams_total", "ext_proc streams opened.", layout.SHARD_COUNTER_STREAMS_OPENED),
  {
    name: "endpoint_picker_streams_inflight",
    type: "gauge",
    help: "ext_proc streams open now.",
    labels: [],
    read: ({ counters }) =>
      one(counters.shards(layout.SHARD_COUNTER_STREAMS_OPENED) - counters.shards(layout.SHARD_COUNTER_STREAMS_CLOSED)),
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
  ),
  shardCounter(
    "endpoint_picker_served_elsewhere_total",
    "Requests that the proxy sent to another endpoint than the picked one.",
    layout.SHARD_COUNTER_SERVED_ELSEWHERE,
  ),
  shardCounter(
    "endpoint_picker_rewrites_skipped_total",
    "Model names that were not rewritten because the proxy's body mode does not let the body be changed.",
    layout.SHARD_COUNTER_REWRITES_SKIPPED,
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
    name: "endpoint_picker_degraded",
    type: "gauge",
    help: "Degraded states that hold now: 0 when one does not, else how many things are in it.",
    labels: ["state"],
    read: ({ degraded }) => degraded().map(({ code, count }) => ({ labels: { state: code }, value: count })),
  },
];

/** A registry whose metrics read their sources when they are scraped. */
export function createMetricsRegistry(sources: MetricSources): Registry {
  const registry = new Registry();
  for (const declaration of METRICS) {
    const metric = {
      name: declaration.name,
      get: async () => ({ ...declaration, aggregator: "sum", values: declaration.read(sources) }),
    };
    // A prom-client metric is whatever has a name and a get(); its own classes would count a second time.
    registry.registerMetric(metric as unknown as Metric);
  }
  return registry;
}
