/**
 * Collects the picks whose bodies complete in one event-loop turn and decides them in one crossing into the kernel, in
 * arrival order. No timer: at low load a batch is one request, and under load it is what one turn brought. A pick with
 * functions of users in it runs in stages, alone, when its turn in that order comes.
 */
import type { Clock } from "../base/clock.ts";
import { layout } from "../wasm/layout.ts";
import type { Decided, PickRequest, ScoredCandidate, ShardMemory, Stages } from "../wasm/shard-memory.ts";

/** The pick, or why there is none, and what its batch cost. */
export interface Decision {
  readonly decided: Decided;
  /** All candidates with their totals, where they are asked for. */
  readonly candidates: readonly ScoredCandidate[] | undefined;
  readonly batchSize: number;
  /** Time of the whole batch in the kernel. */
  readonly batchMs: number;
}

export interface QueuedPick {
  readonly request: PickRequest;
  /** Functions that run outside of the kernel; undefined for none. */
  readonly stages: Stages | undefined;
}

interface Waiting extends QueuedPick {
  readonly onDecided: (decision: Decision) => void;
}

export class DecisionQueue {
  readonly #memory: ShardMemory;
  readonly #clock: Clock;
  readonly #defer: (task: () => void) => void;
  /** `withScores`: reads the scores back with each pick, for decisions that are explained. */
  readonly #options: { readonly withScores: boolean };
  /** Reads back every candidate's total, for proxies that are told. Then each request is a batch of its own. */
  readonly #withCandidates: boolean;
  #waiting: Waiting[] = [];
  /** Made once, not per turn. */
  readonly #atEndOfTurn = (): void => this.#drain();

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
    this.#options = { withScores: options.withScores };
    this.#withCandidates = options.withCandidates;
    this.#defer = options.defer;
  }

  /** Calls `onDecided` at the end of this turn, once, whatever has become of the request meanwhile. */
  push({ request, stages }: QueuedPick, onDecided: (decision: Decision) => void): void {
    if (this.#waiting.length === 0) this.#defer(this.#atEndOfTurn);
    this.#waiting.push({ request, stages, onDecided });
  }

  #drain(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    const batchSizeMax = this.#withCandidates ? 1 : layout.PICKS_MAX;
    let start = 0;
    while (start < waiting.length) {
      const end = batchEnd(waiting, start, batchSizeMax);
      // Nearly always one batch is all.
      this.#decide(end - start === waiting.length ? waiting : waiting.slice(start, end));
      start = end;
    }
  }

  #decide(batch: readonly Waiting[]): void {
    const startMs = this.#clock.nowMs();
    const decided = this.#decideTogether(batch, startMs);
    const batchMs = this.#clock.nowMs() - startMs;
    for (let index = 0; index < batch.length; index++) {
      const entry = batch[index] as Waiting;
      const one = decided[index] as Decided;
      const candidates = this.#withCandidates && one.kind === "picked" ? this.#memory.lastCandidates(one) : undefined;
      entry.onDecided({ decided: one, candidates, batchSize: batch.length, batchMs });
    }
  }

  #decideTogether(batch: readonly Waiting[], nowMs: number): readonly Decided[] {
    const [first] = batch as readonly [Waiting];
    const { request, stages } = first;
    if (stages !== undefined) return [this.#memory.decideStaged(request, nowMs, stages, this.#options)];
    const requests = batch.length === 1 ? [request] : batch.map((waiting) => waiting.request);
    return this.#memory.decide(requests, nowMs, this.#options);
  }
}

/** Where the batch that begins at `start` ends: before the next pick in stages, which is a batch of its own. */
function batchEnd(waiting: readonly Waiting[], start: number, batchSizeMax: number): number {
  if (waiting[start]?.stages !== undefined) return start + 1;
  const endMax = Math.min(start + batchSizeMax, waiting.length);
  let end = start + 1;
  while (end < endMax && waiting[end]?.stages === undefined) end++;
  return end;
}
