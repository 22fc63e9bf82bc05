/**
 * One ext_proc exchange as Envoy has it: the request at once, the response when the pick has come, then the end.
 *
 *   request ──pick──► response ──last answer──► closing ──► over
 *      │                 │                        │
 *      └─────────────────┴── refusal, reset, loss ┴──────► over
 *
 * Envoy sends a response's chunks as the model server makes them. Here each is sent when the one before is answered,
 * as if tokens came exactly as fast as the picker takes them, or all at once.
 */
import type { Clock } from "../../src/base/clock.ts";
import { PROCESSING_RESPONSE } from "../../src/wire/ext-proc/fields.ts";
import { type AnswerHandler, AnswerReader } from "./answer-reader.ts";
import { type LoadConnection, type LoadStream, StreamCursor } from "./connection.ts";
import type { ExchangeScript, ScriptMessage } from "./exchange-script.ts";

/** How a stream ends: Envoy 1.40 resets it; with `ext_proc_graceful_grpc_close` it half-closes it. */
export type StreamEnding = "reset" | "half-close";

export interface ExchangeOptions {
  readonly clock: Clock;
  readonly ending: StreamEnding;
  /** Response chunks that may be unanswered. */
  readonly chunksInFlight: number;
  /** Nothing is waited for: the whole exchange leaves in one go, and is half-closed. */
  readonly isAtOnce: boolean;
  /** The picker ends its stream after the pick, which Envoy takes for "no interest in the response". */
  readonly mayEndAfterPick: boolean;
}

export interface ExchangeOwner {
  /** The answer to the request is complete. */
  onPicked(exchange: Exchange, nowMs: number): void;
  /** A chunk of a response is answered; the end of the body is none. */
  onChunk(): void;
  /** Called once, last. `error` is a kind of failure; undefined when all went well. */
  onOver(exchange: Exchange, error: string | undefined, nowMs: number): void;
  /** The peer did not take the stream. It can be begun again on another connection. */
  onNotTaken(exchange: Exchange): void;
}

export interface ExchangeStart {
  readonly intendedMs: number;
  readonly nowMs: number;
  readonly serial: number;
  /** The last piece of the request waits for `release`. */
  readonly isHeld?: boolean;
}

/** How long after the last message a client goes away that does so before the pick. */
const ABANDON_MS = 5;

/** Envoy's code for a stream that it is done with: INTERNAL_ERROR, as seen on the wire. */
const RESET_CODE = 2;

type Phase = "request" | "response" | "closing" | "over";

/** Used again and again: `begin` starts it anew. */
export class Exchange implements LoadStream, AnswerHandler {
  readonly cursor: StreamCursor = new StreamCursor();
  readonly #options: ExchangeOptions;
  readonly #owner: ExchangeOwner;
  readonly #answers = new AnswerReader(this);
  #connection: LoadConnection | undefined;
  #script: ExchangeScript = { messages: [], requestCount: 0 };
  #phase: Phase = "over";
  #hasHeadersAnswer = false;
  allowedCount = 0;
  serial = 0;
  /** When it was to be sent: latencies count from here, also when it was sent later. */
  intendedMs = 0;
  /** When the peer was last heard of. */
  heardMs = 0;

  constructor(options: ExchangeOptions, owner: ExchangeOwner) {
    this.#options = options;
    this.#owner = owner;
  }

  get messages(): readonly ScriptMessage[] {
    return this.#script.messages;
  }

  begin(
    connection: LoadConnection,
    script: ExchangeScript,
    { intendedMs, nowMs, serial, isHeld = false }: ExchangeStart,
  ): void {
    this.#connection = connection;
    this.#script = script;
    this.#phase = "request";
    this.#hasHeadersAnswer = false;
    this.#answers.reset();
    const firstCount = this.#options.isAtOnce ? script.messages.length : script.requestCount - (isHeld ? 1 : 0);
    this.allowedCount = Math.min(firstCount, script.messages.length);
    this.serial = serial;
    this.intendedMs = intendedMs;
    this.heardMs = nowMs;
    connection.begin(this);
    if (this.#options.isAtOnce) connection.halfClose(this);
    // Before the pick: nothing will be answered.
    if (script.outcome?.kind === "abandoned" && script.messages.length < script.requestCount) this.#abandonSoon();
  }

  /** Sends the last piece of a request that is held. */
  release(): void {
    this.#allow(this.#script.requestCount);
  }

  /** All that may be sent is on its way. */
  get isSent(): boolean {
    return this.cursor.messageIndex >= Math.min(this.allowedCount, this.#script.messages.length);
  }

  onAnswer(field: number, isEnd: boolean, httpStatus: number): void {
    if (field === PROCESSING_RESPONSE.immediateResponse) return this.#onRefusal(httpStatus);
    if (this.#phase === "request") this.#onRequestAnswer(field, isEnd);
    else if (this.#phase === "response") this.#onResponseAnswer(field, isEnd);
  }

  onUnreadable(): void {
    this.#fail("answer that is none in full duplex");
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.heardMs = this.#options.clock.nowMs();
    this.#answers.push(bytes, start, end);
  }

  onStreamEnd(): void {
    if (this.#phase === "closing") this.#finish(undefined);
    else if (this.#phase === "request") this.#finish("stream ended before the pick");
    else if (this.#phase === "response") this.#onEndInResponse();
  }

  onReset(code: number): void {
    if (this.#phase !== "over") this.#finish(`stream reset by the server with code ${code}`);
  }

  onNotTaken(): void {
    this.#phase = "over";
    this.#owner.onNotTaken(this);
  }

  onConnectionLost(reason: string): void {
    if (this.#phase !== "over") this.#finish(reason);
  }

  /** Ends it from this side. */
  abandon(error: string): void {
    this.#fail(error);
  }

  #onRefusal(httpStatus: number): void {
    const { outcome } = this.#script;
    if (outcome?.kind === "refused" && outcome.httpStatus === httpStatus) return this.#resetAndFinish(undefined);
    this.#fail(`refused with ${httpStatus}`);
  }

  /** The client goes away a moment later, when the picker has what was sent. */
  #abandonSoon(): void {
    const { serial } = this;
    this.#options.clock.setTimeout(() => {
      if (this.#phase === "request" && this.serial === serial) this.#resetAndFinish(undefined);
    }, ABANDON_MS);
  }

  #onRequestAnswer(field: number, isEnd: boolean): void {
    if (field === PROCESSING_RESPONSE.requestHeaders) {
      this.#hasHeadersAnswer = true;
      return;
    }
    if (field !== PROCESSING_RESPONSE.requestBody || !this.#hasHeadersAnswer) return this.#fail("answer out of order");
    if (!isEnd) return;
    this.#owner.onPicked(this, this.#options.clock.nowMs());
    this.#phase = "response";
    if (this.#options.isAtOnce) return;
    this.#allow(this.#script.requestCount + 1 + this.#options.chunksInFlight);
  }

  #onResponseAnswer(field: number, isEnd: boolean): void {
    if (field === PROCESSING_RESPONSE.responseHeaders) return;
    if (field !== PROCESSING_RESPONSE.responseBody) return this.#fail("answer out of order");
    if (!isEnd) {
      this.#owner.onChunk();
      if (this.#isAbandonedNow()) return this.#resetAndFinish(undefined);
      return this.#allow(this.allowedCount + 1);
    }
    this.#phase = "closing";
    const { ending, isAtOnce } = this.#options;
    if (isAtOnce) return;
    if (ending === "half-close") this.#connection?.halfClose(this);
    else this.#resetAndFinish(undefined);
  }

  /** The last message that the client waits for is answered. */
  #isAbandonedNow(): boolean {
    return this.#script.outcome?.kind === "abandoned" && this.allowedCount >= this.#script.messages.length;
  }

  #onEndInResponse(): void {
    if (!this.#options.mayEndAfterPick) return this.#finish("stream ended before the response was answered");
    this.#finish(undefined);
  }

  #allow(count: number): void {
    this.allowedCount = Math.min(count, this.#script.messages.length);
    this.#connection?.advance(this);
  }

  #fail(error: string): void {
    if (this.#phase !== "over") this.#resetAndFinish(error);
  }

  #resetAndFinish(error: string | undefined): void {
    this.#connection?.reset(this, RESET_CODE);
    this.#finish(error);
  }

  #finish(error: string | undefined): void {
    this.#phase = "over";
    this.#connection = undefined;
    this.#owner.onOver(this, error, this.#options.clock.nowMs());
  }
}
