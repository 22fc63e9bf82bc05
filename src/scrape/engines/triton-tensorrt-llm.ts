/** TensorRT-LLM behind Triton: one metric name for several numbers, told apart by a label. */
import type { EngineMetrics, SeriesSpec } from "../../framework/data-sources.ts";

const requests = (type: string): SeriesSpec => {
  return { name: "nv_trt_llm_request_metrics", labels: { request_type: type } };
};
const cacheBlocks = (type: string): SeriesSpec => {
  return { name: "nv_trt_llm_kv_cache_block_metrics", labels: { kv_cache_block_type: type } };
};

export const tritonTensorrtLlm: EngineMetrics = {
  name: "triton-tensorrt-llm",
  queueDepthRequests: requests("waiting"),
  runningRequests: requests("scheduled"),
  kvCacheUsageFraction: cacheBlocks("fraction"),
  cacheBlockSizeTokens: cacheBlocks("tokens_per"),
  cacheBlockCount: cacheBlocks("max"),
};
