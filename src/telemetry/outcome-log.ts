/**
 * Writes the log lines of requests, on the control thread, which knows the endpoints' names. At most one line per
 * request; which requests get one, the shards choose (outcome-sampler.ts).
 */
import type { Logger } from "./logger.ts";
import { isFailure, type RequestOutcome, type SuppressedOutcomes } from "./outcome-sampler.ts";

/** Characters of what a client chose that are written: its request id, its model's name. */
const CLIENT_TEXT_SIZE_MAX = 200;

export class OutcomeLog {
  readonly #logger: Logger;
  readonly #endpointName: (slot: number) => string | undefined;

  constructor(options: { readonly logger: Logger; readonly endpointName: (slot: number) => string | undefined }) {
    this.#logger = options.logger;
    this.#endpointName = options.endpointName;
  }

  write(shard: number, outcome: RequestOutcome): void {
    const { slot, refusal, requestId, model, durationMs, firstByteMs, ...rest } = outcome;
    const fields = {
      logger: `shard-${shard}`,
      requestId: cut(requestId),
      model: model === undefined ? undefined : cut(model),
      endpoint: slot === undefined ? undefined : this.#endpointName(slot),
      code: refusal?.code,
      reason: refusal?.message,
      durationMs: round(durationMs),
      firstByteMs: firstByteMs === undefined ? undefined : round(firstByteMs),
      ...rest,
    };
    // The one code that means a defect of ours.
    if (refusal?.code === "Internal") this.#logger.error(fields, "request refused: a defect of the picker");
    else this.#logger.info(fields, messageOf(outcome));
  }

  writeSuppressed(shard: number, { successes, failures }: SuppressedOutcomes): void {
    const fields = { logger: `shard-${shard}`, successes, failures };
    this.#logger.info(fields, "requests without a line of their own, of the last second");
  }
}

function messageOf(outcome: RequestOutcome): string {
  switch (outcome.cause) {
    case "refused":
      return "request refused";
    case "client-disconnect":
      return "request given up by the client";
    case "error":
      return "request ended before its response did";
    case "natural":
      return isFailure(outcome) ? "request failed at the endpoint" : "request served";
  }
}

/** Hundredths of a ms. */
function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}

function cut(text: string): string {
  return text.length > CLIENT_TEXT_SIZE_MAX ? `${text.slice(0, CLIENT_TEXT_SIZE_MAX)}…` : text;
}
