/**
 * Collects the picks whose bodies complete in one event-loop turn and decides them in one crossing into the kernel, in
 * arrival order. No timer: at low load a batch is one request, and under load it is what one turn brought.
 */
import type { Clock } from "../base/clock.ts";
import { layout } from "../wasm/layout.ts";
import type { Pick, PickRequest, ShardMemory } from "../wasm/shard-memory.ts";

/** The pick, and what its batch cost. */
export interface Decision {
  /** Undefined when no endpoint could take the request. */
  readonly pick: Pick | undefined;
  readonly batchSize: number;
  /** Time of the whole batch in the kernel. */
  readonly batchMs: number;
}

interface Waiting {
  readonly request: PickRequest;
  readonly decided: (decision: Decision) => void;
}

export class DecisionQueue {
  readonly #memory: ShardMemory;
  readonly #clock: Clock;
  readonly #defer: (task: () => void) => void;
  /** Reads the scores back with each pick, for decisions that are explained. */
  readonly #withScores: boolean;
  #waiting: Waiting[] = [];

  constructor(options: {
    memory: ShardMemory;
    clock: Clock;
    withScores: boolean;
    /** Runs a task at the end of the event-loop turn; `setImmediate` in production. */
    defer: (task: () => void) => void;
  }) {
    this.#memory = options.memory;
    this.#clock = options.clock;
    this.#withScores = options.withScores;
    this.#defer = options.defer;
  }

  /** Calls `decided` at the end of this turn, once, whatever has become of the request meanwhile. */
  push(request: PickRequest, decided: (decision: Decision) => void): void {
    if (this.#waiting.length === 0) this.#defer(() => this.#drain());
    this.#waiting.push({ request, decided });
  }

  #drain(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (let start = 0; start < waiting.length; start += layout.PICKS_MAX) {
      this.#decide(waiting.slice(start, start + layout.PICKS_MAX));
    }
  }

  #decide(batch: readonly Waiting[]): void {
    const startMs = this.#clock.nowMs();
    const requests = batch.map((entry) => entry.request);
    const picks = this.#memory.decide(requests, startMs, { withScores: this.#withScores });
    const batchMs = this.#clock.nowMs() - startMs;
    for (const [index, entry] of batch.entries()) {
      entry.decided({ pick: picks[index], batchSize: batch.length, batchMs });
    }
  }
}
