/**
 * Notices threads that run and do not answer: one that is stuck in a loop, or held by something, serves nobody and
 * looks alive. Each thread is asked every few seconds for a sign of life.
 *
 *   answering ──silent for SILENT_MS──► silent ──answers──► answering
 *        └────────────ends──────────────────┴──► (not watched any more)
 */
import type { Clock, Timer } from "../base/clock.ts";
import type { QueriedThread } from "./thread-queries.ts";

const PING_PERIOD_MS = 2_000;
/** Longer than any single piece of work of a thread; a heap snapshot, which takes longer, was asked for. */
const SILENT_MS = 5_000;

export interface ThreadWatchOptions {
  readonly clock: Clock;
  /** Those that run now. */
  readonly threads: () => readonly QueriedThread[];
  /** Called at each look as long as it is so. */
  readonly onSilent: (name: string, silentMs: number) => void;
  /** It answers, or is gone. */
  readonly onAnswer: (name: string) => void;
}

export class ThreadWatch {
  readonly #options: ThreadWatchOptions;
  readonly #timer: Timer;
  /** Since when an answer of these is awaited. */
  readonly #awaited = new Map<QueriedThread, number>();
  readonly #end = new AbortController();

  constructor(options: ThreadWatchOptions) {
    this.#options = options;
    this.#timer = options.clock.setInterval(() => this.#look(), PING_PERIOD_MS);
  }

  close(): void {
    this.#timer.cancel();
    this.#end.abort();
  }

  #look(): void {
    const { clock, threads, onSilent } = this.#options;
    for (const thread of threads()) {
      const sinceMs = this.#awaited.get(thread);
      if (sinceMs === undefined) void this.#ask(thread);
      else if (clock.nowMs() - sinceMs >= SILENT_MS) onSilent(thread.name, clock.nowMs() - sinceMs);
    }
  }

  async #ask(thread: QueriedThread): Promise<void> {
    this.#awaited.set(thread, this.#options.clock.nowMs());
    try {
      for await (const piece of thread.ask({ kind: "ping" }, this.#end.signal)) void piece;
    } catch {
      // It has ended, of which others tell.
    }
    this.#awaited.delete(thread);
    this.#options.onAnswer(thread.name);
  }
}
