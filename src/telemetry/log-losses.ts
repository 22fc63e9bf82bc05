/** Counts log lines that were dropped because nobody took them, and makes that a degraded state while it lasts. */
import type { Clock, Timer } from "../base/clock.ts";
import type { DegradationReporter } from "./health-details.ts";

/** Without a loss for so long the state is over. */
const QUIET_MS = 60_000;

export class LogLosses {
  #lostCount = 0;
  #onLost: (lostCount: number) => void = () => undefined;

  /** A line was dropped. */
  count(): void {
    this.#lostCount++;
    this.#onLost(this.#lostCount);
  }

  /** Calls the one listener after each loss, with the number of all so far; at once when there was one already. */
  listen(onLost: (lostCount: number) => void): void {
    this.#onLost = onLost;
    if (this.#lostCount > 0) onLost(this.#lostCount);
  }
}

/** Raises `log-lines-lost` while lines are lost. Returns what ends that. */
export function reportLogLosses(losses: LogLosses, degraded: DegradationReporter, clock: Clock): () => Promise<void> {
  let quiet: Timer | undefined;
  losses.listen((lostCount) => {
    degraded.raise("log-lines-lost", `${lostCount} lines were dropped since the picker began`);
    quiet?.cancel();
    quiet = clock.setTimeout(() => degraded.clear("log-lines-lost"), QUIET_MS);
  });
  return async () => {
    quiet?.cancel();
    losses.listen(() => undefined);
  };
}
