/**
 * One request from its headers to the end of its stream, and the one place where what it claimed is returned.
 *
 *   receiving ──complete──► deciding ──picked──► routed ──finish──► finished
 *       │                      │  └─no endpoint─► refused ─finish──►    ▲
 *       └──fault─► refused     └──────finish (charge is returned when the decision comes)
 *
 * It claims a stream window while the body arrives and is decided, and a charge on the picked endpoint from the pick to
 * the end of the stream. `finish` may come at any time, from any cause, and more than once.
 */
import { EppError } from "../base/errors.ts";
import { readGrpcBody } from "../parsing/grpc-body.ts";
import type { ParserDefinition, PromptFinder } from "../parsing/parser.ts";
import { refuseBody } from "../parsing/scan-faults.ts";
import { layout } from "../wasm/layout.ts";
import type { BodyFacts, Pick, ScoredCandidate } from "../wasm/shard-memory.ts";
import type { DirectorContext, TerminationCause } from "./context.ts";
import type { Decision } from "./decision-queue.ts";
import type { RequestMeter, TraceCarrier } from "./request-metrics.ts";
import { ResponseObserver } from "./response.ts";

export interface RequestOptions {
  /** Undefined when no parser takes the request's path: then it may have no body. */
  readonly parser: ParserDefinition | undefined;
  readonly requestId: string;
  /** Model to send the request on under; as in the body when absent. */
  readonly rewriteModelTo?: string | undefined;
  /** The request has no body: it is routed, but counted in no metric, as in the Go picker. */
  readonly isBodyless?: boolean;
  /** The caller's trace, where it is looked for. */
  readonly trace?: TraceCarrier | undefined;
}

/** Of requests that name no flow. */
const FAIRNESS_ID_DEFAULT = "default-flow";

/** A span of the body to be replaced before it is sent on. */
export interface BodyEdit {
  readonly start: number;
  readonly end: number;
  readonly replacement: Buffer;
}

export interface Routed {
  readonly pick: Pick;
  readonly edit: BodyEdit | undefined;
  /** All candidates with their totals, when they are to be told to the proxy. */
  readonly candidates: readonly ScoredCandidate[] | undefined;
  /** The response is of no interest: the stream ends with this answer. */
  readonly skipsResponse: boolean;
}

/** Whether bytes end the body. `may-be-cut`: they are all that the proxy shows, which may be less than the body. */
export type BodyPlace = "more" | "last" | "may-be-cut";

export type Outcome = Routed | EppError;

type State = "receiving" | "deciding" | "routed" | "refused" | "finished";

export class InferenceRequest {
  readonly #context: DirectorContext;
  readonly #options: RequestOptions;
  readonly #policy: number;
  readonly #receivedAtMs: number;
  /** Counts this request; undefined when it is not counted. */
  readonly meter: RequestMeter | undefined;
  #state: State = "receiving";
  #window: number | undefined;
  #bodySize = 0;
  /** The body so far, where it is read once it is whole. */
  #pieces: Buffer[] = [];
  /** The proxy showed only the beginning of the body; the decision is made on that. */
  #isCut = false;
  #model: string | undefined;
  #asksForStream = false;
  #edit: BodyEdit | undefined;
  #pick: Pick | undefined;
  #response: ResponseObserver | undefined;

  constructor(context: DirectorContext, options: RequestOptions) {
    this.#context = context;
    this.#options = options;
    this.#policy = context.memory.activePolicy;
    this.#receivedAtMs = context.clock.nowMs();
    this.meter = options.isBodyless === true ? undefined : context.metrics?.open(options.requestId, options.trace);
  }

  /** Takes the next bytes of the body. Returns why the request is refused, if it is. */
  feed(bytes: Buffer, place: BodyPlace): EppError | undefined {
    if (this.#state !== "receiving") return undefined;
    this.#bodySize += bytes.length;
    const { requestBodySizeMax } = this.#context.limits;
    if (this.#bodySize > requestBodySizeMax) {
      return this.#refuse(new EppError("PayloadTooLarge", `request body is larger than ${requestBodySizeMax} bytes`));
    }
    const { parser } = this.#options;
    if (parser === undefined) return this.#refuse(new EppError("BadRequest", "no parser is configured for this path"));
    switch (parser.body.kind) {
      case "json":
        return this.#scan(parser.body.api, bytes, place);
      case "grpc":
        return this.#gather(parser.body.findPrompt, bytes, place);
      case "unread":
        return undefined;
    }
  }

  /**
   * The body is complete: checks what it must have and asks for a decision, which comes within this event-loop turn.
   * `addresses`: where the request may go; anywhere when undefined.
   */
  complete(addresses: readonly string[] | undefined, answer: (outcome: Outcome) => void): void {
    if (this.#state !== "receiving") return;
    const fault = this.#readBody();
    this.#identify();
    if (fault !== undefined) {
      answer(this.#refuse(fault));
      return;
    }
    this.#state = "deciding";
    const { prng, decisions, clock } = this.#context;
    const completedAtMs = clock.nowMs();
    const seed = { seedLow: prng.nextU32(), seedHigh: prng.nextU32() };
    decisions.push({ window: this.#window, policy: this.#policy, ...seed, addresses }, (decision) => {
      this.#releaseWindow();
      if (this.#state === "finished") return this.#returnLate(decision);
      const outcome = this.#take(decision);
      this.#measure(decision);
      if (!(outcome instanceof EppError)) this.#report(outcome.pick, decision, completedAtMs);
      answer(outcome);
    });
  }

  /** The body asks for a streamed response. */
  get asksForStream(): boolean {
    return this.#asksForStream;
  }

  /** What watches the response of this request. */
  get response(): ResponseObserver {
    const sent = this.#options.rewriteModelTo;
    this.#response ??= new ResponseObserver({
      usageFormat: this.#options.parser?.usageFormat,
      nowMs: () => this.#context.clock.nowMs(),
      rename: this.#edit === undefined ? undefined : { sent: sent ?? "", asked: this.#model ?? "" },
    });
    return this.#response;
  }

  /** The endpoint's address as picked; undefined before the pick and after a refusal. */
  get hostPort(): string | undefined {
    return this.#pick?.hostPort;
  }

  /** The stream is over: returns everything that is still claimed, and reports the end. Only the first call counts. */
  finish(isCancelled: boolean): void {
    if (this.#state === "finished") return;
    const stateBefore = this.#state;
    this.#state = "finished";
    if (stateBefore !== "deciding") {
      this.#releaseWindow();
      this.#releaseCharge();
    }
    const response = this.#response?.facts();
    const isDone = response?.isComplete === true || (stateBefore === "routed" && this.#skipsResponse);
    const { onFinished, clock } = this.#context;
    this.meter?.onClosed({ isComplete: response?.isComplete === true, usage: response?.usage });
    onFinished({
      cause: causeOf(stateBefore, isDone, isCancelled),
      requestId: this.#options.requestId,
      model: this.#model,
      response,
      durationMs: clock.nowMs() - this.#receivedAtMs,
    });
  }

  /** Scans the next bytes of the body, or of the prompt in it, which begins at `start`. */
  #scan(api: number, bytes: Buffer, place: BodyPlace, start = 0): EppError | undefined {
    this.#window ??= this.#context.memory.acquireWindow(api, this.#policy);
    if (this.#window === undefined) {
      const message = "too many request bodies are arriving at once; try again";
      return this.#refuse(new EppError("ResourceExhausted", message, { droppedReason: "rejected-saturated" }));
    }
    const fault = this.#context.memory.feed(this.#window, bytes, place !== "more");
    if (fault === undefined) return undefined;
    this.#isCut = place === "may-be-cut" && fault.result === layout.SCAN_CUT;
    return this.#isCut ? undefined : this.#refuse(refuseBody({ ...fault, offset: start + fault.offset }));
  }

  /** Keeps the body until it is whole, then scans the prompt in it. */
  #gather(findPrompt: PromptFinder, bytes: Buffer, place: BodyPlace): EppError | undefined {
    this.#pieces.push(bytes);
    if (place === "more") return undefined;
    const body = this.#pieces.length === 1 ? bytes : Buffer.concat(this.#pieces);
    this.#pieces = [];
    const prompt = readGrpcBody(body, findPrompt);
    if (typeof prompt === "string") {
      this.#isCut = place === "may-be-cut";
      return this.#isCut ? undefined : this.#refuse(new EppError("BadRequest", prompt));
    }
    const isView = prompt.bytes.buffer === body.buffer;
    const start = isView ? prompt.bytes.byteOffset - body.byteOffset : 0;
    const refusal = this.#scan(prompt.api, prompt.bytes, "last", start);
    if (refusal === undefined && this.#window !== undefined) this.#context.memory.addFacts(this.#window, prompt);
    return refusal;
  }

  #readBody(): EppError | undefined {
    const { parser, rewriteModelTo } = this.#options;
    if (parser === undefined || this.#window === undefined) return undefined;
    const facts = this.#context.memory.facts(this.#window);
    // Where a model is optional, an empty name is none.
    this.#model = facts.model || undefined;
    this.#asksForStream = facts.isStream;
    const missing = this.#isCut ? undefined : parser.findMissing(facts);
    if (missing !== undefined) return new EppError("BadRequest", missing);
    if (rewriteModelTo !== undefined && rewriteModelTo !== facts.model) return this.#rewrite(facts, rewriteModelTo);
    return undefined;
  }

  #identify(): void {
    const modelName = this.#model ?? "";
    const targetModelName = this.#options.rewriteModelTo ?? modelName;
    this.meter?.identify({ modelName, targetModelName, fairnessId: FAIRNESS_ID_DEFAULT, priority: 0 });
  }

  /**
   * The prompt belongs to the model that the request is sent on under. The body says so, too, where it names a model
   * and the name can be exchanged: inside of a message, sizes would change that stand before it.
   */
  #rewrite({ model, modelSpan }: BodyFacts, name: string): EppError | undefined {
    const { modelSizeMax } = this.#context.limits;
    if (Buffer.byteLength(name) > modelSizeMax) {
      return new EppError("BadRequest", `the model name to rewrite to has more than ${modelSizeMax} bytes`);
    }
    const isFramed = this.#options.parser?.body.kind === "grpc";
    if (model !== undefined && isFramed) return undefined;
    if (this.#window !== undefined) this.#context.memory.setModel(this.#window, name);
    if (model === undefined) {
      this.#model = name;
      return undefined;
    }
    this.#edit = { ...modelSpan, replacement: Buffer.from(JSON.stringify(name).slice(1, -1)) };
    return undefined;
  }

  #take({ pick, candidates }: Decision): Outcome {
    this.#pick = pick;
    if (pick === undefined) {
      const message = "failed to find endpoint candidates for serving the request";
      return this.#refuse(new EppError("ServiceUnavailable", message, { droppedReason: "rejected-no-endpoints" }));
    }
    this.#state = "routed";
    return { pick, edit: this.#edit, candidates, skipsResponse: this.#skipsResponse };
  }

  #measure({ pick, batchMs }: Decision): void {
    if (this.meter === undefined || pick === undefined) return;
    const blockSize = this.#context.memory.blockSize(this.#policy);
    this.meter.onScheduled({ pick, blockSize, durationMs: batchMs });
    this.meter.onRouted({ slot: pick.slot, tokens: pick.tokens, requestSize: this.#bodySize });
  }

  get #skipsResponse(): boolean {
    return this.#options.parser?.skipsResponse === true;
  }

  /** The stream was over before the decision came. */
  #returnLate({ pick }: Decision): void {
    this.#pick = pick;
    this.#releaseCharge();
  }

  #refuse(error: EppError): EppError {
    this.#state = "refused";
    this.#releaseWindow();
    return error;
  }

  #report(pick: Pick, decision: Decision, completedAtMs: number): void {
    const { clock, onUnknownName, onDecision } = this.#context;
    const model = this.#edit === undefined ? this.#model : this.#options.rewriteModelTo;
    if (pick.nameNumber === 0 && model !== undefined) onUnknownName(model);
    if (onDecision === undefined) return;
    const nowMs = clock.nowMs();
    onDecision({
      requestId: this.#options.requestId,
      model,
      pick,
      policy: this.#policy,
      batchSize: decision.batchSize,
      decisionMs: decision.batchMs / decision.batchSize,
      pickMs: nowMs - completedAtMs,
      requestMs: nowMs - this.#receivedAtMs,
    });
  }

  #releaseWindow(): void {
    if (this.#window === undefined) return;
    this.#context.memory.releaseWindow(this.#window);
    this.#window = undefined;
  }

  #releaseCharge(): void {
    if (this.#pick === undefined) return;
    this.#context.memory.release(this.#pick);
    this.#pick = undefined;
  }
}

function causeOf(state: State, isDone: boolean, isCancelled: boolean): TerminationCause {
  if (state === "refused") return "refused";
  if (isDone) return "natural";
  return isCancelled ? "client-disconnect" : "error";
}
