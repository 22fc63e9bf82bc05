/**
 * Triton with any other backend. It tells nothing of a KV cache, and the number that stands for running requests is a
 * count of executions since the start, as in the Go picker.
 */
import type { EngineMetrics } from "../../framework/data-sources.ts";

export const triton: EngineMetrics = {
  name: "triton",
  queueDepthRequests: { name: "nv_inference_pending_request_count" },
  runningRequests: { name: "nv_inference_exec_count" },
  kvCacheUsageFraction: undefined,
};
