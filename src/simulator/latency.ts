/**
 * How long things take, by the per-token model of the llm-d simulator:
 *
 *   first token after (overhead + (prompt − cached) × time per token) × load
 *   each next token after inter-token time × load
 *   load = 1 for a lone request, growing linearly to `loadFactorMax` when all places are taken
 *
 * Each time is set when its span begins, with the load of that moment.
 */
import type { SimulatorSettings } from "./options.ts";

export type LatencySettings = Pick<
  SimulatorSettings,
  "prefillOverheadMs" | "prefillTokenMs" | "interTokenMs" | "loadFactorMax" | "runningRequestsMax"
>;

/** Time from the start of a request to its first token. `runningRequests` includes the request itself. */
export function prefillMs(settings: LatencySettings, uncachedTokens: number, runningRequests: number): number {
  const aloneMs = settings.prefillOverheadMs + uncachedTokens * settings.prefillTokenMs;
  return aloneMs * loadFactor(settings, runningRequests);
}

/** Time from one token to the next. */
export function interTokenMs(settings: LatencySettings, runningRequests: number): number {
  return settings.interTokenMs * loadFactor(settings, runningRequests);
}

function loadFactor({ loadFactorMax, runningRequestsMax }: LatencySettings, runningRequests: number): number {
  if (runningRequestsMax === 1) return 1;
  return 1 + ((loadFactorMax - 1) * (runningRequests - 1)) / (runningRequestsMax - 1);
}
