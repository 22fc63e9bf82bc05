/** What the director reports of requests: the observer that telemetry implements, under the director's roof. */
export type {
  RequestClosed,
  RequestLabels,
  RequestMeter,
  RequestMetrics,
  RoutedFacts,
  ScheduledFacts,
  TokenUsage,
  TraceCarrier,
  TraceHeader,
} from "../telemetry/request-metrics.ts";
