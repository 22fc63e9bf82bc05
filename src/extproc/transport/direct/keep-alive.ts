/**
 * Finds connections that were lost without a word, as when a machine loses power, so that what their requests claim is
 * returned: one that says nothing for a while is asked, and given up when it does not answer.
 */
import type { Clock, Timer } from "../../../base/clock.ts";

/** Time in which a connection must answer that it is there. */
export const KEEP_ALIVE_ANSWER_MS_MAX = 10_000;

export interface KeepAliveOptions {
  readonly clock: Clock;
  readonly silenceMs: number;
  /** Asks the peer for an answer. */
  readonly onSilent: () => void;
  /** No answer came. */
  readonly onLost: () => void;
}

export class KeepAlive {
  readonly #options: KeepAliveOptions;
  readonly #checks: Timer;
  #hasHeard = true;
  #answer: Timer | undefined;

  constructor(options: KeepAliveOptions) {
    this.#options = options;
    this.#checks = options.clock.setInterval(() => this.#check(), options.silenceMs);
  }

  /** The peer has said something. */
  onHeard(): void {
    this.#hasHeard = true;
  }

  close(): void {
    this.#checks.cancel();
    this.#answer?.cancel();
  }

  #check(): void {
    const { clock, silenceMs, onSilent } = this.#options;
    if (this.#hasHeard) {
      this.#hasHeard = false;
      // What it was asked is answered.
      this.#answer?.cancel();
      this.#answer = undefined;
      return;
    }
    // It may have as long for its answer as it takes until the next check.
    if (this.#answer !== undefined) return;
    onSilent();
    this.#answer = clock.setTimeout(() => this.#giveUp(), Math.min(silenceMs, KEEP_ALIVE_ANSWER_MS_MAX));
  }

  #giveUp(): void {
    if (!this.#hasHeard) this.#options.onLost();
  }
}
