/**
 * One ext_proc conversation: one HTTP request and its response. One function per kind of message.
 *
 *   headers ──► body ──► deciding ──► routed ──► closed
 *      │          │          │           │
 *      └──────────┴──────────┴───────────┴─ refusal, end, cancellation ─► closed
 *
 * When the pick is made and in which answer it leaves depends on how the proxy sends bodies (`body-modes.ts`). In full
 * duplex the answer to the request's headers is held until the body is complete and an endpoint is picked; then it and
 * the body leave in one burst. Response messages are answered as they come.
 */
import { EppError } from "../base/errors.ts";
import type { BodyPlace, InferenceRequest, Outcome, Routed } from "../director/request.ts";
import type { HeaderChange } from "../framework/request.ts";
import { MessagePieces } from "../wire/ext-proc/message-pieces.ts";
import { readProtocolConfig } from "../wire/ext-proc/request-context.ts";
import {
  type BodyMessage,
  decodeProcessingRequest,
  type HeadersMessage,
  type ProcessingRequest,
  type TrailersMessage,
} from "../wire/ext-proc/request-decoder.ts";
import { encodeBodyResponse, encodeTrailersResponse } from "../wire/ext-proc/response-encoder.ts";
import { encodeStreamedBody } from "../wire/ext-proc/streamed-body-encoder.ts";
import { WireError } from "../wire/wire-error.ts";
import {
  CONTINUE_REQUEST_HEADERS,
  encodeRefusal,
  encodeResponseHeaders,
  encodeRouted,
  encodeRoutedBody,
  encodeUnseenResponseHeaders,
} from "./answers.ts";
import { BODY_ANSWER_SIZE_MAX, OutgoingBody, sendBody, sizeOf } from "./body.ts";
import { BODY_MODES_DEFAULT, type BodyModes, readBodyModes } from "./body-modes.ts";
import { BodyStore } from "./body-store.ts";
import type { ConversationContext } from "./conversation-context.ts";
import { readResponseHeaders } from "./response-headers.ts";
import { ResponseSight, requestAnswerOverride } from "./response-sight.ts";
import { spliceBody } from "./splice.ts";
import { readSubsetHint } from "./subset-hint.ts";
import type { CloseReason, ExtProcHandler, ExtProcStream } from "./transport/transport.ts";

type Phase = "headers" | "body" | "deciding" | "routed" | "closed";

export class Conversation implements ExtProcHandler {
  readonly #stream: ExtProcStream;
  readonly #context: ConversationContext;
  #phase: Phase = "headers";
  #modes: BodyModes = BODY_MODES_DEFAULT;
  #request: InferenceRequest | undefined;
  #newRequestId: string | undefined;
  #removeHeaders: readonly string[] = [];
  #addresses: readonly string[] | undefined;
  /** The request's body, where it may be sent on. */
  readonly #body: BodyStore;
  #keepsBody = true;
  /** A message with a body came, which may have been empty. */
  #hasBody = false;
  /** Bytes of the body so far. */
  #bodySize = 0;
  /** Messages of a streamed body that came before the pick, to be answered after it. */
  #heldAnswers: Buffer[] = [];
  /** Once a response with a body has begun. */
  #sight: ResponseSight | undefined;
  /** Decodes large messages; made for the first one. */
  #pieces: MessagePieces | undefined;
  #endsWithTrailers = false;
  /** The request's body, from the pick until all of it is sent. */
  #outgoing: OutgoingBody | undefined;
  /** Nobody wants to see the response. */
  #endsAfterAnswer = false;
  #isHalfClosed = false;
  #isGivenUp = false;

  constructor(stream: ExtProcStream, context: ConversationContext) {
    this.#stream = stream;
    this.#context = context;
    this.#body = new BodyStore(context.slabs);
    context.onStreamOpened();
  }

  onMessage(bytes: Buffer): void {
    if (this.#isClosed) return;
    try {
      this.#dispatch(decodeProcessingRequest(bytes));
    } catch (error) {
      this.#failMalformed(error);
    }
  }

  onMessagePiece(bytes: Buffer, left: number): void {
    if (this.#isClosed) return;
    this.#pieces ??= new MessagePieces();
    try {
      const body = this.#pieces.push(bytes, left);
      if (body.length > 0) this.#onRequestBodyPiece(body);
      if (left === 0 && !this.#isClosed) this.#dispatch(this.#pieces.finish());
    } catch (error) {
      this.#failMalformed(error);
    }
  }

  /**
   * The proxy sends nothing more: a body that has no end yet has it now, and a stream that owes no answer ends. A proxy
   * that says its modes ends bodies itself, and has given up what it half-closes before its end.
   */
  onHalfClose(): void {
    this.#isHalfClosed = true;
    this.#isGivenUp = this.#modes !== BODY_MODES_DEFAULT;
    if (this.#phase === "body" && !this.#isGivenUp) this.#endBody();
    else if (this.#phase !== "deciding" && (this.#outgoing === undefined || this.#isGivenUp)) this.#stream.end();
  }

  onClose(reason: CloseReason): void {
    this.#close();
    this.#sight?.onClosed();
    this.#request?.finish(reason === "cancelled" || this.#isGivenUp);
    this.#context.onStreamClosed();
  }

  #dispatch(message: ProcessingRequest): void {
    switch (message.kind) {
      case "requestHeaders":
        this.#onRequestHeaders(message);
        break;
      case "requestBody":
        this.#onRequestBody(message);
        break;
      case "requestTrailers":
        this.#onRequestTrailers(message);
        break;
      case "responseHeaders":
        this.#onResponseHeaders(message);
        break;
      case "responseBody":
        this.#onResponseBody(message);
        break;
      case "responseTrailers":
        this.#onResponseTrailers();
        break;
      case "unknown":
        break;
    }
  }

  #onRequestHeaders(message: HeadersMessage): void {
    if (this.#phase !== "headers") return this.#failProtocol("request headers came twice");
    this.#modes = readBodyModes(readProtocolConfig(message));
    const { director, headers, newRequestId } = this.#context;
    const read = headers.read(message.headers, director);
    if (read.requestId === undefined) this.#newRequestId = newRequestId();
    this.#removeHeaders = read.controlHeaders;
    this.#readSubset(message);
    const rewriteModelTo = this.#allowedRewrite(read.rewriteModelTo, message.endOfStream);
    this.#request = director.open({
      requestId: read.requestId ?? this.#newRequestId ?? "",
      path: read.path,
      rewriteModelTo,
      objective: read.objective,
      fairnessId: read.fairnessId,
      wantsCached: read.wantsCached,
      trace: read.trace,
      header: read.header,
      isBodyless: message.endOfStream,
    });
    this.#phase = "body";
    const { request: mode } = this.#modes;
    // A body that the proxy keeps is sent back only with another model name in it.
    this.#keepsBody = mode === "full-duplex" || rewriteModelTo !== undefined;
    if (message.endOfStream || mode === "streamed" || mode === "none") this.#complete();
    else if (mode !== "full-duplex") this.#stream.send(CONTINUE_REQUEST_HEADERS);
  }

  #onRequestBody(message: BodyMessage): void {
    if (this.#modes.request === "streamed" && this.#phase !== "headers") {
      // Headers have left already, or are about to; the body goes as it came.
      return this.#answerAfterPick(encodeBodyResponse("request", {}));
    }
    if (this.#phase !== "body") return this.#failProtocol("a request body came without headers, or after its end");
    this.#readSubset(message);
    const { body } = message;
    // A buffered body is one message: what follows it, if anything, are trailers.
    const isWhole = message.endOfStream || this.#modes.request !== "full-duplex";
    const mayBeCut = this.#modes.request === "buffered-partial" && !message.endOfStream;
    const isTaken = this.#takeBody(body, mayBeCut ? "may-be-cut" : isWhole ? "last" : "more");
    if (isTaken && isWhole) this.#complete();
  }

  /** Bytes of a request body whose message goes on. */
  #onRequestBodyPiece(piece: Buffer): void {
    // Where a message is answered by itself, that waits for its end.
    if (this.#modes.request === "streamed" && this.#phase !== "headers") return;
    if (this.#phase !== "body") return this.#failProtocol("a request body came without headers, or after its end");
    this.#takeBody(piece, "more");
  }

  /** Reads the bytes, and keeps them where they may be sent on. False when the request is refused for them. */
  #takeBody(bytes: Buffer, place: BodyPlace): boolean {
    const refusal = this.#request?.feed(bytes, place);
    if (refusal !== undefined) {
      this.#refuse(refusal);
      return false;
    }
    this.#hasBody = true;
    this.#bodySize += bytes.length;
    if (this.#keepsBody) this.#body.append(bytes);
    return true;
  }

  /**
   * Trailers end a body whose last piece did not say so. Where the body was answered before, they are only answered.
   */
  #onRequestTrailers(message: TrailersMessage): void {
    if (this.#modes.request !== "full-duplex" && !this.#endsWithTrailers && this.#phase !== "headers") {
      this.#endsWithTrailers = true;
      return this.#answerAfterPick(encodeTrailersResponse("request"));
    }
    if (this.#phase !== "body") return this.#failProtocol("request trailers came without headers, or after the end");
    this.#readSubset(message);
    this.#endsWithTrailers = true;
    this.#endBody();
  }

  #onResponseHeaders(message: HeadersMessage): void {
    const headers = readResponseHeaders(message);
    const picked = this.#request?.hostPort;
    if (picked !== undefined && headers.servedBy !== undefined && headers.servedBy !== picked) {
      this.#context.onServedElsewhere();
    }
    const isStreaming = headers.contentType.includes(EVENT_STREAM) || this.#request?.asksForStream === true;
    this.#request?.meter?.onResponseHeaders({ status: headers.status, isStreaming });
    const { endOfStream } = message;
    const mayChangeSize = this.#request?.response.onHeaders(headers, endOfStream) === true;
    const changes = this.#request?.onResponseHead(headers) ?? NO_CHANGES;
    const interest = this.#request?.responseInterest ?? "all";
    const sight = endOfStream ? undefined : new ResponseSight(this.#context.proxyReports, this.#modes, interest);
    this.#sight = sight;
    if (sight?.isUnseen === true) this.#request?.response.onBodyUnseen();
    if (sight?.isUnseen === true && this.#request?.response.restoresName === true) this.#context.onRewriteSkipped();
    this.#stream.send(
      sight?.modeOverride === undefined
        ? encodeResponseHeaders(mayChangeSize && sight?.isUnseen === false, changes)
        : encodeUnseenResponseHeaders(changes, sight.modeOverride),
    );
    sight?.onHeadersAnswered(isStreaming);
  }

  #onResponseBody({ body, endOfStream }: BodyMessage): void {
    if (this.#sight?.isUnseen === true) {
      this.#sight.onBodyShown();
      return this.#answerResponseBody(body, undefined, endOfStream);
    }
    const meter = this.#request?.meter;
    meter?.onResponseChunk(body.length);
    if (body.length > 0) this.#request?.onResponseBegun();
    const changed = this.#request?.response.onBody(body, endOfStream);
    this.#answerResponseBody(body, changed, endOfStream);
    meter?.onResponseChunkDone();
  }

  /** `changed`: what is sent on instead of the body; undefined when it passes as it is. */
  #answerResponseBody(body: Buffer, changed: readonly Buffer[] | undefined, endOfStream: boolean): void {
    if (this.#modes.response !== "full-duplex") {
      const isUnchanged = changed === undefined || (changed.length === 1 && changed[0] === body);
      const answer = isUnchanged ? {} : { bodyMutation: { kind: "replace", body: Buffer.concat(changed) } as const };
      this.#stream.send(encodeBodyResponse("response", answer));
    } else if (changed === undefined && body.length <= BODY_ANSWER_SIZE_MAX) {
      // Nearly every chunk of a response: nothing is made for it but the message.
      this.#stream.send(encodeStreamedBody("response", body, endOfStream));
    } else if (changed?.length !== 0 || endOfStream) {
      sendBody(this.#stream, "response", changed ?? [body], endOfStream);
    }
  }

  #onResponseTrailers(): void {
    this.#request?.meter?.onResponseChunk(0);
    const held = this.#request?.response.onTrailers() ?? [];
    if (held.length > 0 && this.#modes.response === "full-duplex") sendBody(this.#stream, "response", held, false);
    this.#stream.send(encodeTrailersResponse("response"));
  }

  /** The body is over without a message that said so. */
  #endBody(): void {
    const refusal = this.#bodySize > 0 ? this.#request?.feed(EMPTY, "last") : undefined;
    if (refusal !== undefined) return this.#refuse(refusal);
    this.#complete();
  }

  #complete(): void {
    this.#phase = "deciding";
    this.#request?.complete(this.#addresses, (outcome) => this.#answer(outcome));
  }

  #answer(outcome: Outcome): void {
    if (this.#isClosed) return;
    if (outcome instanceof EppError) return this.#refuse(outcome);
    this.#phase = "routed";
    const isBuffered = this.#modes.request === "buffered" || this.#modes.request === "buffered-partial";
    this.#endsAfterAnswer = outcome.skipsResponse;
    if (isBuffered && this.#hasBody) this.#answerBuffered(outcome);
    else this.#answerStreamed(outcome);
    this.#request?.meter?.onAnswered();
    this.onReady();
  }

  /** Sends of the request's body as much as is its turn, and what comes behind it. */
  onReady(): void {
    if (this.#isClosed) return;
    if (this.#outgoing?.send() === false) return this.#stream.requestReady();
    this.#outgoing = undefined;
    this.#body.release();
    for (const held of this.#heldAnswers.splice(0)) this.#stream.send(held);
    if (this.#endsWithTrailers && this.#modes.request === "full-duplex")
      this.#stream.send(encodeTrailersResponse("request"));
    if (this.#isHalfClosed || this.#endsAfterAnswer) this.#stream.end();
  }

  #answerStreamed(routed: Routed): void {
    const pieces = this.#edited(routed);
    const bodySize = routed.edit === undefined ? this.#bodySize : sizeOf(pieces);
    const answer = { routed, bodySize, newRequestId: this.#newRequestId, removeHeaders: this.#removeHeaders };
    const modeOverride = requestAnswerOverride(this.#modes, this.#request?.responseInterest ?? "all");
    this.#stream.send(encodeRouted(modeOverride === undefined ? answer : { ...answer, modeOverride }));
    if (!this.#hasBody) return;
    const endOfStream = !this.#endsWithTrailers;
    if (bodySize <= BODY_ANSWER_SIZE_MAX) this.#stream.send(encodeStreamedBody("request", pieces, endOfStream));
    else this.#outgoing = new OutgoingBody(this.#stream, "request", pieces, endOfStream);
  }

  #answerBuffered(routed: Routed): void {
    const answer = { routed, newRequestId: this.#newRequestId, removeHeaders: this.#removeHeaders };
    const body = routed.edit === undefined ? undefined : Buffer.concat(this.#edited(routed));
    if (body === undefined) this.#stream.send(encodeRoutedBody(answer, undefined));
    else this.#stream.send(encodeRoutedBody({ ...answer, bodySize: body.length }, { kind: "replace", body }));
  }

  /** In modes in which a message is answered by itself: now, or once the pick has left. */
  #answerAfterPick(answer: Buffer): void {
    if (this.#phase === "routed") this.#stream.send(answer);
    else this.#heldAnswers.push(answer);
  }

  #edited({ edit }: Routed): Buffer[] {
    const pieces = this.#body.pieces();
    return edit === undefined ? pieces : spliceBody(pieces, edit.start, edit.end, edit.replacement);
  }

  #readSubset(message: ProcessingRequest): void {
    if (this.#context.honoursSubsetHint) this.#addresses = readSubsetHint(message) ?? this.#addresses;
  }

  /** A body that has left before its model is known, or that came in part, cannot be changed. */
  #allowedRewrite(name: string | undefined, isBodyless: boolean): string | undefined {
    if (name === undefined || isBodyless) return undefined;
    const { request: mode } = this.#modes;
    if (mode === "full-duplex" || mode === "buffered") return name;
    this.#context.onRewriteSkipped();
    return undefined;
  }

  #refuse(error: EppError): void {
    this.#request?.meter?.onRefused(error.code);
    this.#context.onRefusal(error);
    this.#close();
    this.#stream.send(encodeRefusal(error));
    this.#stream.end();
  }

  #failMalformed(error: unknown): void {
    if (!(error instanceof WireError)) throw error;
    this.#failProtocol(`malformed message: ${error.message}`);
  }

  #failProtocol(message: string): void {
    this.#context.onProtocolError(message);
    this.#close();
    this.#stream.fail(message);
  }

  get #isClosed(): boolean {
    return this.#phase === "closed";
  }

  /** Nothing is taken or kept from now on. */
  #close(): void {
    this.#phase = "closed";
    this.#outgoing = undefined;
    this.#body.release();
    this.#pieces = undefined;
    this.#heldAnswers = [];
  }
}

const EMPTY = Buffer.alloc(0);
const NO_CHANGES: readonly HeaderChange[] = [];
const EVENT_STREAM = "text/event-stream";
