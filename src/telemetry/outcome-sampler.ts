/**
 * Chooses on a shard which requests get a log line: all of them while there are few, under load so many per second,
 * failures before successes. What gets none is counted, and the counts are told once per second. A request that gets
 * none costs its shard a comparison. Those that get one are gathered and told in their order, a message wakes the
 * control thread for several; it writes the lines (outcome-log.ts).
 */
import type { Clock, Timer } from "../base/clock.ts";
import type { ErrorCode } from "../base/errors.ts";
import { TokenBucket } from "../base/token-bucket.ts";

/** Lines per second and shard. Somebody can read 20 lines per second; 100 failures tell all that 1,000 would. */
const SUCCESSES_PER_SECOND = 20;
const FAILURES_PER_SECOND = 100;
/** After a quiet time as many at once. */
const BURST_SECONDS = 2;
/**
 * How long lines are gathered. Few enough wait in the meantime: what the shares above let pass. A shard that dies takes
 * them with it.
 */
const GATHERING_MS = 100;
/** How long counts are gathered before they are told. */
const SUPPRESSED_PERIOD_MS = 1_000;

/** A request that is over. Times in ms; what is not known is undefined. Never anything of its body. */
export interface RequestOutcome {
  readonly requestId: string;
  readonly model: string | undefined;
  /** The endpoint's slot; undefined when none was picked. */
  readonly slot: number | undefined;
  readonly cause: "natural" | "refused" | "client-disconnect" | "error";
  /** Why the picker refused it. */
  readonly refusal: { readonly code: ErrorCode; readonly message: string } | undefined;
  /** HTTP status of the response. */
  readonly status: number | undefined;
  readonly durationMs: number;
  /** From the request's headers to the first byte of the response's body. */
  readonly firstByteMs: number | undefined;
  readonly requestSize: number;
  readonly promptTokens: number | undefined;
  readonly cachedTokens: number | undefined;
  readonly completionTokens: number | undefined;
}

/** Requests of one shard without a line of their own. */
export interface SuppressedOutcomes {
  readonly successes: number;
  readonly failures: number;
}

export interface OutcomeReports {
  /** In the order of their ends; never none. */
  onOutcomes(outcomes: readonly RequestOutcome[]): void;
  onSuppressed(counts: SuppressedOutcomes): void;
}

export function isFailure({ cause, status }: Pick<RequestOutcome, "cause" | "status">): boolean {
  return cause !== "natural" || (status !== undefined && status >= 400);
}

export class OutcomeSampler {
  readonly #clock: Clock;
  readonly #reports: OutcomeReports;
  readonly #successes: TokenBucket;
  readonly #failures: TokenBucket;
  #gathered: RequestOutcome[] = [];
  #gathering: Timer | undefined;
  #suppressedSuccesses = 0;
  #suppressedFailures = 0;
  #counting: Timer | undefined;

  constructor(clock: Clock, reports: OutcomeReports) {
    const bucket = (perSecond: number): TokenBucket =>
      new TokenBucket({ clock, perSecond, burst: perSecond * BURST_SECONDS });
    this.#clock = clock;
    this.#reports = reports;
    this.#successes = bucket(SUCCESSES_PER_SECOND);
    this.#failures = bucket(FAILURES_PER_SECOND);
  }

  /** `outcome` is made only when there is a line for it. */
  add(kind: Pick<RequestOutcome, "cause" | "status">, outcome: () => RequestOutcome): void {
    const isFailed = isFailure(kind);
    if ((isFailed ? this.#failures : this.#successes).take()) return this.#gather(outcome());
    this.#counting ??= this.#clock.setTimeout(() => this.#tellSuppressed(), SUPPRESSED_PERIOD_MS);
    if (isFailed) this.#suppressedFailures++;
    else this.#suppressedSuccesses++;
  }

  /** Tells what has been gathered. Nothing may be added afterwards. */
  close(): void {
    this.#tellGathered();
    if (this.#counting !== undefined) this.#tellSuppressed();
  }

  #gather(outcome: RequestOutcome): void {
    this.#gathered.push(outcome);
    // A defect may be the last that is heard of this shard.
    if (outcome.refusal?.code === "Internal") this.#tellGathered();
    else this.#gathering ??= this.#clock.setTimeout(() => this.#tellGathered(), GATHERING_MS);
  }

  #tellGathered(): void {
    this.#gathering?.cancel();
    this.#gathering = undefined;
    if (this.#gathered.length === 0) return;
    const outcomes = this.#gathered;
    this.#gathered = [];
    this.#reports.onOutcomes(outcomes);
  }

  #tellSuppressed(): void {
    this.#counting?.cancel();
    this.#counting = undefined;
    // First the requests that ended before these.
    this.#tellGathered();
    const counts = { successes: this.#suppressedSuccesses, failures: this.#suppressedFailures };
    this.#suppressedSuccesses = 0;
    this.#suppressedFailures = 0;
    this.#reports.onSuppressed(counts);
  }
}
