/** Loads OpenTelemetry on a shard whose requests are traced; nothing of it is loaded elsewhere. */
import type { Clock } from "../../base/clock.ts";
import type { RequestMetrics } from "../request-metrics.ts";
import type { SpansSent } from "./provider.ts";
import type { TracingSettings } from "./settings.ts";

/** Time that the last spans get to leave when a shard ends: a collector that does not answer must not hold it. */
const CLOSE_MS_MAX = 2_000;

export interface RequestTracing {
  /** Counts as `inner` does, and traces. */
  readonly metrics: RequestMetrics;
  /** Sends what waits, and ends; after CLOSE_MS_MAX at the latest. */
  close(): Promise<void>;
}

export async function traceRequests(
  inner: RequestMetrics,
  settings: TracingSettings,
  { clock, onSent }: { readonly clock: Clock; readonly onSent: SpansSent },
): Promise<RequestTracing> {
  const [{ startTracing }, { TracedMetrics }] = await Promise.all([
    import("./provider.ts"),
    import("./traced-metrics.ts"),
  ]);
  const tracing = startTracing(settings, onSent);
  return {
    metrics: new TracedMetrics(inner, tracing, clock),
    close: () =>
      new Promise((resolve) => {
        const timer = clock.setTimeout(resolve, CLOSE_MS_MAX);
        void tracing.close().then(() => {
          timer.cancel();
          resolve();
        });
      }),
  };
}
