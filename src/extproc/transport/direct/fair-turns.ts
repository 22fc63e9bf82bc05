/**
 * Lets no connection hold up the others of its shard: what arrives is worked on for at most TURN_MS_MAX in one turn of
 * the event loop, then timers, decisions and other sockets have theirs. What is left goes on in the next turn, in the
 * order in which it came.
 */
import type { Clock } from "../../../base/clock.ts";

/** A quarter of the 2 ms for which our own work may hold up a pick: decisions, writes and collections come on top. */
export const TURN_MS_MAX = 0.5;

export interface Backlog {
  /** Works on what is left until that is done, or `hasTime` says no. Returns whether it is done. */
  work(): boolean;
}

export class FairTurns {
  readonly #clock: Clock;
  readonly #defer: (task: () => void) => void;
  #backlogs: Backlog[] = [];
  #startMs = 0;
  #hasBegun = false;
  readonly #onNextTurn = (): void => this.#nextTurn();

  /** `defer` runs a task in the next turn of the event loop; `setImmediate` in production. */
  constructor(clock: Clock, defer: (task: () => void) => void) {
    this.#clock = clock;
    this.#defer = defer;
  }

  /** Whether more may be worked on in this turn. */
  get hasTime(): boolean {
    if (this.#hasBegun) return this.#clock.nowMs() - this.#startMs < TURN_MS_MAX;
    this.#begin();
    return true;
  }

  /** Works on it in a later turn. */
  later(backlog: Backlog): void {
    this.#backlogs.push(backlog);
    if (!this.#hasBegun) this.#begin();
  }

  #begin(): void {
    this.#hasBegun = true;
    this.#startMs = this.#clock.nowMs();
    this.#defer(this.#onNextTurn);
  }

  #nextTurn(): void {
    this.#hasBegun = false;
    if (this.#backlogs.length === 0) return;
    const backlogs = this.#backlogs;
    this.#backlogs = [];
    this.#begin();
    const unfinished: Backlog[] = [];
    let worked = 0;
    while (worked < backlogs.length && this.hasTime) {
      const backlog = backlogs[worked] as Backlog;
      if (!backlog.work()) unfinished.push(backlog);
      worked++;
    }
    this.#backlogs = [...backlogs.slice(worked), ...unfinished, ...this.#backlogs];
  }
}
