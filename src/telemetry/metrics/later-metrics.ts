/**
 * Metrics of the Go picker that this one does not expose, with the reason: dashboards that show them stay empty. Their
 * data comes with the subsystem that is named.
 */

export interface LaterMetrics {
  /** As the Go picker has it, without `llm_d_epp_`; `*` stands for the rest of a group. */
  readonly name: string;
  readonly needs: string;
}

export const LATER_METRICS: readonly LaterMetrics[] = [
  {
    name: "plugin_data_scope_violations_total",
    needs: "nothing: a plugin sees only the data that it declares, so there is nothing to count",
  },
  { name: "encoder_cache_queries_total", needs: "caches of encoders" },
  { name: "encoder_cache_hits_total", needs: "caches of encoders" },
  { name: "encoder_cache_hit_ratio", needs: "caches of encoders" },
  { name: "disagg_decision_total", needs: "disaggregated serving" },
  { name: "pd_decision_total", needs: "disaggregated serving" },
  { name: "disaggregatedset_strict_header_no_match_total", needs: "disaggregated sets" },
  { name: "disaggregatedset_revision_gating_share", needs: "disaggregated sets" },
  { name: "flow_control_*", needs: "flow control" },
  { name: "program_aware_*", needs: "flow control" },
  { name: "inference_request_metric", needs: "predicted latency" },
  { name: "request_predicted_*", needs: "predicted latency" },
  { name: "request_ttft_prediction_duration_seconds", needs: "predicted latency" },
  { name: "request_tpot_prediction_duration_seconds", needs: "predicted latency" },
  { name: "request_slo_violation_total", needs: "predicted latency" },
  { name: "kv_cache_index_*", needs: "KV events" },
  { name: "kv_cache_events_*", needs: "KV events" },
];
