/** SGLang, started with `--enable-metrics`. What it calls a page is a block. */
import type { EngineMetrics } from "../../framework/data-sources.ts";

export const sglang: EngineMetrics = {
  name: "sglang",
  queueDepthRequests: { name: "sglang:num_queue_reqs" },
  runningRequests: { name: "sglang:num_running_reqs" },
  kvCacheUsageFraction: { name: "sglang:token_usage" },
  cacheInfo: {
    series: { name: "sglang:cache_config_info" },
    blockSizeLabel: "page_size",
    blockCountLabel: "num_pages",
  },
};
