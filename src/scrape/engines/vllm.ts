/** vLLM. Despite its name the usage gauge is a fraction, 0 to 1. */
import type { EngineMetrics } from "./engine.ts";

export const vllm: EngineMetrics = {
  name: "vllm",
  queueDepthRequests: { name: "vllm:num_requests_waiting" },
  runningRequests: { name: "vllm:num_requests_running" },
  kvCacheUsageFraction: { name: "vllm:kv_cache_usage_perc" },
};
