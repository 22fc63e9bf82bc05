/** How a shard reports degraded states: by messages to the control thread, which keeps them. */
import type { DegradationReporter } from "../telemetry/health-details.ts";
import type { FromShard } from "./messages.ts";

export function reportThrough(send: (message: FromShard) => void): DegradationReporter {
  return {
    raise: (code, detail, subject = "") => send({ kind: "degraded", code, detail, subject }),
    clear: (code, subject = "") => send({ kind: "recovered", code, subject }),
  };
}
