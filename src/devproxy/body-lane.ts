/**
 * One direction of an exchange's body: from its source (the client's request, the model server's response) by way of
 * the picker to its sink (the model server's request, the client's response).
 *
 *   source ── chunks of CHUNK_SIZE_MAX ──► picker ── deliver ──► sink        route "picker"
 *   source ────────────────────────────────────────────────────► sink        route "direct": the picker is out of it
 *   source ──► nowhere                                                       route "discard": the exchange is over
 *
 * The lane keeps what it has sent to the picker until `release`, so that the exchange can go on without a picker that
 * leaves before it has answered. Two things stop the source: a picker that takes no more, and a full sink.
 */
import type { IncomingMessage, OutgoingMessage } from "node:http";
import { assert } from "../base/assert.ts";
import type { ReceivedHeaderMutation } from "../wire/ext-proc/header-mutation-decoder.ts";
import { encodeProcessingRequest } from "../wire/ext-proc/request-encoder.ts";
import type { Phase } from "../wire/ext-proc/response-encoder.ts";
import { declaredSize } from "./http-framing.ts";
import { type HttpHeader, mutateHeaders, toHeaderPairs, trailers } from "./http-headers.ts";

/** Body bytes of one message to the picker: Envoy's own size of a read. */
const CHUNK_SIZE_MAX = 65_536;
/** Bytes kept for the case that the picker leaves. A longer body cannot go on without it. */
export const RETAINED_SIZE_MAX = 1_048_576;

export type PauseReason = "picker" | "sink";

export class BodyLane {
  /** Bytes that came from the source, and bytes that went to the sink. */
  sourceSize = 0;
  sinkSize = 0;
  readonly #phase: Phase;
  readonly #source: IncomingMessage;
  readonly #send: (message: Buffer) => boolean;
  readonly #sizeDeclared: number | undefined;
  readonly #pauses: Set<PauseReason> = new Set();
  #route: "picker" | "direct" | "discard" = "picker";
  #retained: Buffer[] | undefined = [];
  #sink: OutgoingMessage | undefined;
  #hasSourceEnded = false;
  #isEndSent = false;
  #hasSinkEnded = false;

  /** `send` gives a message to the picker and returns whether it takes more. */
  constructor(phase: Phase, source: IncomingMessage, send: (message: Buffer) => boolean) {
    this.#phase = phase;
    this.#source = source;
    this.#send = send;
    this.#sizeDeclared = declaredSize(source);
  }

  /** All that belongs to the sink has been written to it. */
  get hasSinkEnded(): boolean {
    return this.#hasSinkEnded;
  }

  /** Starts to read the source. */
  start(): void {
    this.#source.on("data", (chunk: Buffer) => this.#onData(chunk));
    this.#source.on("end", () => this.#onSourceEnd());
  }

  /** Where the body goes. `onDrain` is called when a full sink has room again. */
  attachSink(sink: OutgoingMessage, onDrain: () => void): void {
    this.#sink = sink;
    sink.on("drain", () => {
      this.resume("sink");
      onDrain();
    });
  }

  /** The picker has answered: it is no longer possible, nor necessary, to do without. */
  release(): void {
    this.#retained = undefined;
  }

  /** Writes what the picker returned. False when the sink is full: `onDrain` follows. */
  deliver(body: Buffer, endOfStream: boolean): boolean {
    if (this.#hasSinkEnded || this.#sink === undefined) return true;
    this.sinkSize += body.length;
    const hasRoom = body.length === 0 || this.#sink.write(body);
    if (endOfStream) this.#endSink([]);
    return hasRoom;
  }

  /** Ends the sink with the source's trailers, as the picker changed them. */
  deliverTrailers(mutation: ReceivedHeaderMutation): void {
    this.#endSink(mutateHeaders(trailers(this.#source), mutation));
  }

  /** Every byte that came is still there. */
  get canGoDirect(): boolean {
    return this.#retained !== undefined;
  }

  /** Sends the kept bytes and all that follow straight to the sink. */
  goDirect(): void {
    assert(this.#retained !== undefined, "bytes of the body have been given up");
    this.#route = "direct";
    for (const chunk of this.#retained) this.#writeDirect(chunk);
    this.#retained = undefined;
    this.resume("picker");
    if (this.#hasSourceEnded) this.#endSink(trailers(this.#source));
  }

  /** Reads and forgets the rest of the source. */
  discard(): void {
    this.#route = "discard";
    this.#retained = undefined;
    this.#pauses.clear();
    this.#source.resume();
  }

  pause(reason: PauseReason): void {
    this.#pauses.add(reason);
    this.#source.pause();
  }

  resume(reason: PauseReason): void {
    if (this.#pauses.delete(reason) && this.#pauses.size === 0) this.#source.resume();
  }

  #onData(chunk: Buffer): void {
    this.sourceSize += chunk.length;
    if (this.#route === "direct") this.#writeDirect(chunk);
    else if (this.#route === "picker") this.#sendChunk(chunk);
  }

  #writeDirect(chunk: Buffer): void {
    this.sinkSize += chunk.length;
    if (this.#sink?.write(chunk) === false) this.pause("sink");
  }

  #sendChunk(chunk: Buffer): void {
    this.#retain(chunk);
    for (let start = 0; start < chunk.length; start += CHUNK_SIZE_MAX) {
      const body = chunk.subarray(start, start + CHUNK_SIZE_MAX);
      const isLast = this.sourceSize === this.#sizeDeclared && start + body.length === chunk.length;
      this.#sendBody(body, isLast);
    }
  }

  #retain(chunk: Buffer): void {
    if (this.sourceSize > RETAINED_SIZE_MAX) this.release();
    this.#retained?.push(chunk);
  }

  #sendBody(body: Buffer, endOfStream: boolean): void {
    this.#isEndSent = endOfStream;
    const kind = this.#phase === "request" ? "requestBody" : "responseBody";
    if (!this.#send(encodeProcessingRequest({ kind, body, endOfStream }))) this.pause("picker");
  }

  #onSourceEnd(): void {
    this.#hasSourceEnded = true;
    const sourceTrailers = trailers(this.#source);
    if (this.#route === "direct") this.#endSink(sourceTrailers);
    else if (this.#route === "picker" && !this.#isEndSent) this.#sendEnd(sourceTrailers);
  }

  /** Only now is it known that no body follows. As Envoy does, trailers take the place of the body's end. */
  #sendEnd(sourceTrailers: readonly HttpHeader[]): void {
    if (sourceTrailers.length === 0) this.#sendBody(NO_BYTES, true);
    else {
      const kind = this.#phase === "request" ? "requestTrailers" : "responseTrailers";
      this.#send(encodeProcessingRequest({ kind, headers: toHeaderPairs(sourceTrailers) }));
    }
  }

  #endSink(sinkTrailers: readonly HttpHeader[]): void {
    if (this.#hasSinkEnded || this.#sink === undefined) return;
    this.#hasSinkEnded = true;
    if (sinkTrailers.length > 0)
      this.#sink.addTrailers(sinkTrailers.map(([name, value]): [string, string] => [name, value]));
    this.#sink.end();
  }
}

const NO_BYTES: Buffer = Buffer.alloc(0);
