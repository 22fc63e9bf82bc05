/**
 * One HTTP exchange through the picker, as Envoy does it with ext_proc in body mode FULL_DUPLEX_STREAMED and trailers
 * sent: everything goes to the picker as it comes, and goes on when the picker returns it.
 *
 *   picking ──────► forwarding ──────────► answering ────────► streaming ──► done
 *   the request     picked: the request    the response has    the picker has answered
 *   is with the     goes to the model      begun: its headers  them: the response goes
 *   picker          server                 are with the picker to the client
 *
 * From each state an immediate response, a failure or a client that leaves goes to done, where everything that is open
 * is closed, in one place. A picker that ends its stream early is tolerated where nothing is lost by it
 * (`#onPickerEnd`).
 */
import {
  type Agent,
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { Clock } from "../base/clock.ts";
import { BODY_SEND_MODE, RESPONSE_STATUS } from "../wire/ext-proc/fields.ts";
import { encodeProcessingRequest } from "../wire/ext-proc/request-encoder.ts";
import type { CommonResponse, ImmediateResponse, ProcessingResponse } from "../wire/ext-proc/response-decoder.ts";
import { BodyLane } from "./body-lane.ts";
import type { ExchangeOutcome, ExchangeRecord } from "./exchange-record.ts";
import { canHaveBody, hasBody, localHeaders, promisedSize, upstreamHeaders } from "./http-framing.ts";
import {
  DESTINATION_HEADER,
  findHttpHeader,
  type HostPort,
  type HttpHeader,
  mutateHeaders,
  parseDestination,
  requestHeaders,
  responseHeaders,
  toHeaderPairs,
  toRawHeaders,
} from "./http-headers.ts";
import type { PickerCall, PickerClient } from "./picker-call.ts";

/** What the exchanges of one proxy share. */
export interface ExchangeEnvironment {
  readonly picker: PickerClient;
  readonly agent: Agent;
  readonly clock: Clock;
  readonly newRequestId: () => string;
  /** Go on without a picker that fails, where nothing is lost by it. */
  readonly failureModeAllow: boolean;
  /** Where requests go that have no pick. Without one they are answered with 503. */
  readonly fallback: HostPort | undefined;
  readonly onDone: (record: ExchangeRecord) => void;
}

/** Begins at once: the request's headers go to the picker, and its body follows as it comes. `onDone` tells the end. */
export function beginExchange(
  environment: ExchangeEnvironment,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  new Exchange(environment, request, response);
}

type State = "picking" | "forwarding" | "answering" | "streaming" | "done";

class Exchange {
  readonly #environment: ExchangeEnvironment;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #requestLane: BodyLane;
  readonly #requestHeaders: readonly HttpHeader[];
  readonly #hasRequestBody: boolean;
  readonly #call: PickerCall;
  readonly #beginMs: number;
  #state: State = "picking";
  #hasPickerEnded = false;
  #upstream: ClientRequest | undefined;
  #upstreamResponse: IncomingMessage | undefined;
  #responseLane: BodyLane | undefined;
  #responseHeaders: readonly HttpHeader[] = [];
  #hasResponseBody = false;
  /** Size of the body that its sink was promised, per direction. */
  #requestSizePromised: number | undefined;
  #responseSizePromised: number | undefined;
  #destination: HostPort | undefined;
  #pickMs: number | undefined;
  #firstByteMs: number | undefined;

  constructor(environment: ExchangeEnvironment, request: IncomingMessage, response: ServerResponse) {
    this.#environment = environment;
    this.#request = request;
    this.#response = response;
    this.#beginMs = environment.clock.nowMs();
    this.#requestHeaders = requestHeaders(request, environment.newRequestId);
    this.#hasRequestBody = hasBody(request, true);
    this.#call = environment.picker.open({
      onResponse: (answer) => this.#onAnswer(answer),
      onDrain: () => this.#onPickerDrain(),
      onEnd: (failure) => this.#onPickerEnd(failure),
    });
    this.#requestLane = new BodyLane("request", request, (message) => this.#call.send(message));
    this.#call.send(
      encodeProcessingRequest({
        kind: "requestHeaders",
        headers: toHeaderPairs(this.#requestHeaders),
        endOfStream: !this.#hasRequestBody,
        protocolConfig: {
          requestBodyMode: BODY_SEND_MODE.fullDuplexStreamed,
          responseBodyMode: BODY_SEND_MODE.fullDuplexStreamed,
        },
      }),
    );
    if (this.#hasRequestBody) this.#requestLane.start();
    else request.resume();
    response.on("finish", () => this.#finish("completed"));
    response.on("close", () => this.#finish("client-left"));
  }

  #onAnswer(answer: ProcessingResponse): void {
    if (this.#state === "done") return;
    switch (answer.kind) {
      case "requestHeaders":
        this.#onPicked(answer.common);
        break;
      case "responseHeaders":
        this.#onResponseHeadersAnswered(answer.common);
        break;
      case "requestBody":
        this.#deliverRequest(answer.common);
        break;
      case "responseBody":
        this.#deliverResponse(answer.common);
        break;
      case "requestTrailers":
        if (this.#upstream === undefined) this.#failPicker("an answer to the trailers before one to the headers");
        else this.#requestLane.deliverTrailers(answer.headerMutation);
        break;
      case "responseTrailers":
        this.#responseLane?.deliverTrailers(answer.headerMutation);
        break;
      case "immediateResponse":
        this.#onImmediate(answer.immediate);
        break;
      case "streamedImmediateResponse":
        this.#failPicker("a streamed immediate response is not supported");
        break;
      default:
    }
  }

  #onPicked(answer: CommonResponse): void {
    if (this.#state !== "picking") return this.#failPicker("a second answer to the request's headers");
    if (answer.status !== RESPONSE_STATUS.continue) return this.#failPicker("CONTINUE_AND_REPLACE of a streamed body");
    this.#pickMs = this.#elapsedMs();
    this.#requestLane.release();
    const headers = mutateHeaders(this.#requestHeaders, answer.headerMutation);
    const destination = parseDestination(findHttpHeader(headers, DESTINATION_HEADER));
    if (destination === undefined) this.#fail("picker-failed", 503, "no healthy upstream: the picker named no address");
    else this.#forward(destination, headers);
  }

  /** Opens the request to the model server. */
  #forward(destination: HostPort, headers: readonly HttpHeader[]): void {
    this.#state = "forwarding";
    this.#destination = destination;
    this.#requestSizePromised = promisedSize(headers);
    if (!this.#hasRequestBody && this.#requestSizePromised !== undefined && this.#requestSizePromised !== 0) {
      return this.#failPicker("a content-length for a request without a body");
    }
    let upstream: ClientRequest;
    try {
      upstream = httpRequest({
        host: destination.host,
        port: destination.port,
        agent: this.#environment.agent,
        method: findHttpHeader(headers, ":method"),
        path: findHttpHeader(headers, ":path"),
        headers: upstreamHeaders(headers, this.#hasRequestBody),
        setHost: false,
      });
    } catch (error) {
      return this.#failPicker(`the picker's headers are not HTTP: ${(error as Error).message}`);
    }
    this.#upstream = upstream;
    upstream.on("response", (response) => this.#onUpstreamResponse(response));
    upstream.on("error", (error) => this.#onUpstreamFailure(error.message));
    this.#requestLane.attachSink(upstream, () => this.#call.resume());
    if (!this.#hasRequestBody) upstream.end();
  }

  #deliverRequest(answer: CommonResponse): void {
    if (this.#upstream === undefined) return this.#failPicker("an answer to the body before one to the headers");
    const hasRoom = this.#deliver(this.#requestLane, answer, this.#requestSizePromised);
    // Once a response may come, its answers stand behind this one in the stream: waiting here could wait for ever. What
    // the picker still holds of the request then waits in memory instead.
    if (!hasRoom && this.#state === "forwarding") this.#call.pause();
  }

  #onUpstreamResponse(response: IncomingMessage): void {
    if (this.#state !== "forwarding") return;
    this.#state = "answering";
    this.#call.resume();
    this.#upstreamResponse = response;
    this.#responseHeaders = responseHeaders(response);
    this.#hasResponseBody = canHaveBody(response, this.#request.method) && hasBody(response, false);
    const lane = new BodyLane("response", response, (message) => this.#call.send(message));
    this.#responseLane = lane;
    response.on("error", (error) => this.#onUpstreamFailure(error.message));
    if (this.#hasPickerEnded) this.#answerDirectly("");
    else {
      this.#call.send(
        encodeProcessingRequest({
          kind: "responseHeaders",
          headers: toHeaderPairs(this.#responseHeaders),
          endOfStream: !this.#hasResponseBody,
        }),
      );
    }
    if (this.#hasResponseBody) lane.start();
    else response.resume();
  }

  #onResponseHeadersAnswered(answer: CommonResponse): void {
    if (this.#state !== "answering") return this.#failPicker("an unexpected answer to the response's headers");
    if (answer.status !== RESPONSE_STATUS.continue) return this.#failPicker("CONTINUE_AND_REPLACE of a streamed body");
    this.#responseLane?.release();
    this.#answer(mutateHeaders(this.#responseHeaders, answer.headerMutation));
  }

  /** Without the picker, which left for that reason: the headers as they came, and the body with them. */
  #answerDirectly(reason: string): void {
    const lane = this.#responseLane as BodyLane;
    if (!lane.canGoDirect) return this.#failPicker(reason);
    if (this.#answer(this.#responseHeaders) && this.#hasResponseBody) lane.goDirect();
  }

  /** Sends the head of the response to the client. False when it cannot be sent: the exchange has then failed. */
  #answer(headers: readonly HttpHeader[]): boolean {
    this.#state = "streaming";
    this.#firstByteMs = this.#elapsedMs();
    this.#responseSizePromised = promisedSize(headers);
    try {
      this.#response.writeHead(Number(findHttpHeader(headers, ":status")), toRawHeaders(headers));
    } catch (error) {
      this.#failPicker(`the picker's headers are not HTTP: ${(error as Error).message}`);
      return false;
    }
    this.#responseLane?.attachSink(this.#response, () => {});
    // Sends the head now. Node's `flushHeaders` would do it as UTF-8, which is not what came.
    if (this.#hasResponseBody) this.#response.write(Buffer.alloc(0));
    else this.#response.end();
    return true;
  }

  #deliverResponse(answer: CommonResponse): void {
    if (this.#state !== "streaming") return this.#failPicker("an answer to the body before one to the headers");
    const lane = this.#responseLane as BodyLane;
    if (!this.#deliver(lane, answer, this.#responseSizePromised)) lane.pause("sink");
  }

  /** False when the sink is full. */
  #deliver(lane: BodyLane, { bodyMutation }: CommonResponse, sizePromised: number | undefined): boolean {
    if (bodyMutation?.kind !== "streamed") {
      this.#failPicker("an answer to a streamed body that is not streamed");
      return true;
    }
    const size = lane.sinkSize + bodyMutation.body.length;
    const isWrong = bodyMutation.endOfStream ? size !== sizePromised : size > (sizePromised ?? size);
    if (sizePromised !== undefined && isWrong) {
      this.#failPicker(`a body of ${size} bytes under a content-length of ${sizePromised}`);
      return true;
    }
    return lane.deliver(bodyMutation.body, bodyMutation.endOfStream);
  }

  #onImmediate(immediate: ImmediateResponse): void {
    if (this.#response.headersSent) return this.#fail("immediate", 0, "an immediate response after the head");
    const status = immediate.status >= 200 && immediate.status <= 599 ? immediate.status : 500;
    const headers = mutateHeaders(localHeaders(immediate.body), immediate.headers);
    try {
      this.#response.writeHead(status, toRawHeaders(headers));
    } catch (error) {
      return this.#failPicker(`the picker's headers are not HTTP: ${(error as Error).message}`);
    }
    this.#response.end(immediate.body);
    this.#finish("immediate");
  }

  #onPickerDrain(): void {
    this.#requestLane.resume("picker");
    this.#responseLane?.resume("picker");
  }

  /** The stream is over, well (`failure` is undefined) or not. Goes on without the picker where nothing is lost. */
  #onPickerEnd(failure: string | undefined): void {
    this.#hasPickerEnded = true;
    if (this.#state === "done") return;
    const reason = failure ?? "the picker ended the stream early";
    if (failure !== undefined && !this.#environment.failureModeAllow) return this.#failPicker(reason);
    switch (this.#state) {
      case "picking":
        return this.#goOnUnpicked(reason);
      case "forwarding":
        if (this.#hasRequestBody && !this.#requestLane.hasSinkEnded) this.#failPicker(reason);
        break;
      case "answering":
        return this.#answerDirectly(reason);
      case "streaming":
        if (this.#responseLane?.hasSinkEnded === false && this.#hasResponseBody) this.#failPicker(reason);
    }
  }

  #goOnUnpicked(reason: string): void {
    const { fallback } = this.#environment;
    if (fallback === undefined) return this.#fail("picker-failed", 503, `no healthy upstream: ${reason}`);
    if (!this.#requestLane.canGoDirect) return this.#failPicker(reason);
    this.#forward(fallback, this.#requestHeaders);
    if (this.#hasRequestBody && this.#upstream !== undefined) this.#requestLane.goDirect();
  }

  #onUpstreamFailure(reason: string): void {
    if (this.#state === "done") return;
    const detail = `upstream connect error or disconnect/reset before headers: ${reason}`;
    this.#fail("upstream-failed", 503, this.#upstreamResponse === undefined ? detail : reason);
  }

  /** Envoy's status for a picker that fails or breaks the protocol. */
  #failPicker(reason: string): void {
    this.#fail("picker-failed", 500, reason);
  }

  /** Answers with the status while nothing has been sent, and breaks the connection otherwise. */
  #fail(outcome: ExchangeOutcome, status: number, detail: string): void {
    if (this.#state === "done") return;
    if (this.#response.headersSent) this.#response.destroy();
    else {
      const body = Buffer.from(detail);
      this.#response.writeHead(status, toRawHeaders(localHeaders(body)));
      this.#response.end(body);
    }
    this.#finish(outcome, detail);
  }

  /** The one way out: closes whatever is still open, and tells. */
  #finish(outcome: ExchangeOutcome, detail?: string): void {
    if (this.#state === "done") return;
    this.#state = "done";
    if (outcome === "completed" && this.#isRequestThrough()) this.#call.end();
    else this.#call.cancel();
    this.#requestLane.discard();
    this.#responseLane?.discard();
    // A response that has been read to its end has given its connection back to the agent.
    if (this.#upstreamResponse?.complete !== true || !this.#isRequestThrough()) this.#upstream?.destroy();
    this.#environment.onDone(this.#record(outcome, detail));
  }

  /** A model server can answer before it has read its request. */
  #isRequestThrough(): boolean {
    return !this.#hasRequestBody || this.#requestLane.hasSinkEnded;
  }

  #record(outcome: ExchangeOutcome, detail: string | undefined): ExchangeRecord {
    const find = (name: string): string => findHttpHeader(this.#requestHeaders, name) ?? "";
    const { host, port } = this.#destination ?? {};
    return {
      requestId: find("x-request-id"),
      method: find(":method"),
      path: find(":path"),
      outcome,
      detail,
      status: this.#response.headersSent ? this.#response.statusCode : undefined,
      destination: host === undefined ? undefined : `${host.includes(":") ? `[${host}]` : host}:${port}`,
      pickMs: this.#pickMs,
      firstByteMs: this.#firstByteMs,
      totalMs: this.#elapsedMs(),
      requestSize: this.#requestLane.sourceSize,
      responseSize: this.#responseLane?.sinkSize ?? 0,
    };
  }

  #elapsedMs(): number {
    return this.#environment.clock.nowMs() - this.#beginMs;
  }
}
