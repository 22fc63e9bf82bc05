/**
 * Connections of a shard that came to nothing, told to the control thread at most once in a while: a proxy that speaks
 * what is not understood tries again many times a second.
 */
import type { Clock, Timer } from "../base/clock.ts";

/** Time between two reports. */
export const FAILURE_REPORT_MS = 10_000;

export interface FailureReport {
  /** Connections that failed since the last report. */
  readonly count: number;
  /** Of the last of them. */
  readonly reason: string;
}

export class FailureReports {
  readonly #clock: Clock;
  readonly #report: (report: FailureReport) => void;
  #count = 0;
  #reason = "";
  #pause: Timer | undefined;

  constructor(clock: Clock, report: (report: FailureReport) => void) {
    this.#clock = clock;
    this.#report = report;
  }

  add(reason: string): void {
    this.#count++;
    this.#reason = reason;
    if (this.#pause === undefined) this.#flush();
  }

  close(): void {
    this.#pause?.cancel();
  }

  #flush(): void {
    this.#pause = undefined;
    if (this.#count === 0) return;
    this.#report({ count: this.#count, reason: this.#reason });
    this.#count = 0;
    this.#pause = this.#clock.setTimeout(() => this.#flush(), FAILURE_REPORT_MS);
  }
}
