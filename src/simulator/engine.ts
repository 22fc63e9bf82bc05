/**
 * The engine: runs a limited number of requests at a time and keeps the others waiting, first come, first served. It
 * knows nothing of HTTP; with a `ManualClock` it is a simulation that repeats exactly.
 *
 *   submit ─► waiting ── place, KV blocks, adapter ──► running: prefill ─► token ─► token ─► … ─► ended
 *                │                                        │
 *                └──────────────── abort ─────────────────┘   an end gives back place, blocks and adapter at once
 *
 * As in vLLM, a request whose adapter has no place is passed over, and one whose KV blocks do not fit holds up the
 * rest.
 */
import { assert } from "../base/assert.ts";
import type { Timer } from "../base/clock.ts";
import { AdapterSlots } from "./adapter-slots.ts";
import { WAITING_REQUESTS_MAX } from "./defaults.ts";
import { EngineStatistics, type FinishReason } from "./engine-statistics.ts";
import { KvCache, type KvClaim } from "./kv-cache.ts";
import { KvSequence, type KvSequenceSource } from "./kv-sequence.ts";
import { interTokenMs, prefillMs } from "./latency.ts";
import type { SimulatorSettings } from "./options.ts";

export interface EngineRequest extends KvSequenceSource {
  /** Absent for the base model. */
  readonly adapter: string | undefined;
}

/** Both are called from timers, never from within `submit`. */
export interface EngineListener {
  /** Token `index` (from 0) of the reply is there. */
  onToken(index: number): void;
  /** Right after the last token, when place and blocks are given back. Not called after an abort. */
  onFinished(): void;
}

/** A request in the engine, as its sender sees it. */
export interface EngineJob {
  readonly promptTokens: number;
  /** Prompt tokens that needed no prefill. 0 while the request waits. */
  readonly cachedTokens: number;
  /** Ends the request. Does nothing when it has ended. */
  abort(): void;
}

export class Engine {
  readonly statistics: EngineStatistics = new EngineStatistics();
  readonly cache: KvCache;
  readonly #settings: SimulatorSettings;
  readonly #adapters: AdapterSlots;
  readonly #waiting: Job[] = [];
  readonly #running = new Set<Job>();

  constructor(settings: SimulatorSettings) {
    this.#settings = settings;
    this.cache = new KvCache(settings.kvCacheBlocks);
    this.#adapters = new AdapterSlots(settings.runningAdaptersMax);
  }

  get runningRequests(): number {
    return this.#running.size;
  }

  get waitingRequests(): number {
    return this.#waiting.length;
  }

  /** True when one more request would be one too many. */
  get isFull(): boolean {
    return this.#waiting.length >= WAITING_REQUESTS_MAX;
  }

  get runningAdapters(): readonly string[] {
    return this.#adapters.running;
  }

  get waitingAdapters(): readonly string[] {
    const adapters = this.#waiting.map((job) => job.request.adapter);
    return [...new Set(adapters.filter((adapter) => adapter !== undefined))];
  }

  /** Queues a request and starts it if there is room. Its prompt and reply must fit into the KV cache. */
  submit(request: EngineRequest, listener: EngineListener): EngineJob {
    assert(!this.isFull, "a full engine takes no request");
    const job: Job = {
      request,
      listener,
      sequence: new KvSequence(request, this.#settings.blockSizeTokens),
      arrivedMs: this.#settings.clock.nowMs(),
      phase: { kind: "waiting" },
    };
    this.#waiting.push(job);
    this.#startWaiting();
    return {
      promptTokens: job.sequence.promptTokens,
      get cachedTokens() {
        return job.phase.kind === "waiting" ? 0 : job.phase.cachedTokens;
      },
      abort: () => this.#end(job, "abort"),
    };
  }

  /** Ends all requests, as when the process dies. */
  abortAll(): void {
    // The running ones last, so that none of the waiting takes their place on the way.
    for (const job of [...this.#waiting, ...this.#running]) this.#end(job, "abort");
  }

  #startWaiting(): void {
    let index = 0;
    while (index < this.#waiting.length && this.#running.size < this.#settings.runningRequestsMax) {
      const job = this.#waiting[index] as Job;
      if (!this.#adapters.hasPlaceFor(job.request.adapter)) {
        index++;
        continue;
      }
      const claim = this.cache.claim(job.sequence.promptHashes, job.sequence.blockCount(job.request.reply.tokenCount));
      if (claim === undefined) return;
      this.#waiting.splice(index, 1);
      this.#start(job, claim);
    }
  }

  #start(job: Job, claim: KvClaim): void {
    const { promptTokens } = job.sequence;
    const cachedTokens = this.#cachedTokens(claim, promptTokens);
    this.cache.use(claim, job.sequence.blockCount(0));
    this.#adapters.enter(job.request.adapter);
    this.#running.add(job);
    this.statistics.prefixQueryTokens += promptTokens;
    this.statistics.prefixHitTokens += cachedTokens;

    const durationMs = prefillMs(this.#settings, promptTokens - cachedTokens, this.#running.size);
    const dueMs = this.#settings.clock.nowMs() + durationMs;
    const run: RunningPhase = { kind: "running", claim, cachedTokens, replyTokens: 0, dueMs, lastTokenMs: undefined };
    job.phase = run;
    this.#setTokenTimer(job, run);
  }

  /** Whole blocks, without the one that holds the last token: an engine must compute at least that to go on. */
  #cachedTokens(claim: KvClaim, promptTokens: number): number {
    const { blockSizeTokens } = this.#settings;
    const blocksMax = Math.max(0, Math.floor((promptTokens - 1) / blockSizeTokens));
    return Math.min(claim.foundBlocks, blocksMax) * blockSizeTokens;
  }

  /** Waits for the time at which the token is due, not for a span from now: late timers do not add up. */
  #setTokenTimer(job: Job, run: RunningPhase): void {
    const { clock } = this.#settings;
    run.timer = clock.setTimeout(() => this.#produceToken(job, run), Math.max(0, run.dueMs - clock.nowMs()));
  }

  #produceToken(job: Job, run: RunningPhase): void {
    const { reply } = job.request;
    this.#countToken(job, run);
    run.replyTokens++;
    this.cache.use(run.claim, job.sequence.blockCount(run.replyTokens));
    job.listener.onToken(run.replyTokens - 1);
    // The listener may have aborted the request.
    if (job.phase !== run) return;
    if (run.replyTokens === reply.tokenCount) {
      this.#end(job, reply.finishReason);
      job.listener.onFinished();
    } else {
      run.dueMs += interTokenMs(this.#settings, this.#running.size);
      this.#setTokenTimer(job, run);
    }
  }

  #countToken(job: Job, run: RunningPhase): void {
    const { statistics } = this;
    const nowMs = this.#settings.clock.nowMs();
    statistics.generationTokens++;
    if (run.lastTokenMs === undefined) {
      statistics.promptTokens += job.sequence.promptTokens;
      statistics.timeToFirstTokenSeconds.observe((nowMs - job.arrivedMs) / 1000);
    } else {
      statistics.interTokenSeconds.observe((nowMs - run.lastTokenMs) / 1000);
    }
    run.lastTokenMs = nowMs;
  }

  /** The one exit of every request. */
  #end(job: Job, reason: FinishReason): void {
    const { phase } = job;
    if (phase.kind === "ended") return;
    if (phase.kind === "waiting") {
      this.#waiting.splice(this.#waiting.indexOf(job), 1);
      job.phase = { kind: "ended", cachedTokens: 0 };
    } else {
      phase.timer?.cancel();
      this.cache.release(phase.claim, job.sequence.replyHashes(phase.replyTokens));
      this.#adapters.leave(job.request.adapter);
      this.#running.delete(job);
      job.phase = { kind: "ended", cachedTokens: phase.cachedTokens };
    }
    this.statistics.finishedRequests[reason]++;
    if (reason !== "abort") {
      this.statistics.requestSeconds.observe((this.#settings.clock.nowMs() - job.arrivedMs) / 1000);
    }
    this.#startWaiting();
  }
}

interface Job {
  readonly request: EngineRequest;
  readonly listener: EngineListener;
  readonly sequence: KvSequence;
  readonly arrivedMs: number;
  phase: { readonly kind: "waiting" } | RunningPhase | { readonly kind: "ended"; readonly cachedTokens: number };
}

interface RunningPhase {
  readonly kind: "running";
  readonly claim: KvClaim;
  readonly cachedTokens: number;
  replyTokens: number;
  /** When the next token is due. */
  dueMs: number;
  /** Absent before the first token. */
  lastTokenMs: number | undefined;
  timer?: Timer;
}
