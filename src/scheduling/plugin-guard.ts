/**
 * Watches the calls of one plugin on one shard: what throws or takes too long is left out for that request and counted,
 * and a plugin that keeps failing rests for a while, so that a broken one costs the requests no more than its absence.
 *
 *   working ──FAILURES_MAX in a row──► resting ──REST_MS──► trying ──success──► working
 *                                         ▲                    └──failure──┐
 *                                         └────────────────────────────────┘
 *
 * JavaScript cannot be stopped in the middle: a call that overruns its budget ends when it ends, and its result is
 * thrown away. A plugin that never returns stops its shard.
 */
import { messageOf } from "../base/errors.ts";

/** Failures in a row after which a plugin rests. */
export const FAILURES_MAX = 10;
/** How long it rests. Long enough to cost nothing, short enough for a cause that passes. */
export const REST_MS = 1_000;

/** `threw`: an exception. `over-budget`: it took too long. `bad-result`: it returned what cannot be used. */
export const FAILURE_CAUSES = ["threw", "over-budget", "bad-result"] as const;
export type FailureCause = (typeof FAILURE_CAUSES)[number];

export interface GuardReports {
  onFailure(plugin: string, cause: FailureCause, message: string): void;
  /** It is left out until further notice. */
  onResting(plugin: string, message: string): void;
  /** It works again. */
  onWorking(plugin: string): void;
}

export interface GuardOptions {
  /** Name of the plugin's instance. */
  readonly name: string;
  /** Of one call; undefined leaves the time unmeasured, for plugins that are built in. */
  readonly budgetMs: number | undefined;
  readonly nowMs: () => number;
  readonly reports: GuardReports;
  /** Told how long each call took that has a budget. */
  readonly onTimed?: ((durationMs: number) => void) | undefined;
}

export class PluginGuard {
  readonly #options: GuardOptions;
  #failuresInRow = 0;
  #restsUntilMs: number | undefined;

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /** What `call` returns; `otherwise` when the plugin rests or the call fails. */
  run<Result>(call: () => Result, otherwise: Result): Result {
    const { budgetMs, nowMs, onTimed } = this.#options;
    if (this.#restsUntilMs !== undefined && nowMs() < this.#restsUntilMs) return otherwise;
    const startMs = budgetMs === undefined ? 0 : nowMs();
    let result: Result;
    try {
      result = call();
    } catch (error) {
      if (error instanceof BadResult) this.#fail("bad-result", error.message);
      else this.#fail("threw", messageOf(error));
      return otherwise;
    }
    if (isPromise(result)) {
      // Nobody waits for it: a rejection must not end the shard.
      result.then(undefined, () => undefined);
      this.#fail("bad-result", "it returned a promise; plugins are called and answer at once");
      return otherwise;
    }
    if (budgetMs !== undefined) {
      const tookMs = nowMs() - startMs;
      onTimed?.(tookMs);
      if (tookMs > budgetMs) {
        this.#fail("over-budget", `a call took ${tookMs.toFixed(2)} ms of ${budgetMs} ms`);
        return otherwise;
      }
    }
    this.#succeed();
    return result;
  }

  #succeed(): void {
    this.#failuresInRow = 0;
    if (this.#restsUntilMs === undefined) return;
    this.#restsUntilMs = undefined;
    this.#options.reports.onWorking(this.#options.name);
  }

  #fail(cause: FailureCause, message: string): void {
    const { name, nowMs, reports } = this.#options;
    this.#failuresInRow++;
    reports.onFailure(name, cause, message);
    // After a rest one failure is enough for the next.
    if (this.#failuresInRow < FAILURES_MAX) return;
    this.#restsUntilMs = nowMs() + REST_MS;
    reports.onResting(name, `${cause}: ${message}`);
  }
}

/** Thrown inside a guarded call for a result that cannot be used. */
export class BadResult extends Error {
  override readonly name = "BadResult";
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
