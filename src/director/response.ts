/**
 * What is learnt from a response as it passes: status, size, events, first byte, usage. The bytes themselves pass
 * unchanged, unless the model's name has to be put back. Nothing is parsed but a bounded tail at the end.
 */
import type { Clock } from "../base/clock.ts";
import { EventCounter } from "../parsing/event-counter.ts";
import { NameRestorer } from "../parsing/name-restorer.ts";
import type { Usage, UsageFormat, UsageReader } from "../parsing/usage.ts";

export interface ResponseHeaders {
  /** HTTP status; undefined when the proxy did not say. */
  readonly status: number | undefined;
  readonly contentType: string;
  /** Compressed bodies pass unread. */
  readonly contentEncoding: string;
  /** `ip:port` that the proxy sent the request to, where it says so. */
  readonly servedBy: string | undefined;
}

export interface ResponseFacts {
  readonly status: number | undefined;
  readonly isEventStream: boolean;
  readonly bodySize: number;
  readonly eventCount: number;
  /** When the first byte of the body came, on the clock; undefined when none did. */
  readonly firstByteAtMs: number | undefined;
  readonly usage: Usage | undefined;
  /** The proxy does not show the body, or nobody looks at it: nothing is known but status and times. */
  readonly isUnseen: boolean;
  /** The body came to its end. An unseen one ends with its stream, whatever ended that. */
  readonly isComplete: boolean;
}

export class ResponseObserver {
  readonly #usage: UsageReader | undefined;
  readonly #clock: Clock;
  readonly #restorer: NameRestorer | undefined;
  /** Of an event stream. */
  #events: EventCounter | undefined;
  #headers: ResponseHeaders | undefined;
  #isEventStream = false;
  #isReadable = true;
  #bodySize = 0;
  #firstByteAtMs: number | undefined;
  #isUnseen = false;
  #isComplete = false;

  constructor(options: {
    /** Undefined where a response's usage has no known form. */
    readonly usageFormat: UsageFormat | undefined;
    readonly clock: Clock;
    /** Set when the request was sent on under another model name. */
    readonly rename: { readonly sent: string; readonly asked: string } | undefined;
  }) {
    this.#usage = options.usageFormat?.open();
    this.#clock = options.clock;
    this.#restorer = options.rename && new NameRestorer(options.rename.sent, options.rename.asked);
  }

  /** Returns whether the body's size may change on its way. */
  onHeaders(headers: ResponseHeaders, endOfStream: boolean): boolean {
    const { contentType, contentEncoding } = headers;
    this.#headers = headers;
    this.#isEventStream = contentType.includes("text/event-stream");
    if (this.#isEventStream) this.#events = new EventCounter();
    this.#isReadable = contentEncoding === "" || contentEncoding === "identity";
    this.#isComplete = endOfStream;
    return this.#restorer !== undefined && this.#isReadable;
  }

  /** The model's name is to be put back. */
  get restoresName(): boolean {
    return this.#restorer !== undefined;
  }

  /** The body will not be seen. */
  onBodyUnseen(): void {
    this.#isUnseen = true;
  }

  /** The bytes to send on instead of these; undefined when they pass as they are. */
  onBody(piece: Buffer, isLast: boolean): readonly Buffer[] | undefined {
    this.#isComplete = isLast;
    this.#bodySize += piece.length;
    if (piece.length > 0) this.#firstByteAtMs ??= this.#clock.nowMs();
    if (!this.#isReadable) return undefined;
    this.#events?.push(piece);
    this.#usage?.push(piece);
    return this.#restorer?.push(piece, isLast);
  }

  /** Trailers end the body: the bytes that were held back until now. */
  onTrailers(): readonly Buffer[] {
    const held = this.#restorer !== undefined && this.#isReadable ? this.#restorer.push(Buffer.alloc(0), true) : [];
    this.#isComplete = true;
    return held;
  }

  facts(): ResponseFacts {
    return {
      status: this.#headers?.status,
      isEventStream: this.#isEventStream,
      bodySize: this.#bodySize,
      eventCount: this.#events?.count ?? 0,
      firstByteAtMs: this.#firstByteAtMs,
      usage: this.#bodySize === 0 ? undefined : this.#usage?.read(this.#isEventStream),
      isUnseen: this.#isUnseen,
      isComplete: this.#isComplete || this.#isUnseen,
    };
  }
}
