/**
 * Makes a trace of each request from the same calls that its metrics are counted by, and passes those on.
 *
 *   gateway.request                       from the request's headers to the end of its stream
 *   └─ gateway.request_orchestration      from the body to the answer or refusal
 *      └─ run_scheduler_profile           in the scheduler
 *
 * A decision of the kernel is one span: filters, scorers and picker run in one call, and times that were not measured
 * are not made up. What they found stands in the span's attributes. A request that is not sampled makes no spans, but
 * its headers carry the caller's trace on.
 */
import {
  type Context,
  defaultTextMapGetter,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TextMapSetter,
  trace,
} from "@opentelemetry/api";
import type { Clock } from "../../base/clock.ts";
import type { ErrorCode } from "../../base/errors.ts";
import type {
  RequestClosed,
  RequestLabels,
  RequestMeter,
  RequestMetrics,
  ResponseHeadFacts,
  RoutedFacts,
  ScheduledFacts,
  TraceCarrier,
  TraceHeader,
} from "../request-metrics.ts";
import type { Tracing } from "./provider.ts";

export class TracedMetrics implements RequestMetrics {
  readonly readsTraceHeaders = true;
  readonly #inner: RequestMetrics;
  readonly #tracing: Tracing;
  readonly #clock: Clock;

  constructor(inner: RequestMetrics, tracing: Tracing, clock: Clock) {
    this.#inner = inner;
    this.#tracing = tracing;
    this.#clock = clock;
  }

  open(requestId: string, carrier?: TraceCarrier): RequestMeter {
    const { tracer, propagator } = this.#tracing;
    const caller = propagator.extract(ROOT_CONTEXT, carrier ?? {}, defaultTextMapGetter);
    const options = { kind: SpanKind.SERVER, startTime: this.#clock.nowMs() };
    const span = tracer.startSpan("gateway.request", options, caller);
    if (span.isRecording()) span.setAttribute("llm_d.request.id", requestId);
    return new TracedMeter(this.#inner.open(requestId), {
      tracing: this.#tracing,
      clock: this.#clock,
      span,
      context: trace.setSpan(caller, span),
    });
  }
}

interface OpenTrace {
  readonly tracing: Tracing;
  readonly clock: Clock;
  readonly span: Span;
  readonly context: Context;
}

class TracedMeter implements RequestMeter {
  readonly #inner: RequestMeter;
  readonly #trace: OpenTrace;
  readonly #isRecording: boolean;
  /** Open from the body to the answer. */
  #orchestration: Span | undefined;
  #isAnswered = false;
  #hasBegunResponse = false;

  constructor(inner: RequestMeter, opened: OpenTrace) {
    this.#inner = inner;
    this.#trace = opened;
    this.#isRecording = opened.span.isRecording();
  }

  get traceHeaders(): readonly TraceHeader[] {
    const headers: TraceHeader[] = [];
    const { tracing, context } = this.#trace;
    const setter: TextMapSetter<TraceHeader[]> = { set: (into, name, value) => into.push({ name, value }) };
    tracing.propagator.inject(context, headers, setter);
    return headers;
  }

  identify(labels: RequestLabels): void {
    this.#inner.identify(labels);
    if (!this.#isRecording) return;
    const { tracing, context, span, clock } = this.#trace;
    span.setAttributes({
      "gen_ai.request.model": labels.modelName,
      "llm_d.epp.target_model": labels.targetModelName,
      "llm_d.epp.fairness_id": labels.fairnessId,
      "llm_d.epp.priority": labels.priority,
    });
    if (this.#isAnswered) return;
    const options = { startTime: clock.nowMs() };
    this.#orchestration ??= tracing.tracer.startSpan("gateway.request_orchestration", options, context);
  }

  onScheduled(facts: ScheduledFacts): void {
    this.#inner.onScheduled(facts);
    if (!this.#isRecording) return;
    const { tracing, context, clock } = this.#trace;
    const { pick, durationMs } = facts;
    const nowMs = clock.nowMs();
    const parent = this.#orchestration === undefined ? context : trace.setSpan(context, this.#orchestration);
    const span = tracing.tracer.startSpan("run_scheduler_profile", { startTime: nowMs - (durationMs ?? 0) }, parent);
    if (pick === undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: "no candidate was left" });
    else {
      span.setAttributes({
        "llm_d.epp.candidate_count": pick.candidateCount,
        "llm_d.epp.prompt_blocks": pick.blockCount,
        "llm_d.epp.matched_blocks": pick.matchedBlocks,
        "llm_d.epp.slot": pick.slot,
        ...(pick.total !== undefined && { "llm_d.epp.score": pick.total }),
        ...(pick.scores !== undefined && pick.scores.length > 0 && { "llm_d.epp.scorer_scores": [...pick.scores] }),
      });
    }
    span.end(nowMs);
  }

  onRouted(facts: RoutedFacts): void {
    this.#inner.onRouted(facts);
    if (this.#isRecording) this.#trace.span.setAttribute("http.request.body.size", facts.requestSize);
  }

  onAnswered(): void {
    this.#inner.onAnswered();
    this.#endOrchestration();
  }

  onRefused(code: ErrorCode): void {
    this.#inner.onRefused(code);
    if (!this.#isRecording) return;
    const status = { code: SpanStatusCode.ERROR, message: code };
    this.#orchestration?.setStatus(status);
    this.#trace.span.setStatus(status).setAttribute("error.type", code);
    this.#endOrchestration();
  }

  onResponseHeaders(facts: ResponseHeadFacts): void {
    this.#inner.onResponseHeaders(facts);
    if (!this.#isRecording) return;
    const { span } = this.#trace;
    if (facts.status !== undefined) span.setAttribute("http.response.status_code", facts.status);
    span.setAttribute("llm_d.epp.streaming", facts.isStreaming);
  }

  onResponseChunk(size: number): void {
    this.#inner.onResponseChunk(size);
    if (!this.#isRecording || this.#hasBegunResponse || size === 0) return;
    this.#hasBegunResponse = true;
    this.#trace.span.addEvent("first response bytes", this.#trace.clock.nowMs());
  }

  onResponseChunkDone(): void {
    this.#inner.onResponseChunkDone();
  }

  onClosed(facts: RequestClosed): void {
    this.#inner.onClosed(facts);
    if (!this.#isRecording || !this.#trace.span.isRecording()) return;
    const { usage } = facts;
    const { span, clock } = this.#trace;
    if (usage?.promptTokens !== undefined) span.setAttribute("gen_ai.usage.input_tokens", usage.promptTokens);
    if (usage?.completionTokens !== undefined) span.setAttribute("gen_ai.usage.output_tokens", usage.completionTokens);
    if (usage?.cachedTokens !== undefined) span.setAttribute("llm_d.usage.cached_tokens", usage.cachedTokens);
    this.#endOrchestration();
    span.end(clock.nowMs());
  }

  #endOrchestration(): void {
    this.#isAnswered = true;
    this.#orchestration?.end(this.#trace.clock.nowMs());
    this.#orchestration = undefined;
  }
}
