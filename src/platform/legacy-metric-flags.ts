/**
 * Flags of older pickers that said how model servers are scraped. The Go picker has removed them; templates still set
 * them. The configuration maps them to the metrics source and extractor; what a configuration says itself comes first.
 */

/** Only what was given is there. */
export interface LegacyMetricFlags {
  /** Metric of waiting requests, like `vllm:num_requests_waiting`, perhaps with labels: `name{label=value}`. */
  readonly totalQueuedRequestsMetric?: string;
  readonly totalRunningRequestsMetric?: string;
  readonly kvCacheUsagePercentageMetric?: string;
  readonly loraInfoMetric?: string;
  readonly cacheInfoMetric?: string;
  /** Port that is scraped instead of the endpoint's own. */
  readonly modelServerMetricsPort?: number;
  readonly modelServerMetricsPath?: string;
  readonly modelServerMetricsScheme?: "http" | "https";
  readonly modelServerMetricsHttpsInsecureSkipVerify?: boolean;
}
