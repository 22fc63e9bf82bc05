/**
 * Watches how proxies treat bodies of responses, and makes degraded states of what is not as the configuration wants
 * it. One exchange raises a state; only many in a row without another one end it, so that two proxies of which one is
 * wrong do not fill the log.
 */
import type { Clock } from "../base/clock.ts";
import type { DegradedCode } from "../telemetry/degraded-states.ts";
import type { FromShard } from "./messages.ts";

/** Responses in a row that were as they should be, after which a state is over. */
export const RIGHT_COUNT_TO_CLEAR = 100;

/**
 * A stream that ends this soon after the answer to a streamed response's headers was ended there: a model server takes
 * longer for its tokens, and a busy shard not as long to hear of an end. Some responses are that short; not this many
 * in a row.
 */
export const EARLY_END_MS = 20;
export const EARLY_COUNT_TO_RAISE = 32;

/** Body modes of a proxy (`src/extproc/body-modes.ts`). */
interface Modes {
  readonly request: string;
  readonly response: string;
}

export class ProxyWatch {
  readonly #clock: Clock;
  readonly #send: (message: FromShard) => void;
  /** Responses in a row that were as they should be, by the state that is held. */
  readonly #rightCounts = new Map<DegradedCode, number>();
  #earlyCount = 0;

  constructor(clock: Clock, send: (message: FromShard) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  onAsWanted(): void {
    for (const [code, count] of this.#rightCounts) {
      if (count + 1 >= RIGHT_COUNT_TO_CLEAR) this.#clear(code);
      else this.#rightCounts.set(code, count + 1);
    }
  }

  onBodyHidden(): void {
    this.#hold("response-bodies-hidden", "a proxy says response_body_mode: NONE, and responseBody is observe");
  }

  onBodyShown({ request, response }: Modes): void {
    const isFullDuplex = [request, response].includes("full-duplex");
    const reason = isFullDuplex
      ? "Envoy takes no mode_override where a body is configured in full duplex"
      : "it does not take mode_override (Envoy: allow_mode_override, allowed_override_modes)";
    this.#hold("response-bodies-shown", `a proxy shows bodies of responses in mode ${response}: ${reason}`);
  }

  onUnseenEnd(lastedMs: number): void {
    if (lastedMs > EARLY_END_MS) {
      if (this.#earlyCount >= EARLY_COUNT_TO_RAISE)
        this.#send({ kind: "recovered", code: "streams-end-early", subject: "" });
      this.#earlyCount = 0;
      return;
    }
    this.#earlyCount++;
    if (this.#earlyCount !== EARLY_COUNT_TO_RAISE) return;
    const detail = `${EARLY_COUNT_TO_RAISE} streamed responses in a row were over within ${EARLY_END_MS} ms`;
    this.#send({ kind: "degraded", code: "streams-end-early", detail, subject: "" });
  }

  #hold(code: DegradedCode, detail: string): void {
    const isHeld = this.#rightCounts.has(code);
    this.#rightCounts.set(code, 0);
    if (!isHeld) this.#send({ kind: "degraded", code, detail, subject: "" });
  }

  #clear(code: DegradedCode): void {
    if (this.#rightCounts.delete(code)) this.#send({ kind: "recovered", code, subject: "" });
  }
}
