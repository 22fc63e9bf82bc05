/** Metrics of the pool, the scheduler, plugins, the data layer and the program itself. */
import {
  HIT_BYTES,
  HIT_RATIOS,
  REQUEST_PROCESSING_SECONDS,
  RESPONSE_PROCESSING_SECONDS,
  SCHEDULER_SECONDS,
  STREAM_SECONDS,
} from "./buckets.ts";
import type { HistogramDeclaration, MetricDeclaration } from "./declaration.ts";

const gauge = (name: string, help: string, twinName?: string): MetricDeclaration => ({
  name: `llm_d_epp_${name}`,
  type: "gauge",
  help,
  labels: ["name"],
  ...(twinName !== undefined && { twin: { name: twinName, labels: ["name"] } }),
  when: "Over endpoints whose metrics are younger than the staleness threshold, to two decimals.",
});

export type PoolGauge =
  | "averageKvCacheUsage"
  | "averageQueueSize"
  | "averageRunningRequests"
  | "deviationKvCacheUsage"
  | "deviationQueueSize"
  | "deviationRunningRequests"
  | "readyEndpoints";

/** One value for the whole pool each, computed every `--refresh-prometheus-metrics-interval`. */
export const poolGauges: Readonly<Record<PoolGauge, MetricDeclaration>> = {
  averageKvCacheUsage: gauge(
    "average_kv_cache_utilization",
    "Mean fraction of KV cache blocks in use.",
    "inference_pool_average_kv_cache_utilization",
  ),
  averageQueueSize: gauge(
    "average_queue_size",
    "Mean number of requests that wait in an endpoint.",
    "inference_pool_average_queue_size",
  ),
  averageRunningRequests: gauge(
    "average_running_requests",
    "Mean number of requests that run in an endpoint.",
    "inference_pool_average_running_requests",
  ),
  deviationKvCacheUsage: gauge(
    "std_dev_kv_cache_utilization",
    "Sample standard deviation of the fraction of KV cache blocks in use.",
  ),
  deviationQueueSize: gauge("std_dev_queue_size", "Sample standard deviation of the requests that wait."),
  deviationRunningRequests: gauge("std_dev_running_requests", "Sample standard deviation of the requests that run."),
  readyEndpoints: gauge("ready_endpoints", "Endpoints with fresh metrics.", "inference_pool_ready_pods"),
};

export const endpointQueueSize: MetricDeclaration = {
  name: "llm_d_epp_per_endpoint_queue_size",
  type: "gauge",
  help: "Requests that wait in an endpoint, as last scraped.",
  labels: ["name", "model_server_endpoint"],
  twin: { name: "inference_pool_per_pod_queue_size", labels: ["name", "model_server_pod"] },
  when: "Absent until the endpoint has told it.",
};

export const inFlightRequests: MetricDeclaration = {
  name: "llm_d_epp_inflight_requests",
  type: "gauge",
  help: "Requests sent to an endpoint whose streams are open.",
  labels: ["endpoint_name", "namespace", "producer_name", "fairness_id", "priority"],
};

export const inFlightTokens: MetricDeclaration = {
  name: "llm_d_epp_inflight_tokens",
  type: "gauge",
  help: "Prompt tokens of those requests that the endpoint was not taken to hold.",
  labels: ["endpoint_name", "namespace", "producer_name", "fairness_id", "priority"],
};

export const schedulerDuration: HistogramDeclaration = {
  name: "llm_d_epp_scheduler_e2e_duration_seconds",
  type: "histogram",
  help: "Time of a decision in the scheduler: from the call into the kernel to its return.",
  labels: [],
  buckets: SCHEDULER_SECONDS,
  twin: { name: "inference_extension_scheduler_e2e_duration_seconds", labels: [] },
  when: "Per request; each request of a batch counts the whole batch, since its answer waits for it.",
};

export const schedulerAttempts: MetricDeclaration = {
  name: "llm_d_epp_scheduler_attempts_total",
  type: "counter",
  help: "Decisions by outcome and picked endpoint.",
  labels: ["status", "target_model_name", "endpoint_name", "namespace", "port"],
  twin: {
    name: "inference_extension_scheduler_attempts_total",
    labels: ["status", "target_model_name", "pod_name", "namespace", "port"],
  },
  when: "A failure names no endpoint. Series of an endpoint that has left are gone with it.",
};

export const pluginDuration: HistogramDeclaration = {
  name: "llm_d_epp_plugin_duration_seconds",
  type: "histogram",
  help: "Time of one call of a plugin.",
  labels: ["extension_point", "plugin_type", "plugin_name"],
  buckets: SCHEDULER_SECONDS,
  twin: {
    name: "inference_extension_plugin_duration_seconds",
    labels: ["extension_point", "plugin_type", "plugin_name"],
  },
  when: "Users' plugins only, with their facets as extension point. Built-in ones run in one call of the kernel.",
};

export const requestProcessing: HistogramDeclaration = {
  name: "llm_d_epp_request_processing_duration_seconds",
  type: "histogram",
  help: "Time from a request's headers to the answer to its body, whatever the answer is.",
  labels: [],
  buckets: REQUEST_PROCESSING_SECONDS,
};

export const responseProcessing: HistogramDeclaration = {
  name: "llm_d_epp_response_processing_duration_seconds",
  type: "histogram",
  help: "Time that the picker spent on a response.",
  labels: [],
  buckets: RESPONSE_PROCESSING_SECONDS,
  when: "Streamed: the sum over its pieces of the time from receipt to answer. Else: from its headers to its end.",
  needsResponseBody: true,
};

export const buildInfo: MetricDeclaration = {
  name: "llm_d_epp_info",
  type: "gauge",
  help: "1, with the build as labels.",
  labels: ["commit", "build_ref"],
  twin: { name: "inference_extension_info", labels: ["commit", "build_ref"] },
};

export const rewriteDecisions: MetricDeclaration = {
  name: "llm_d_epp_model_rewrite_decisions_total",
  type: "counter",
  help: "Model names that an InferenceModelRewrite exchanged.",
  labels: ["model_rewrite_name", "model_name", "target_model"],
  twin: {
    name: "inference_extension_model_rewrite_decisions_total",
    labels: ["model_rewrite_name", "model_name", "target_model"],
  },
  when: "No series yet: InferenceModelRewrite objects are not read.",
};

export const pollErrors: MetricDeclaration = {
  name: "llm_d_epp_datalayer_poll_errors_total",
  type: "counter",
  help: "Polls of a data source that failed.",
  labels: ["source_type"],
  twin: { name: "llm_d_inference_scheduler_datalayer_poll_errors_total", labels: ["source_type"] },
};

export const extractErrors: MetricDeclaration = {
  name: "llm_d_epp_datalayer_extract_errors_total",
  type: "counter",
  help: "Values that could not be taken out of what a data source gave.",
  labels: ["source_type", "extractor_type"],
  twin: {
    name: "llm_d_inference_scheduler_datalayer_extract_errors_total",
    labels: ["source_type", "extractor_type"],
  },
};

export const prefixIndexSize: MetricDeclaration = {
  name: "llm_d_epp_prefix_indexer_size",
  type: "gauge",
  help: "Distinct prompt blocks in the prefix index.",
  labels: ["plugin_name", "plugin_type"],
  twin: { name: "inference_extension_prefix_indexer_size", labels: [] },
};

export const prefixHitRatio: HistogramDeclaration = {
  name: "llm_d_epp_prefix_indexer_hit_ratio",
  type: "histogram",
  help: "Share of a prompt's blocks that the picked endpoint was taken to hold.",
  labels: ["plugin_name", "plugin_type"],
  buckets: HIT_RATIOS,
  twin: { name: "inference_extension_prefix_indexer_hit_ratio", labels: [] },
  when: "With each pick for a prompt of at least one block, where the policy has a prefix cache.",
};

export const prefixHitBytes: HistogramDeclaration = {
  name: "llm_d_epp_prefix_indexer_hit_bytes",
  type: "histogram",
  help: "Bytes of a prompt that the picked endpoint was taken to hold.",
  labels: ["plugin_name", "plugin_type"],
  buckets: HIT_BYTES,
  twin: { name: "inference_extension_prefix_indexer_hit_bytes", labels: [] },
  when: "With each pick, where the policy has a prefix cache.",
};

const STREAM_FLAG = "--enable-grpc-stream-metrics";

export const streamsInFlight: MetricDeclaration = {
  name: "llm_d_epp_extproc_streams_inflight",
  type: "gauge",
  help: "ext_proc streams that are open.",
  labels: [],
  optIn: STREAM_FLAG,
};

export const streamDuration: HistogramDeclaration = {
  name: "llm_d_epp_extproc_stream_duration_seconds",
  type: "histogram",
  help: "Time that an ext_proc stream was open.",
  labels: [],
  buckets: STREAM_SECONDS,
  optIn: STREAM_FLAG,
};

export const streamsTotal: MetricDeclaration = {
  name: "llm_d_epp_extproc_streams_total",
  type: "counter",
  help: "ext_proc streams that are over, by gRPC status code.",
  labels: ["code"],
  optIn: STREAM_FLAG,
};

/** All of them, in the order in which they are exposed. */
export const POOL_METRICS: readonly MetricDeclaration[] = [
  ...Object.values(poolGauges),
  endpointQueueSize,
  inFlightRequests,
  inFlightTokens,
  schedulerDuration,
  schedulerAttempts,
  pluginDuration,
  requestProcessing,
  responseProcessing,
  buildInfo,
  rewriteDecisions,
  pollErrors,
  extractErrors,
  prefixIndexSize,
  prefixHitRatio,
  prefixHitBytes,
  streamsInFlight,
  streamDuration,
  streamsTotal,
];
