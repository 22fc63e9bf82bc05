/**
 * Metrics of single requests: one series per combination of model, target model, fairness id and priority. Shards count
 * them in their series tables (`src/telemetry/series/`).
 */
import {
  CHUNK_GAP_SECONDS,
  COMPLETION_TOKENS,
  FIRST_TOKEN_SECONDS,
  NORMALIZED_SECONDS,
  PROMPT_TOKENS,
  REQUEST_BYTES,
  REQUEST_SECONDS,
  RESPONSE_BYTES,
  TOKEN_SECONDS,
} from "./buckets.ts";
import type { HistogramDeclaration, MetricDeclaration } from "./declaration.ts";

/** Labels of everything that is counted per request. */
export const REQUEST_LABELS: readonly string[] = ["model_name", "target_model_name", "fairness_id", "priority"];
const MODEL_LABELS: readonly string[] = ["model_name", "target_model_name"];

const twin = (name: string, labels: readonly string[] = MODEL_LABELS): NonNullable<MetricDeclaration["twin"]> => ({
  name: `inference_objective_${name}`,
  labels,
});

export const requestTotal: MetricDeclaration = {
  name: "llm_d_epp_request_total",
  type: "counter",
  help: "Requests that were sent to an endpoint.",
  labels: REQUEST_LABELS,
  twin: twin("request_total", ["model_name", "target_model_name", "priority"]),
  when: "After a successful pick; a refused request counts in `llm_d_epp_request_error_total` only.",
};

export const requestErrors: MetricDeclaration = {
  name: "llm_d_epp_request_error_total",
  type: "counter",
  help: "Requests that failed, by error code.",
  labels: [...REQUEST_LABELS, "error_code"],
  twin: twin("request_error_total", ["model_name", "target_model_name", "error_code"]),
  when: "When the picker refuses a request, and as `ModelServerError` when a response's status is not 200.",
};

export const requestRunning: MetricDeclaration = {
  name: "llm_d_epp_request_running",
  type: "gauge",
  help: "Requests that were sent on and whose streams are open.",
  labels: REQUEST_LABELS,
  twin: twin("running_requests", ["model_name"]),
  when: "From the answer to the request's body to the end of its stream. Not for requests without a model.",
};

export type RequestHistogram =
  | "duration"
  | "requestSize"
  | "responseSize"
  | "inputTokens"
  | "outputTokens"
  | "cachedTokens"
  | "normalizedTimePerToken"
  | "timePerToken"
  | "chunkGap";

/** Histograms with one series per combination of labels. */
export const requestHistograms: Readonly<Record<RequestHistogram, HistogramDeclaration>> = {
  duration: {
    name: "llm_d_epp_request_duration_seconds",
    type: "histogram",
    help: "Time from a request's headers to the end of its response.",
    labels: REQUEST_LABELS,
    buckets: REQUEST_SECONDS,
    twin: twin("request_duration_seconds"),
    when: "When a response has come to its end.",
  },
  requestSize: {
    name: "llm_d_epp_request_size_bytes",
    type: "histogram",
    help: "Size of a request's body as it came.",
    labels: REQUEST_LABELS,
    buckets: REQUEST_BYTES,
    twin: twin("request_sizes"),
    when: "After a successful pick.",
  },
  responseSize: {
    name: "llm_d_epp_response_size_bytes",
    type: "histogram",
    help: "Size of a response's body as it came.",
    labels: REQUEST_LABELS,
    buckets: RESPONSE_BYTES,
    twin: twin("response_sizes"),
    when: "When a response has come to its end.",
    needsResponseBody: true,
  },
  inputTokens: {
    name: "llm_d_epp_request_input_tokens",
    type: "histogram",
    help: "Tokens of a prompt, as its response reports them.",
    labels: REQUEST_LABELS,
    buckets: PROMPT_TOKENS,
    twin: twin("input_tokens"),
    when: "When a response has come to its end and reports more than 0.",
    needsResponseBody: true,
  },
  outputTokens: {
    name: "llm_d_epp_request_output_tokens",
    type: "histogram",
    help: "Tokens of a completion, as its response reports them.",
    labels: REQUEST_LABELS,
    buckets: COMPLETION_TOKENS,
    twin: twin("output_tokens"),
    when: "When a response has come to its end and reports more than 0.",
    needsResponseBody: true,
  },
  cachedTokens: {
    name: "llm_d_epp_request_cached_tokens",
    type: "histogram",
    help: "Tokens of a prompt that the model server had in its cache, as the response reports them.",
    labels: REQUEST_LABELS,
    buckets: PROMPT_TOKENS,
    twin: twin("prompt_cached_tokens"),
    when: "When a response has come to its end and reports them, 0 included.",
    needsResponseBody: true,
  },
  normalizedTimePerToken: {
    name: "llm_d_epp_request_ntpot_seconds",
    type: "histogram",
    help: "Time of a whole request per token of its completion.",
    labels: REQUEST_LABELS,
    buckets: NORMALIZED_SECONDS,
    twin: twin("normalized_time_per_output_token_seconds"),
    when: "When a response has come to its end and reports its tokens.",
    needsResponseBody: true,
  },
  timePerToken: {
    name: "llm_d_epp_request_streaming_tpot_seconds",
    type: "histogram",
    help: "Time per token of a streamed response after the first: (duration − time to first token) / (tokens − 1).",
    labels: REQUEST_LABELS,
    buckets: TOKEN_SECONDS,
    when: "When a streamed response has come to its end and reports at least 2 tokens.",
    needsResponseBody: true,
  },
  chunkGap: {
    name: "llm_d_epp_request_streaming_itl_seconds",
    type: "histogram",
    help: "Time between two pieces of a streamed response's body; a piece may hold several tokens.",
    labels: REQUEST_LABELS,
    buckets: CHUNK_GAP_SECONDS,
    when: "With each piece but the first.",
    needsResponseBody: true,
  },
};

/** Counted twice, by whether the response is streamed. */
export const timeToFirstToken: HistogramDeclaration = {
  name: "llm_d_epp_request_ttft_seconds",
  type: "histogram",
  help: "Time from a request's headers to the first byte of its response's body.",
  labels: [...REQUEST_LABELS, "streaming"],
  buckets: FIRST_TOKEN_SECONDS,
  when: "When a response has come to its end.",
  needsResponseBody: true,
};

/** All of them, in the order in which they are exposed. */
export const REQUEST_METRICS: readonly MetricDeclaration[] = [
  requestTotal,
  requestErrors,
  requestRunning,
  ...Object.values(requestHistograms),
  timeToFirstToken,
];
