/** TensorRT-LLM behind its own server, `trtllm-serve`. */
import type { EngineMetrics } from "../../framework/data-sources.ts";

export const trtllmServe: EngineMetrics = {
  name: "trtllm-serve",
  queueDepthRequests: { name: "trtllm_num_requests_waiting" },
  runningRequests: { name: "trtllm_num_requests_running" },
  kvCacheUsageFraction: { name: "trtllm_kv_cache_utilization" },
  cacheBlockSizeTokens: { name: "trtllm_kv_cache_tokens_per_block" },
  cacheBlockCount: { name: "trtllm_kv_cache_max_blocks" },
};
