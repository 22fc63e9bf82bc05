/**
 * One request from its headers to the end of its stream, and the one place where what it claimed is returned.
 *
 *   receiving ──complete──► deciding ──picked──► routed ──finish──► finished
 *       │                      │  └─refusal────► refused ─finish──►    ▲
 *       └──fault─► refused     └──────finish (charges are returned when the decision comes)
 *
 * It claims its policy from the headers to its end, a stream window while the body arrives and is decided, and a charge
 * on every picked endpoint from the pick to the end. `finish` may come at any time, from any cause, more than once.
 */
import { EppError } from "../base/errors.ts";
import { agentIdentity } from "../framework/attributes.ts";
import type { HeaderChange } from "../framework/request.ts";
import type { ParserDefinition } from "../parsing/parser.ts";
import type { Pick, PickRequest, ScoredCandidate } from "../wasm/shard-memory.ts";
import { admit } from "./admission.ts";
import type { DirectorContext } from "./context.ts";
import { kernelStages } from "./custom-stages.ts";
import type { Decision, QueuedPick } from "./decision-queue.ts";
import { causeOf } from "./outcome.ts";
import { PluginRun } from "./plugin-run.ts";
import type { HeldPolicy } from "./policy-set.ts";
import { type BodyEdit, type BodyPlace, RequestBody } from "./request-body.ts";
import type { RequestMeter } from "./request-metrics.ts";
import type { RequestOptions } from "./request-options.ts";
import { type HeaderLookup, PluginRequest } from "./request-view.ts";
import { type ResponseHeaders, ResponseObserver } from "./response.ts";
import { onlyResult, type Scheduled, schedule } from "./schedule.ts";

export type { BodyEdit, BodyPlace } from "./request-body.ts";

export interface Routed {
  readonly pick: Pick;
  readonly edit: BodyEdit | undefined;
  /** Headers to be set on the request, besides those that say where it goes. */
  readonly headers: readonly HeaderChange[];
  /** All candidates with their totals, when they are to be told to the proxy. */
  readonly candidates: readonly ScoredCandidate[] | undefined;
  /** The response is of no interest: the stream ends with this answer. */
  readonly skipsResponse: boolean;
}

export type Outcome = Routed | EppError;

/** Fairness id of a request that has none: the Go picker's. */
const FAIRNESS_ID_DEFAULT = "default-flow";

type State = "receiving" | "deciding" | "routed" | "refused" | "finished";

const NO_HEADERS: readonly HeaderChange[] = [];
const NO_HEADER: HeaderLookup = () => undefined;

export class InferenceRequest {
  readonly #context: DirectorContext;
  readonly #options: RequestOptions;
  readonly #parser: ParserDefinition | undefined;
  readonly #policy: HeldPolicy;
  readonly #body: RequestBody;
  readonly #priority: number;
  readonly #receivedAtMs: number;
  /** Set when a plugin of the policy looks at requests. */
  readonly #plugins: PluginRun | undefined;
  /** Counts this request; undefined when it is not counted. */
  readonly meter: RequestMeter | undefined;
  #state: State = "receiving";
  #addresses: readonly string[] | undefined;
  /** What is charged; the first one is the answer's. */
  #picks: readonly Pick[] = [];
  #response: ResponseObserver | undefined;
  #refusal: EppError | undefined;
  #hasAnswerBegun = false;

  constructor(
    context: DirectorContext,
    policy: HeldPolicy,
    parser: ParserDefinition | undefined,
    options: RequestOptions,
  ) {
    const { memory, limits, clock, objectives, metrics, fleet } = context;
    this.#context = context;
    this.#options = options;
    this.#parser = parser;
    this.#policy = policy;
    this.#receivedAtMs = clock.nowMs();
    this.#priority = objectives.priorityOf(options.objective);
    this.#body = new RequestBody({
      header: options.header ?? NO_HEADER,
      memory,
      policy: policy.number,
      videoTokensOf: policy.compiled.assetTokens.videoTokensOf,
      parser,
      rewriteModelTo: options.rewriteModelTo,
      limits,
    });
    this.meter = options.isBodyless === true ? undefined : metrics?.open(options.requestId, options.trace);
    const stages = policy.compiled.requestStages;
    this.#plugins = stages === undefined ? undefined : new PluginRun(stages, this.#newView(options), fleet);
    this.#plugins?.onRequest();
  }

  /** Takes the next bytes of the body. Returns why the request is refused, if it is. */
  feed(bytes: Buffer, place: BodyPlace): EppError | undefined {
    if (this.#state !== "receiving") return undefined;
    const fault = this.#body.feed(bytes, place);
    return fault === undefined ? undefined : this.#refuse(fault);
  }

  /**
   * The body is complete: checks what it must have and asks for a decision, which comes within this event-loop turn
   * unless several profiles run. `addresses`: where the request may go; anywhere when undefined.
   */
  complete(addresses: readonly string[] | undefined, answer: (outcome: Outcome) => void): void {
    if (this.#state !== "receiving") return;
    this.#addresses = addresses;
    const fault = this.#body.read();
    this.#identify();
    const refusal = fault ?? (this.#plugins !== undefined || this.#priority < 0 ? this.#admit() : undefined);
    if (refusal !== undefined) {
      answer(this.#refuse(refusal));
      return;
    }
    this.#state = "deciding";
    const { decisions, onDecision, clock } = this.#context;
    // Told in the log of decisions only.
    const completedAtMs = onDecision === undefined ? 0 : clock.nowMs();
    const onScheduled = (scheduled: Scheduled): void => this.#onScheduled(scheduled, completedAtMs, answer);
    const plugins = this.#plugins;
    if (plugins === undefined) {
      // A policy whose plugins do not look at requests has one profile, which the kernel runs.
      const request = this.#pickRequest(0);
      decisions.push({ request, stages: undefined, onDecided: (decision) => onScheduled(onlyResult(decision)) });
      return;
    }
    schedule({
      policy: this.#policy.compiled,
      decisions,
      plugins,
      pickOf: (profile) => this.#queuedPick(profile, plugins),
      isOver: () => this.#state === "finished",
      onScheduled,
    });
  }

  /** What watches the response of this request. */
  get response(): ResponseObserver {
    this.#response ??= new ResponseObserver({
      usageFormat: this.#parser?.usageFormat,
      clock: this.#context.clock,
      rename:
        this.#body.edit === undefined
          ? undefined
          : { sent: this.#options.rewriteModelTo ?? "", asked: this.#body.askedModel ?? "" },
    });
    return this.#response;
  }

  /** What the response's body is looked at for: everything, only the model's name, which is put back, or nothing. */
  get responseInterest(): "all" | "name" | "none" {
    if (this.#policy.compiled.responseBody === "observe") return "all";
    return this.#body.edit === undefined ? "none" : "name";
  }

  /** The body asks for a streamed response. */
  get asksForStream(): boolean {
    return this.#body.isStream;
  }

  /** The endpoint's address as picked; undefined before the pick and after a refusal. */
  get hostPort(): string | undefined {
    return this.#picks[0]?.hostPort;
  }

  /** The server has begun to answer. Returns headers to be set on the response. */
  onResponseHead({ status, servedBy }: ResponseHeaders): readonly HeaderChange[] {
    if (this.#plugins === undefined || this.#state !== "routed") return NO_HEADERS;
    return this.#plugins.onResponse({ status: status === undefined ? undefined : String(status), servedBy });
  }

  /**
   * The server has sent the first bytes of its answer's body: the prompt is computed, and its tokens are no load any
   * more. Where output is charged, too, all tokens stay until the end.
   */
  onResponseBegun(): void {
    if (this.#hasAnswerBegun || this.#state !== "routed") return;
    this.#hasAnswerBegun = true;
    if ((this.#policy.compiled.inFlightLoad?.outputRatio ?? 0) > 0) return;
    for (const pick of this.#picks) this.#context.memory.releaseTokens(pick);
  }

  /** The stream is over: returns everything that is still claimed, and reports the end. Only the first call counts. */
  finish(isCancelled: boolean): void {
    if (this.#state === "finished") return;
    const stateBefore = this.#state;
    const slot = this.#picks[0]?.slot;
    this.#state = "finished";
    if (stateBefore !== "deciding") {
      this.#body.release();
      this.#releaseCharges();
    }
    const response = this.#response?.facts();
    const isDone = response?.isComplete === true || (stateBefore === "routed" && this.#skipsResponse);
    const cause = causeOf({ isRefused: stateBefore === "refused", isDone, isCancelled });
    const usage = response?.usage;
    this.#plugins?.onEnd({
      cause,
      promptTokens: usage?.promptTokens,
      completionTokens: usage?.completionTokens,
    });
    const { onFinished, clock } = this.#context;
    this.meter?.onClosed({ isComplete: response?.isComplete === true, isUnseen: response?.isUnseen === true, usage });
    onFinished({
      cause,
      requestId: this.#options.requestId,
      model: this.#body.askedModel,
      slot,
      refusal: this.#refusal,
      requestSize: this.#body.size,
      response,
      durationMs: clock.nowMs() - this.#receivedAtMs,
      firstByteMs: response?.firstByteAtMs === undefined ? undefined : response.firstByteAtMs - this.#receivedAtMs,
    });
    if (stateBefore !== "deciding") this.#context.policies.release(this.#policy);
  }

  #newView({ requestId, path, header }: RequestOptions): PluginRequest {
    return new PluginRequest({
      requestId,
      path,
      priority: this.#priority,
      receivedAtMs: this.#receivedAtMs,
      header: header ?? NO_HEADER,
    });
  }

  #admit(): EppError | undefined {
    const { memory, clock, fleet } = this.#context;
    return admit({
      memory,
      clock,
      fleet,
      policy: this.#policy.number,
      window: this.#body.window,
      addresses: this.#addresses,
      priority: this.#priority,
      plugins: this.#plugins,
    });
  }

  /** Says whose request it is, as soon as the body is read. */
  #identify(): void {
    const { view } = this.#plugins ?? {};
    const attribute = view?.attribute(agentIdentity);
    const fairnessId = this.#options.fairnessId || (typeof attribute === "string" && attribute) || FAIRNESS_ID_DEFAULT;
    if (view !== undefined) {
      view.fairnessId = fairnessId;
      view.model = this.#body.sentModel;
      view.isStream = this.#body.isStream;
      view.bodySize = this.#body.size;
      view.promptTokens = this.#body.promptTokens;
    }
    this.meter?.identify({
      modelName: this.#body.askedModel ?? "",
      targetModelName: this.#body.sentModel ?? "",
      fairnessId,
      priority: this.#priority,
    });
  }

  #queuedPick(profile: number, plugins: PluginRun): Omit<QueuedPick, "onDecided"> {
    const { compiled } = this.#policy;
    const { memory, fleet } = this.#context;
    const custom = compiled.profiles[profile]?.custom;
    const request = this.#pickRequest(profile);
    if (custom === undefined) return { request, stages: undefined };
    const hostPortOf = (slot: number): string => memory.hostPort(slot);
    return { request, stages: kernelStages(custom, { request: plugins.view, fleet, hostPortOf }) };
  }

  #pickRequest(profile: number): PickRequest {
    const { number: policy, compiled } = this.#policy;
    const { prng } = this.#context;
    // A prompt that must not be computed anew is not noted: where it goes it is held, or else it does not go there.
    const recordsPrompt = compiled.prefixCache !== undefined && this.#options.wantsCached !== true;
    const base = {
      window: this.#body.window,
      policy,
      seedLow: prng.nextU32(),
      seedHigh: prng.nextU32(),
      addresses: this.#addresses,
      recordsPrompt,
    };
    const compiledProfile = compiled.profiles[profile];
    if (this.#plugins === undefined || compiledProfile === undefined) return base;
    return {
      ...base,
      profile,
      recordsPrompt: recordsPrompt && compiled.profileHandler.part.recordsPrompt?.(compiledProfile.name) !== false,
      masks: this.#plugins.masks(compiledProfile),
      sessions: this.#plugins.sessions(compiledProfile),
    };
  }

  #onScheduled(scheduled: Scheduled, completedAtMs: number, answer: (outcome: Outcome) => void): void {
    const { picks, outcome, decision, headers } = scheduled;
    this.#body.release();
    this.#picks = picks;
    if (this.#state === "finished") {
      // The stream was over before the decision came.
      this.#releaseCharges();
      this.#context.policies.release(this.#policy);
      return;
    }
    this.#meterScheduled(scheduled);
    const refusal = outcome instanceof EppError ? outcome : this.#refuseUncached(outcome.pick);
    if (refusal !== undefined || outcome instanceof EppError || decision === undefined) {
      answer(this.#refuse(refusal ?? new EppError("Internal", "a pick without a decision")));
      return;
    }
    const { pick, profile } = outcome;
    this.#state = "routed";
    // The answer's pick is the first: the response is compared with it.
    if (picks[0] !== pick) this.#picks = [pick, ...picks.filter((other) => other !== pick)];
    this.#report(pick, profile, decision, completedAtMs);
    answer({
      pick,
      edit: this.#body.edit,
      headers: this.#requestHeaders(pick, headers),
      candidates: decision.candidates,
      skipsResponse: this.#skipsResponse,
    });
  }

  /** The client wants its prompt where some of it is cached, or not at all. */
  #refuseUncached({ matchedBlocks }: Pick): EppError | undefined {
    if (this.#options.wantsCached !== true || matchedBlocks > 0) return undefined;
    return new EppError("PreconditionFailed", "no decode worker has the requested KV cache");
  }

  /** What trace, profile handler and hooks set on the request, in this order. */
  #requestHeaders(pick: Pick, fromHandler: readonly HeaderChange[]): readonly HeaderChange[] {
    const traced = this.meter?.traceHeaders ?? NO_HEADERS;
    const fromHooks =
      this.#plugins?.onPicked({
        id: this.#context.fleet.bySlot(pick.slot)?.id,
        slot: pick.slot,
        hostPort: pick.hostPort,
        matchedBlocks: pick.matchedBlocks,
        blockCount: pick.blockCount,
      }) ?? NO_HEADERS;
    if (traced.length + fromHandler.length + fromHooks.length === 0) return NO_HEADERS;
    return [...traced, ...fromHandler, ...fromHooks];
  }

  /** Not for a pool without endpoints: nothing was scheduled then. */
  #meterScheduled({ outcome, decision }: Scheduled): void {
    if (this.meter === undefined || decision === undefined || decision.decided.kind === "no-endpoints") return;
    const pick = outcome instanceof EppError ? undefined : outcome.pick;
    const { number, compiled } = this.#policy;
    const blockSize = compiled.prefixCache && this.#context.memory.blockSize(number);
    this.meter.onScheduled({ pick, blockSize, durationMs: decision.batchMs });
  }

  get #skipsResponse(): boolean {
    return this.#parser?.skipsResponse === true;
  }

  /** What it was charged is returned at once: nothing goes anywhere. */
  #refuse(error: EppError): EppError {
    this.#state = "refused";
    this.#refusal = error;
    this.#body.release();
    this.#releaseCharges();
    return error;
  }

  #report(pick: Pick, profile: number, decision: Decision, completedAtMs: number): void {
    const { clock, onUnknownName, onDecision } = this.#context;
    const model = this.#body.sentModel;
    this.meter?.onRouted({ slot: pick.slot, tokens: pick.tokens, requestSize: this.#body.size });
    if (pick.nameNumber === 0 && model !== undefined) onUnknownName(model);
    if (onDecision === undefined) return;
    const nowMs = clock.nowMs();
    onDecision({
      requestId: this.#options.requestId,
      model,
      pick,
      policy: this.#policy.number,
      profile,
      batchSize: decision.batchSize,
      decisionMs: decision.batchMs / decision.batchSize,
      pickMs: nowMs - completedAtMs,
      requestMs: nowMs - this.#receivedAtMs,
    });
  }

  #releaseCharges(): void {
    for (const pick of this.#picks) this.#context.memory.release(pick);
    this.#picks = [];
  }
}
