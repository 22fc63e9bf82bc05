/** How a request ended, and what the log tells of it. */
import type { RequestOutcome } from "../telemetry/outcome-sampler.ts";
import type { FinishRecord, TerminationCause } from "./context.ts";

/** `isDone`: the response came to its end. `isCancelled`: the proxy gave the request up. */
export function causeOf(end: {
  readonly isRefused: boolean;
  readonly isDone: boolean;
  readonly isCancelled: boolean;
}): TerminationCause {
  if (end.isRefused) return "refused";
  if (end.isDone) return "natural";
  return end.isCancelled ? "client-disconnect" : "error";
}

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
