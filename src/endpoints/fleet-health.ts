/**
 * Reports the degraded states of the fleet as a whole: no endpoint, none reachable, some unreachable. Called after
 * every change of which endpoints there are or which of them can be reached.
 */
import type { DegradationReporter } from "../telemetry/health-details.ts";
import type { Endpoint } from "./registry.ts";

/** Names in a detail; the rest is counted. */
const NAMED_MAX = 5;

export function reportFleet(endpoints: readonly Endpoint[], degraded: DegradationReporter): void {
  const unreachable = endpoints.filter(({ isReachable }) => !isReachable);
  const [total, lost] = [endpoints.length, unreachable.length];
  const named = unreachable.slice(0, NAMED_MAX).map(({ id }) => id);
  const names = lost > NAMED_MAX ? `${named.join(", ")} and ${lost - NAMED_MAX} more` : named.join(", ");
  const report = (isSo: boolean, code: "no-endpoints" | "no-endpoint-reachable" | "endpoints-unreachable"): void => {
    if (!isSo) degraded.clear(code);
    else degraded.raise(code, total === 0 ? "the pool is empty" : `${lost} of ${total} cannot be scraped: ${names}`);
  };
  report(total === 0, "no-endpoints");
  report(total > 0 && lost === total, "no-endpoint-reachable");
  report(lost > 0 && lost < total, "endpoints-unreachable");
}
