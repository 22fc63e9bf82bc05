/** vLLM. Despite its name the usage gauge is a fraction, 0 to 1. */
import type { EngineMetrics } from "../../framework/data-sources.ts";

export const vllm: EngineMetrics = {
  name: "vllm",
  queueDepthRequests: { name: "vllm:num_requests_waiting" },
  runningRequests: { name: "vllm:num_requests_running" },
  kvCacheUsageFraction: { name: "vllm:kv_cache_usage_perc" },
  adapters: { name: "vllm:lora_requests_info" },
  cacheInfo: {
    series: { name: "vllm:cache_config_info" },
    blockSizeLabel: "block_size",
    blockCountLabel: "num_gpu_blocks",
  },
};
