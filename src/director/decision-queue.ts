/**
 * Collects the picks whose bodies complete in one event-loop turn and decides them in arrival order, a few per crossing
 * into the kernel. No timer: at low load a batch is one request, and under load it is what one turn brought, or the
 * first of it. A pick with functions of users in it runs in stages, alone, when its turn in that order comes.
 *
 * Deciding goes on for SLICE_MS with the answers; what is left then waits for the next turn, behind what the sockets
 * have brought meanwhile: a burst holds up nobody for longer.
 */
import type { Clock } from "../base/clock.ts";
import type { Decided, PickRequest, ScoredCandidate, ShardMemory, Stages } from "../wasm/shard-memory.ts";

/**
 * Own work at a time. A slice ends with the batch that passes it: eight answers with bodies of 256 KiB take some 0.7 ms
 * (bench/micro/exchange), so that a slice stays below 2 ms.
 */
const SLICE_MS = 0.5;
/** Picks of one crossing: more would save little of the snapshot's half microsecond, and hold up their answers. */
export const BATCH_SIZE_MAX = 8;

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
  /** Those of first … end − 1 wait, in arrival order. As many as there are streams at most; its room is kept. */
  readonly #waiting: (QueuedPick | undefined)[] = [];
  #first = 0;
  #end = 0;
  #isDeferred = false;
  /** The batch in hand: what is asked, and what is answered. */
  readonly #requests: PickRequest[] = [];
  readonly #decided: Decided[] = [];
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

  /** Calls `onDecided` at the end of a turn, once, whatever has become of the request meanwhile. */
  push(pick: QueuedPick): void {
    this.#waiting[this.#end++] = pick;
    this.#deferOnce();
  }

  #deferOnce(): void {
    if (this.#isDeferred) return;
    this.#isDeferred = true;
    this.#defer(this.#atEndOfTurn);
  }

  #drain(): void {
    this.#isDeferred = false;
    // What is pushed from now on belongs to the next turn.
    const end = this.#end;
    const sinceMs = this.#clock.nowMs();
    let nowMs = sinceMs;
    while (this.#first < end && nowMs - sinceMs < SLICE_MS) {
      this.#decideBatch(end, nowMs);
      // Nearly always one batch is all, and the time does not matter.
      if (this.#first < end) nowMs = this.#clock.nowMs();
    }
    if (this.#first < this.#end) return this.#deferOnce();
    this.#first = 0;
    this.#end = 0;
  }

  /** Decides and answers the first of those before `end`. */
  #decideBatch(end: number, startMs: number): void {
    const first = this.#first;
    const batchSize = this.#batchSize(end);
    this.#decideTogether(first, batchSize, startMs);
    const batchMs = this.#clock.nowMs() - startMs;
    this.#first = first + batchSize;
    for (let index = 0; index < batchSize; index++) {
      const { onDecided } = this.#waiting[first + index] as QueuedPick;
      const decided = this.#decided[index] as Decided;
      this.#waiting[first + index] = undefined;
      const candidates =
        this.#withCandidates && decided.kind === "picked" ? this.#memory.lastCandidates(decided) : undefined;
      onDecided({ decided, candidates, batchSize, batchMs });
    }
  }

  #decideTogether(first: number, count: number, nowMs: number): void {
    const { request, stages } = this.#waiting[first] as QueuedPick;
    if (stages !== undefined) {
      this.#decided[0] = this.#memory.decideStaged(request, nowMs, stages, this.#options);
      return;
    }
    this.#requests.length = count;
    for (let index = 0; index < count; index++) {
      this.#requests[index] = (this.#waiting[first + index] as QueuedPick).request;
    }
    this.#memory.decide(this.#requests, nowMs, this.#options, this.#decided);
  }

  /** Picks until the next one in stages, which is a batch of its own. */
  #batchSize(end: number): number {
    const first = this.#first;
    if (this.#withCandidates || this.#waiting[first]?.stages !== undefined) return 1;
    const sizeMax = Math.min(end - first, BATCH_SIZE_MAX);
    let size = 1;
    while (size < sizeMax && this.#waiting[first + size]?.stages === undefined) size++;
    return size;
  }
}
