/**
 * What a configuration goes without that does not look at bodies of responses: said at start, and by
 * `epp config check`. Whatever else is known of a response (its status, that it is over) is not here.
 */
import type { CompiledPolicy } from "./scheduling/compiled-policy.ts";
import { METRICS } from "./telemetry/metrics/all-metrics.ts";

/** One sentence each, without a place; none where bodies are observed. */
export function responseLosses({ responseBody, plugins }: CompiledPolicy): readonly string[] {
  if (responseBody === "observe") return [];
  return [
    `these metrics stay empty: ${METRICS_OF_BODIES.join(", ")}`,
    ...LOSSES,
    ...plugins
      .filter(({ plugin }) => plugin.hooks?.onEnd !== undefined)
      .map(({ name }) => `plugin "${name}" is told no tokens when a request is over`),
  ].map((loss) => `requestHandler.responseBody is skip: ${loss}`);
}

/** Metrics that are made of nothing but bodies. */
export const METRICS_OF_BODIES: readonly string[] = METRICS.filter(({ needsResponseBody }) => needsResponseBody).map(
  ({ name }) => name,
);

/** Besides metrics. */
export const LOSSES: readonly string[] = [
  "a response that is cut off counts as one that came to its end, in metrics, in the log and for plugins",
  "prompt tokens stay charged to an endpoint until its response is over, instead of until its first byte",
  "log lines and traces tell neither tokens nor the time of the first byte",
  "the model name of a renamed request is put back in its response only where the proxy takes mode_override",
];
