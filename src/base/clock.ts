/**
 * Time, as an argument. Whatever measures, waits or stamps takes a `Clock`: programs pass `systemClock`, tests and
 * simulations a `ManualClock`, with which they repeat exactly. This file alone may touch Node's timers, `Date` and
 * `performance`.
 *
 * Two readings that must not be mixed: `nowMs` for durations and ages, `wallMs` for what people and other machines
 * read.
 */
import { performance } from "node:perf_hooks";
import { assert } from "./assert.ts";

export interface Clock {
  /** Milliseconds with fraction since the process began. Never goes back; the same in all threads of the process. */
  nowMs(): number;
  /** Milliseconds since 1970 in UTC. May jump when the machine's clock is set. */
  wallMs(): number;
  /** Calls `task` once, `delayMs` (0 … TIMER_DELAY_MS_MAX) from now. */
  setTimeout(task: () => void, delayMs: number): Timer;
  /** Calls `task` every `periodMs` (1 … TIMER_DELAY_MS_MAX) until cancelled, first after one period. */
  setInterval(task: () => void, periodMs: number): Timer;
}

export interface Timer {
  /** No call follows. Cancelling twice, or after the last call, does nothing. */
  cancel(): void;
}

/** 24.8 days. Node treats a longer delay as 1 ms, which nobody means. */
export const TIMER_DELAY_MS_MAX: number = 2 ** 31 - 1;

/**
 * The machine's time. A pending timer keeps the process alive. `performance` is imported: as a global it is found by a
 * getter, which takes half as long again as reading it.
 */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimeout(task, delayMs) {
    assertTimerDelay(delayMs, 0);
    const handle = setTimeout(task, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
  setInterval(task, periodMs) {
    assertTimerDelay(periodMs, 1);
    const handle = setInterval(task, periodMs);
    return { cancel: () => clearInterval(handle) };
  },
};

/**
 * Stops timers that set each other at the same instant for ever. A simulated hour of 1 ms steps is 3.6 million runs.
 */
const TIMER_RUNS_PER_ADVANCE_MAX = 10_000_000;

/** 2026-01-01T00:00:00Z: wall time at `nowMs` 0, so that wall times in tests are constants. */
const WALL_MS_AT_START = 1_767_225_600_000;

/**
 * Time that stands still until somebody moves it.
 *
 * Timers run inside `advance`, in the order of their due times and, at the same due time, in the order in which they
 * were set. While a timer runs, the clock shows its due time. What a promise continues runs after `advance` has
 * returned.
 */
export class ManualClock implements Clock {
  #nowMs = 0;
  #timersSet = 0;
  readonly #pending = new PendingTimers();

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return WALL_MS_AT_START + Math.floor(this.#nowMs);
  }

  /** Timers that still have a call ahead. */
  get pendingCount(): number {
    return this.#pending.count;
  }

  /** When the next timer is due, in `nowMs`; absent when none is pending. */
  get nextDueMs(): number | undefined {
    return this.#pending.first?.dueMs;
  }

  setTimeout(task: () => void, delayMs: number): Timer {
    assertTimerDelay(delayMs, 0);
    const timer = this.#add(task, this.#nowMs + delayMs);
    return { cancel: () => this.#pending.remove(timer) };
  }

  setInterval(task: () => void, periodMs: number): Timer {
    assertTimerDelay(periodMs, 1);
    const runAndRepeat = (): void => {
      // Set again before the call, so that the task can cancel its own interval.
      timer = this.#add(runAndRepeat, this.#nowMs + periodMs);
      task();
    };
    let timer = this.#add(runAndRepeat, this.#nowMs + periodMs);
    return { cancel: () => this.#pending.remove(timer) };
  }

  /** Moves time forward by `ms` and runs what falls due on the way, including timers set on the way. */
  advance(ms: number): void {
    assert(ms >= 0 && Number.isFinite(ms), `time cannot advance by ${ms} ms`);
    this.#runUntil(this.#nowMs + ms);
  }

  /** Moves time to the next due timer and runs all that is due then. False when no timer is pending. */
  advanceToNext(): boolean {
    const dueMs = this.nextDueMs;
    if (dueMs === undefined) return false;
    this.#runUntil(dueMs);
    return true;
  }

  #runUntil(endMs: number): void {
    let runs = 0;
    let timer = this.#pending.first;
    while (timer !== undefined && timer.dueMs <= endMs) {
      assert(runs++ < TIMER_RUNS_PER_ADVANCE_MAX, `more than ${TIMER_RUNS_PER_ADVANCE_MAX} timers ran in one advance`);
      this.#pending.remove(timer);
      this.#nowMs = timer.dueMs;
      timer.task();
      timer = this.#pending.first;
    }
    this.#nowMs = endMs;
  }

  #add(task: () => void, dueMs: number): PendingTimer {
    const timer: PendingTimer = { dueMs, sequence: this.#timersSet++, task };
    this.#pending.add(timer);
    return timer;
  }
}

interface PendingTimer {
  readonly dueMs: number;
  /** Order of setting: decides between equal due times. */
  readonly sequence: number;
  readonly task: () => void;
}

/** Timers sorted by due time, then sequence. Adding and removing search by halves; simulations hold a few thousand. */
class PendingTimers {
  readonly #sorted: PendingTimer[] = [];

  get count(): number {
    return this.#sorted.length;
  }

  get first(): PendingTimer | undefined {
    return this.#sorted[0];
  }

  add(timer: PendingTimer): void {
    this.#sorted.splice(this.#position(timer), 0, timer);
  }

  remove(timer: PendingTimer): void {
    const position = this.#position(timer);
    if (this.#sorted[position] === timer) this.#sorted.splice(position, 1);
  }

  /** Where the timer stands, or would stand. */
  #position(timer: PendingTimer): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#sorted[middle] as PendingTimer;
      const isBefore = other.dueMs < timer.dueMs || (other.dueMs === timer.dueMs && other.sequence < timer.sequence);
      if (isBefore) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Throws unless the delay is one that every clock can keep. */
function assertTimerDelay(delayMs: number, delayMsMin: 0 | 1): void {
  assert(
    delayMs >= delayMsMin && delayMs <= TIMER_DELAY_MS_MAX,
    `timer delay ${delayMs} ms is not in ${delayMsMin} … ${TIMER_DELAY_MS_MAX}`,
  );
}
