/**
 * Headers that only the picker may set. One that a client sends would steer the proxy, the sidecar or the accounting,
 * so every one that arrives is removed before the picker's own are set.
 */

/**
 * Names that never pass from a client to a model server. The destination is not among them: it is always overwritten.
 */
export const CONTROL_HEADERS: readonly string[] = [
  "x-gateway-destination-endpoint-subset",
  "x-gateway-destination-endpoint-served",
  "x-gateway-inference-fairness-id",
  "x-gateway-inference-objective",
  "x-gateway-model-name-rewrite",
  "x-llm-d-inference-fairness-id",
  "x-llm-d-inference-objective",
  "x-llm-d-model-name-rewrite",
  "x-llm-d-request-dropped-reason",
  "x-llm-d-slo-tpot-ms",
  "x-llm-d-slo-ttft-ms",
  "x-llm-d-video-duration-seconds",
  "x-llm-d-video-fps",
  "x-llm-d-video-resolution",
  "x-slo-tpot-ms",
  "x-slo-ttft-ms",
  // For the disaggregation sidecar: they name the servers that prefill, encode and hold the cache.
  "x-data-parallel-host-port",
  "x-encoder-hosts-ports",
  "x-kv-cache-source-host-port",
  "x-prefiller-host-port",
];
