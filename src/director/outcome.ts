/** What the log tells of a request that is over. */
import type { RequestOutcome } from "../telemetry/outcome-sampler.ts";
import type { FinishRecord } from "./context.ts";

export function outcomeOf(record: FinishRecord): RequestOutcome {
  const { requestId, model, slot, cause, refusal, response, durationMs, firstByteMs, requestSize } = record;
  return {
    requestId,
    model,
    slot,
    cause,
    // Errors do not survive the way to another thread.
    refusal: refusal && { code: refusal.code, message: refusal.message },
    status: refusal?.httpStatus ?? response?.status,
    durationMs,
    firstByteMs,
    requestSize,
    promptTokens: response?.usage?.promptTokens,
    cachedTokens: response?.usage?.cachedTokens,
    completionTokens: response?.usage?.completionTokens,
  };
}
