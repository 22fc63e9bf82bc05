/** Request metrics that count nothing, for tests of what lies beside them. */
import type { RequestMeter, RequestMetrics } from "../../src/director/request-metrics.ts";

const nothing = (): void => undefined;

const noMeter: RequestMeter = {
  identify: nothing,
  onScheduled: nothing,
  onRouted: nothing,
  traceHeaders: undefined,
  onAnswered: nothing,
  onRefused: nothing,
  onResponseHeaders: nothing,
  onResponseChunk: nothing,
  onResponseChunkDone: nothing,
  onClosed: nothing,
};

export const noMetrics: RequestMetrics = { readsTraceHeaders: false, open: () => noMeter };
