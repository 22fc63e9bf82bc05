/** What the director reports of requests: the observer that telemetry implements, under the director's roof. */
export type { RequestMeter, RequestMetrics, TraceCarrier } from "../telemetry/request-metrics.ts";
