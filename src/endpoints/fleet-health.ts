/**
 * Reports the degraded states of the fleet as a whole: no endpoint, none reachable, some unreachable, some with stale
 * values. Called after every change of which endpoints there are or which of them can be reached, and now and then.
 */
import type { DegradationReporter } from "../telemetry/health-details.ts";
import type { Endpoint } from "./registry.ts";

/** Names in a detail; the rest is counted. */
const NAMED_MAX = 5;

export function reportFleet(endpoints: readonly Endpoint[], degraded: DegradationReporter): void {
  const unreachable = endpoints.filter(({ isReachable }) => !isReachable);
  const [total, lost] = [endpoints.length, unreachable.length];
  const report = (isSo: boolean, code: "no-endpoints" | "no-endpoint-reachable" | "endpoints-unreachable"): void => {
    if (!isSo) degraded.clear(code);
    else if (total === 0) degraded.raise(code, "the pool is empty");
    else degraded.raise(code, `${lost} of ${total} cannot be scraped: ${listNames(unreachable)}`);
  };
  report(total === 0, "no-endpoints");
  report(total > 0 && lost === total, "no-endpoint-reachable");
  report(lost > 0 && lost < total, "endpoints-unreachable");
}

export function reportStale(
  endpoints: readonly Endpoint[],
  degraded: DegradationReporter,
  isStale: (endpoint: Endpoint) => boolean,
): void {
  const stale = endpoints.filter(isStale);
  if (stale.length === 0) degraded.clear("metrics-stale");
  else degraded.raise("metrics-stale", `values of ${stale.length} of ${endpoints.length} are old: ${listNames(stale)}`);
}

function listNames(endpoints: readonly Endpoint[]): string {
  const named = endpoints.slice(0, NAMED_MAX).map(({ id }) => id);
  const rest = endpoints.length - named.length;
  return rest > 0 ? `${named.join(", ")} and ${rest} more` : named.join(", ");
}
