/**
 * One source of one endpoint: decides at each tick whether to ask, and tells what came of it. A server that does not
 * answer is asked less and less often, one that has nothing to do is asked seldom.
 *
 *              ┌──────────── onDone ◄──────────┐
 *   resting ──tick: due──► asking ─────────────┤
 *      ▲                                       └── onFailed: fault, or no complete answer in time
 *      └── period │ after failures: tick × 2^n, up to a second │ while idle: the back-off
 */
import type { Clock } from "../base/clock.ts";
import { SCRAPE_RETRY_MS_MAX, SCRAPE_TIMEOUT_MS } from "../config/defaults.ts";
import { HttpConnection, type HttpTarget } from "./http-connection.ts";
import type { BodySink } from "./http-response.ts";

/** Reads the answers of one source. */
export interface AnswerReader {
  readonly accept: string;
  readonly bodySizeMax: number;
  readonly onBody: BodySink;
  /** The answer is complete. Returns what is wrong with it, or undefined. */
  finish(): PollFailure | undefined;
  /** There will be no answer, or no more of it. */
  giveUp(): void;
}

export interface PollFailure {
  /** `no-load`: an answer that tells nothing of the server's load. */
  readonly kind: "unanswered" | "no-load";
  readonly reason: string;
}

export interface PollOptions {
  readonly clock: Clock;
  readonly target: HttpTarget;
  readonly receiveBuffer: Buffer;
  readonly tickMs: number;
  /** Ticks between two requests; 1 is every tick. */
  readonly everyTicks: number;
  /** Tick of its period in which it asks after the first time: spreads what many endpoints are asked. */
  readonly phase: number;
  readonly reader: AnswerReader;
  /** A request is about to be sent. */
  readonly onSent: () => void;
  /** It has an answer, or none: once per `onSent`, unless the poll is closed. */
  readonly onDone: (failure: PollFailure | undefined, sentAtMs: number) => void;
}

export class Poll {
  readonly #options: PollOptions;
  readonly #connection: HttpConnection;
  #ticksLeft = 0;
  #sentAtMs = Number.NEGATIVE_INFINITY;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  #failuresInRow = 0;

  constructor(options: PollOptions) {
    const { target, receiveBuffer, reader } = options;
    this.#options = options;
    this.#connection = new HttpConnection({
      target,
      receiveBuffer,
      accept: reader.accept,
      bodySizeMax: reader.bodySizeMax,
      exchange: {
        onBody: reader.onBody,
        onDone: () => this.#end(reader.finish()),
        onFailed: (reason) => {
          reader.giveUp();
          this.#end({ kind: "unanswered", reason });
        },
      },
    });
  }

  /** Asks at once, and then in its phase. */
  start(nowMs: number): void {
    this.#send(nowMs);
    this.#ticksLeft += this.#options.phase % this.#options.everyTicks;
  }

  /** To be called once per tick. `restMs`: time since the last request that must have passed, 0 without back-off. */
  tick(nowMs: number, restMs: number): void {
    this.#ticksLeft--;
    if (this.#connection.isWaiting) {
      if (nowMs - this.#sentAtMs >= SCRAPE_TIMEOUT_MS) {
        this.#connection.abort(`no complete answer within ${SCRAPE_TIMEOUT_MS} ms`);
      }
      return;
    }
    const isDue = this.#failuresInRow > 0 ? nowMs >= this.#retryAtMs : this.#ticksLeft <= 0;
    if (isDue && nowMs - this.#sentAtMs >= restMs) this.#send(nowMs);
  }

  close(): void {
    if (this.#connection.isWaiting) this.#options.reader.giveUp();
    this.#connection.close();
  }

  #send(nowMs: number): void {
    this.#sentAtMs = nowMs;
    this.#ticksLeft = this.#options.everyTicks;
    this.#options.onSent();
    this.#connection.get();
  }

  #end(failure: PollFailure | undefined): void {
    const { clock, tickMs, onDone } = this.#options;
    this.#failuresInRow = failure === undefined ? 0 : this.#failuresInRow + 1;
    if (failure !== undefined) {
      const waitMs = Math.min(SCRAPE_RETRY_MS_MAX, tickMs * 2 ** Math.min(16, this.#failuresInRow - 1));
      // Half a tick less: the wait ends before the tick that it means, however late the failure was noticed.
      this.#retryAtMs = clock.nowMs() + waitMs - tickMs / 2;
    }
    onDone(failure, this.#sentAtMs);
  }
}
