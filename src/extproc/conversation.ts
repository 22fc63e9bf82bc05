/**
 * One ext_proc conversation: one HTTP request and its response. One function per kind of message.
 *
 *   headers ──► body ──► deciding ──► routed ──► closed
 *      │          │          │           │
 *      └──────────┴──────────┴───────────┴─ refusal, end, cancellation ─► closed
 *
 * The answer to the request's headers is held until the body is complete and an endpoint is picked; then it and the body
 * leave in one burst. The order is what FULL_DUPLEX_STREAMED bodies need. Response messages are answered as they come.
 */
import { EppError } from "../base/errors.ts";
import type { Director } from "../director/director.ts";
import type { InferenceRequest, Outcome } from "../director/request.ts";
import { findHeaders, HeaderNames } from "../wire/ext-proc/header-map.ts";
import { type BodyMessage, decodeProcessingRequest, type HeadersMessage } from "../wire/ext-proc/request-decoder.ts";
import { encodeStreamedBodyResponse, encodeTrailersResponse } from "../wire/ext-proc/response-encoder.ts";
import { WireError } from "../wire/wire-error.ts";
import { encodeRefusal, encodeRouted, RESPONSE_HEADERS_ANSWER } from "./answers.ts";
import { cutBody } from "./body.ts";
import { PATH_DEFAULT, PATH_HEADERS, REQUEST_ID } from "./names.ts";
import type { CloseReason, ExtProcHandler, ExtProcStream } from "./transport/transport.ts";

export interface ConversationContext {
  readonly director: Director;
  readonly newRequestId: () => string;
  readonly onRefusal: (error: EppError) => void;
  /** A message that is malformed or out of order; the stream ends with it. */
  readonly onProtocolError: (message: string) => void;
  readonly onStreamOpened: () => void;
  readonly onStreamClosed: () => void;
}

type Phase = "headers" | "body" | "deciding" | "routed" | "closed";

const WANTED_HEADERS = new HeaderNames([REQUEST_ID, ...PATH_HEADERS]);

export class Conversation implements ExtProcHandler {
  readonly #stream: ExtProcStream;
  readonly #context: ConversationContext;
  #phase: Phase = "headers";
  #request: InferenceRequest | undefined;
  #newRequestId: string | undefined;
  #body: Buffer[] = [];
  #bodySize = 0;
  #endsWithTrailers = false;
  #isHalfClosed = false;

  constructor(stream: ExtProcStream, context: ConversationContext) {
    this.#stream = stream;
    this.#context = context;
    context.onStreamOpened();
  }

  onMessage(bytes: Buffer): void {
    try {
      this.#dispatch(bytes);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#failProtocol(`malformed message: ${error.message}`);
    }
  }

  onHalfClose(): void {
    this.#isHalfClosed = true;
    if (this.#phase !== "deciding") this.#end();
  }

  onClose(_reason: CloseReason): void {
    this.#phase = "closed";
    this.#body = [];
    this.#request?.finish();
    this.#context.onStreamClosed();
  }

  #dispatch(bytes: Buffer): void {
    const message = decodeProcessingRequest(bytes);
    switch (message.kind) {
      case "requestHeaders":
        this.#onRequestHeaders(message);
        break;
      case "requestBody":
        this.#onRequestBody(message);
        break;
      case "requestTrailers":
        this.#onRequestTrailers();
        break;
      case "responseHeaders":
        this.#stream.send(RESPONSE_HEADERS_ANSWER);
        break;
      case "responseBody":
        this.#sendBody("response", [message.body], message.endOfStream);
        break;
      case "responseTrailers":
        this.#stream.send(encodeTrailersResponse("response"));
        break;
      case "unknown":
        break;
    }
  }

  #onRequestHeaders({ headers, endOfStream }: HeadersMessage): void {
    if (this.#phase !== "headers") return this.#failProtocol("request headers came twice");
    const [requestId, ...paths] = findHeaders(headers, WANTED_HEADERS);
    if (requestId === undefined) this.#newRequestId = this.#context.newRequestId();
    this.#request = this.#context.director.open({
      path: paths.find((path) => path !== undefined) ?? PATH_DEFAULT,
      requestId: requestId ?? this.#newRequestId ?? "",
    });
    this.#phase = "body";
    if (endOfStream) this.#complete();
  }

  #onRequestBody({ body, endOfStream }: BodyMessage): void {
    if (this.#phase === "closed") return;
    if (this.#phase !== "body") return this.#failProtocol("a request body came without headers, or after its end");
    const refusal = this.#request?.feed(body, endOfStream);
    if (refusal !== undefined) return this.#refuse(refusal);
    this.#body.push(body);
    this.#bodySize += body.length;
    if (endOfStream) this.#complete();
  }

  /** Trailers end a body whose last piece did not say so. */
  #onRequestTrailers(): void {
    if (this.#phase === "closed") return;
    if (this.#phase !== "body") return this.#failProtocol("request trailers came without headers, or after the end");
    this.#endsWithTrailers = true;
    const refusal = this.#bodySize > 0 ? this.#request?.feed(EMPTY, true) : undefined;
    if (refusal !== undefined) return this.#refuse(refusal);
    this.#complete();
  }

  #complete(): void {
    this.#phase = "deciding";
    this.#request?.complete((outcome) => this.#answer(outcome));
  }

  #answer(outcome: Outcome): void {
    if (this.#phase === "closed") return;
    if (outcome instanceof EppError) return this.#refuse(outcome);
    const { hostPort } = outcome;
    this.#stream.send(encodeRouted({ hostPort, bodySize: this.#bodySize, newRequestId: this.#newRequestId }));
    if (this.#body.length > 0) this.#sendBody("request", this.#body, !this.#endsWithTrailers);
    if (this.#endsWithTrailers) this.#stream.send(encodeTrailersResponse("request"));
    this.#body = [];
    this.#phase = "routed";
    if (this.#isHalfClosed) this.#end();
  }

  #sendBody(phase: "request" | "response", pieces: readonly Buffer[], endOfStream: boolean): void {
    const groups = cutBody(pieces);
    for (const [index, group] of groups.entries()) {
      this.#stream.send(encodeStreamedBodyResponse(phase, group, endOfStream && index === groups.length - 1));
    }
  }

  #refuse(error: EppError): void {
    this.#context.onRefusal(error);
    this.#stream.send(encodeRefusal(error));
    this.#end();
  }

  #failProtocol(message: string): void {
    this.#context.onProtocolError(message);
    this.#stream.fail(message);
  }

  #end(): void {
    this.#stream.end();
  }
}

const EMPTY = Buffer.alloc(0);
