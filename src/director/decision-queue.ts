/**
 * Collects the picks whose bodies complete in one event-loop turn and decides them in one crossing into the kernel, in
 * arrival order. No timer: at low load a batch is one request, and under load it is what one turn brought.
 */
import type { Clock } from "../base/clock.ts";
import { layout } from "../wasm/layout.ts";
import type { Pick, PickRequest, ScoredCandidate, ShardMemory } from "../wasm/shard-memory.ts";

/** The pick, and what its batch cost. */
export interface Decision {
  /** Undefined when no endpoint could take the request. */
  readonly pick: Pick | undefined;
  /** All candidates with their totals, where they are asked for. */
  readonly candidates: readonly ScoredCandidate[] | undefined;
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
  /** Reads back every candidate's total, for proxies that are told. Then each request is a batch of its own. */
  readonly #withCandidates: boolean;
  #waiting: Waiting[] = [];

  constructor(options: {
    memory: ShardMemory;
    clock: Clock;
    withScores: boolean;
    withCandidates: boolean;
    /** Runs a task at the end of the event-loop turn; `setImmediate` in production. */
    defer: (task: () => void) => void;
  }) {
    this.#memory = options.memory;
    this.#clock = options.clock;
    this.#withScores = options.withScores;
    this.#withCandidates = options.withCandidates;
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
    const batchSizeMax = this.#withCandidates ? 1 : layout.PICKS_MAX;
    for (let start = 0; start < waiting.length; start += batchSizeMax) {
      this.#decide(waiting.slice(start, start + batchSizeMax));
    }
  }

  #decide(batch: readonly Waiting[]): void {
    const startMs = this.#clock.nowMs();
    const requests = batch.map((entry) => entry.request);
    const picks = this.#memory.decide(requests, startMs, { withScores: this.#withScores });
    const batchMs = this.#clock.nowMs() - startMs;
    for (const [index, entry] of batch.entries()) {
      const pick = picks[index];
      const candidates = this.#withCandidates && pick !== undefined ? this.#memory.lastCandidates(pick) : undefined;
      entry.decided({ pick, candidates, batchSize: batch.length, batchMs });
    }
  }
}
