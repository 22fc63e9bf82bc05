/**
 * Drives a picker from one thread: a few connections, many streams. In a closed loop so many exchanges are always open;
 * in an open loop they begin at random times of a given mean rate, whether or not earlier ones are answered, and their
 * latency counts from the time at which they were to begin.
 */
import type { Clock, Timer } from "../../src/base/clock.ts";
import { Prng } from "../../src/base/prng.ts";
import type { LoadConnection, Target } from "./connection.ts";
import { Exchange, type ExchangeOptions, type ExchangeOwner } from "./exchange.ts";
import { type ExchangeScript, makeScripts, type ScriptOptions } from "./exchange-script.ts";
import { headerBlocks } from "./header-block.ts";
import { Lane, type LaneEvents } from "./lane.ts";
import { type HistogramState, LatencyHistogram } from "./latency-histogram.ts";

/** How exchanges are begun. Both are this thread's share. */
export type Pace =
  | { readonly kind: "closed"; readonly concurrency: number }
  | { readonly kind: "open"; readonly ratePerSecond: number };

export interface GeneratorOptions extends Omit<ExchangeOptions, "clock"> {
  readonly target: Target;
  readonly authority: string;
  readonly connectionCount: number;
  readonly pace: Pace;
  readonly script: ScriptOptions;
  /** An exchange in which the picker says nothing for so long is given up. */
  readonly timeoutMs: number;
  readonly seed: number;
  /** First serial number of this thread and run; no two of them share any. */
  readonly serialStart: number;
}

/** What was counted between `startMeasuring` and `stopMeasuring`. */
export interface GeneratorResult {
  readonly durationMs: number;
  /** Exchanges begun, and ended without an error. */
  readonly startedCount: number;
  readonly completedCount: number;
  /** Response chunks answered. */
  readonly chunkCount: number;
  readonly connectionCount: number;
  readonly errors: ReadonlyMap<string, number>;
  readonly pick: HistogramState;
  readonly exchange: HistogramState;
  /** How much later than intended exchanges were begun; open loop only. */
  readonly lag: HistogramState;
  /** Part of the time in which this thread's event loop was not idle, 0 … 1. */
  readonly busyFraction: number;
}

/** Exchanges that an open loop may have waiting for a connection; beyond it, it says that it cannot send them. */
const WAITING_MAX = 100_000;
const SWEEP_MS = 500;
/** An open loop that has longer to wait than this sleeps; timers are exact to a millisecond only. */
const SPIN_MS = 2;
/** How long exchanges may take to end when the load stops. */
const DRAIN_MS_MAX = 5_000;

export class Generator implements ExchangeOwner {
  readonly #options: GeneratorOptions;
  readonly #clock: Clock;
  readonly #prng: Prng;
  readonly #scripts: readonly ExchangeScript[];
  readonly #lanes: Lane[] = [];
  readonly #open = new Set<Exchange>();
  readonly #free: Exchange[] = [];
  /** Intended begins of exchanges that no connection takes at the moment. */
  #waiting: number[] = [];
  #serial: number;
  #turn = 0;
  #isRunning = false;
  #isMeasuring = false;
  #failure: Error | undefined;
  #sweep: Timer | undefined;
  #onDrained: (() => void) | undefined;
  #measured = new Measured(0);

  /** `scripts` take the place of those that the options describe. */
  constructor(options: GeneratorOptions, clock: Clock, scripts?: readonly ExchangeScript[]) {
    this.#options = options;
    this.#clock = clock;
    this.#prng = new Prng(options.seed);
    this.#scripts = scripts ?? makeScripts(options.script, this.#prng.fork("scripts"));
    this.#serial = options.serialStart;
  }

  /** Connects, then begins the load. Rejects when the target cannot be reached. */
  async start(): Promise<void> {
    const { target, authority, connectionCount, pace } = this.#options;
    const blocks = headerBlocks({ authority, isTls: target.isTls });
    const events: LaneEvents = {
      clock: this.#clock,
      onReady: () => this.#beginWaiting(),
      onFailed: (error) => this.#fail(error),
      onConnected: () => this.#measured.connectionCount++,
    };
    for (let index = 0; index < connectionCount; index++) this.#lanes.push(new Lane(target, blocks, events));
    await Promise.all(this.#lanes.map((lane) => lane.connect()));
    this.#isRunning = true;
    this.#sweep = this.#clock.setInterval(() => this.#giveUpSilent(), SWEEP_MS);
    if (pace.kind === "open") this.#runOpenLoop(pace.ratePerSecond);
    else for (let index = 0; index < pace.concurrency; index++) this.#begin(this.#clock.nowMs());
  }

  async startMeasuring(): Promise<void> {
    this.#measured = new Measured(this.#clock.nowMs());
    this.#isMeasuring = true;
  }

  /** Exchanges that have ended since `startMeasuring`, well or not. Rejects with what ended the load. */
  async endedCount(): Promise<number> {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#measured.endedCount;
  }

  /** Rejects with what ended the load, if anything did. */
  async stopMeasuring(): Promise<GeneratorResult> {
    this.#isMeasuring = false;
    if (this.#failure !== undefined) throw this.#failure;
    return this.#measured.result(this.#clock.nowMs());
  }

  /** Begins nothing more; resolves when what is open has ended, or has been given up. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#waiting = [];
    if (this.#open.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = this.#clock.setTimeout(resolve, DRAIN_MS_MAX);
        this.#onDrained = () => {
          timer.cancel();
          resolve();
        };
      });
    }
    this.#sweep?.cancel();
    for (const exchange of [...this.#open]) exchange.abandon("load ended");
    for (const lane of this.#lanes) lane.end();
  }

  /** Replaces one connection after the other, turn by turn. The old one finishes its streams, or loses them. */
  replaceConnection(turn: number, isLost: boolean): void {
    const lane = this.#lanes[turn % this.#lanes.length];
    if (isLost) lane?.drop();
    else lane?.renew();
  }

  onPicked(exchange: Exchange, nowMs: number): void {
    if (this.#isMeasuring) this.#measured.pick.add(nowMs - exchange.intendedMs);
  }

  onChunk(): void {
    this.#measured.chunkCount++;
  }

  onOver(exchange: Exchange, error: string | undefined, nowMs: number): void {
    this.#release(exchange);
    if (this.#isMeasuring) this.#measured.count(error, nowMs - exchange.intendedMs);
    if (this.#isRunning && this.#options.pace.kind === "closed") this.#begin(nowMs);
    else if (this.#waiting.length > 0) this.#beginWaiting();
    if (this.#open.size === 0) this.#onDrained?.();
  }

  onNotTaken(exchange: Exchange): void {
    this.#release(exchange);
    if (this.#isRunning) this.#begin(exchange.intendedMs);
  }

  #release(exchange: Exchange): void {
    this.#open.delete(exchange);
    this.#free.push(exchange);
  }

  /** Begins an exchange on the next connection that takes it, or lets it wait for one. */
  #begin(intendedMs: number): void {
    const connection = this.#nextConnection();
    if (connection === undefined) {
      if (this.#waiting.length < WAITING_MAX) this.#waiting.push(intendedMs);
      else this.#fail(new Error(`${WAITING_MAX} exchanges wait for a connection that takes them`));
      return;
    }
    const exchange = this.#free.pop() ?? new Exchange({ ...this.#options, clock: this.#clock }, this);
    this.#open.add(exchange);
    if (this.#isMeasuring) this.#measured.startedCount++;
    const script = this.#scripts[this.#prng.nextBelow(this.#scripts.length)] as ExchangeScript;
    exchange.begin(connection, script, { intendedMs, nowMs: this.#clock.nowMs(), serial: this.#serial++ });
  }

  #beginWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const intendedMs of waiting) this.#begin(intendedMs);
  }

  #nextConnection(): LoadConnection | undefined {
    for (let tried = 0; tried < this.#lanes.length; tried++) {
      this.#turn = (this.#turn + 1) % this.#lanes.length;
      const connection = this.#lanes[this.#turn]?.connection;
      if (connection?.hasRoom === true) return connection;
    }
    return undefined;
  }

  /** Poisson arrivals: the gaps between them are exponential. */
  #runOpenLoop(ratePerSecond: number): void {
    const arrivals = this.#prng.fork("arrivals");
    const gapMs = (): number => (-Math.log(1 - arrivals.nextFraction()) * 1000) / ratePerSecond;
    let dueMs = this.#clock.nowMs() + gapMs();
    const run = (): void => {
      if (!this.#isRunning) return;
      const nowMs = this.#clock.nowMs();
      for (; dueMs <= nowMs; dueMs += gapMs()) {
        if (this.#isMeasuring) this.#measured.lag.add(nowMs - dueMs);
        this.#begin(dueMs);
      }
      const leftMs = dueMs - nowMs;
      if (leftMs > SPIN_MS) this.#clock.setTimeout(run, Math.floor(leftMs - 1));
      else setImmediate(run);
    };
    run();
  }

  #giveUpSilent(): void {
    const silentSinceMs = this.#clock.nowMs() - this.#options.timeoutMs;
    for (const exchange of [...this.#open]) {
      if (exchange.heardMs < silentSinceMs) exchange.abandon(`no answer in ${this.#options.timeoutMs / 1000} s`);
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#isRunning = false;
  }
}

/** Counts of one measured time. */
class Measured {
  readonly #startMs: number;
  readonly #loopAtStart = performance.eventLoopUtilization();
  readonly #errors = new Map<string, number>();
  readonly #exchange = new LatencyHistogram();
  readonly pick: LatencyHistogram = new LatencyHistogram();
  readonly lag: LatencyHistogram = new LatencyHistogram();
  startedCount = 0;
  chunkCount = 0;
  connectionCount = 0;

  constructor(startMs: number) {
    this.#startMs = startMs;
  }

  endedCount = 0;

  count(error: string | undefined, latencyMs: number): void {
    this.endedCount++;
    if (error === undefined) this.#exchange.add(latencyMs);
    else this.#errors.set(error, (this.#errors.get(error) ?? 0) + 1);
  }

  result(nowMs: number): GeneratorResult {
    return {
      durationMs: nowMs - this.#startMs,
      startedCount: this.startedCount,
      completedCount: this.#exchange.sampleCount,
      chunkCount: this.chunkCount,
      connectionCount: this.connectionCount,
      errors: this.#errors,
      pick: this.pick.state(),
      exchange: this.#exchange.state(),
      lag: this.lag.state(),
      busyFraction: performance.eventLoopUtilization(this.#loopAtStart).utilization,
    };
  }
}
