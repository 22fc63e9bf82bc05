/**
 * Counts requests on a shard: one meter per request, which adds to the cells of its labels as the request passes. What
 * a meter claims (a running request, what is in flight in an endpoint) it gives back when its stream is over.
 *
 * The director knows it by the interface `RequestMetrics`.
 */
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
  TokenUsage,
} from "../request-metrics.ts";
import {
  add,
  ERROR_CODES,
  FOLDED_KINDS,
  type FoldedKind,
  type HistogramColumns,
  MODEL_SERVER_ERROR,
  observe,
  REQUEST_COLUMNS,
  SHARED_COLUMNS,
} from "./columns.ts";
import { attemptKey, flowKey, NO_SLOT, requestKey, type ShardSeries } from "./shard-series.ts";

/** Labels until a body is read. The Go picker's names for the absence of a model and of a fairness id. */
const UNIDENTIFIED: RequestLabels = {
  modelName: "",
  targetModelName: "",
  fairnessId: "default-flow",
  priority: 0,
};

/**
 * Chunks whose handling is timed: the first ones each; of the others one stands for so many around it. Reading the
 * clock takes a tenth of what a chunk takes beside its transport (bench/micro/exchange).
 */
const CHUNKS_TIMED = 8;
const CHUNKS_PER_TIMED = 16;

export class RequestSeries implements RequestMetrics {
  readonly readsTraceHeaders = false;
  readonly #series: ShardSeries;
  readonly #clock: Clock;

  constructor(series: ShardSeries, clock: Clock) {
    this.#series = series;
    this.#clock = clock;
  }

  open(_requestId: string): RequestMeter {
    return new RequestSeriesMeter(this.#series, this.#clock);
  }
}

class RequestSeriesMeter implements RequestMeter {
  readonly traceHeaders: undefined;
  readonly #series: ShardSeries;
  readonly #clock: Clock;
  readonly #receivedAtMs: number;
  #labels: RequestLabels = UNIDENTIFIED;
  #priority = 0;
  #fairnessId = 0;
  #target = 0;
  /** First cell of the labels' row; undefined until something is counted under them. */
  #row: number | undefined;
  /** Row in which the request counts as running. */
  #runningRow: number | undefined;
  /** First cell of the flow in which the request is in flight, and its tokens. */
  #flow: number | undefined;
  #tokens = 0;
  #isStreaming = false;
  #headersAtMs: number | undefined;
  #firstChunkAtMs: number | undefined;
  #lastChunkAtMs = 0;
  #endAtMs = 0;
  #chunkCount = 0;
  #handledMs = 0;
  #responseSize = 0;
  #isClosed = false;

  constructor(series: ShardSeries, clock: Clock) {
    this.#series = series;
    this.#clock = clock;
    this.#receivedAtMs = clock.nowMs();
    this.#endAtMs = this.#receivedAtMs;
  }

  identify(labels: RequestLabels): void {
    this.#labels = labels;
    this.#row = undefined;
  }

  onScheduled(facts: ScheduledFacts): void {
    this.#readLabels();
    const { shared } = this.#series;
    const { pick, blockSize, durationMs } = facts;
    if (durationMs !== undefined) observe(shared, 0, SHARED_COLUMNS.scheduler, durationMs / 1_000);
    this.#countAttempt(pick?.slot ?? NO_SLOT, pick?.generation ?? 0);
    if (pick === undefined || blockSize === undefined) return;
    const { blockCount, matchedBlocks } = pick;
    observe(shared, 0, SHARED_COLUMNS.hitBytes, matchedBlocks * blockSize);
    if (blockCount > 0) observe(shared, 0, SHARED_COLUMNS.hitRatio, matchedBlocks / blockCount);
  }

  onRouted(facts: RoutedFacts): void {
    const row = this.#readLabels();
    const { cells } = this.#series.requests;
    add(cells, row + REQUEST_COLUMNS.total, 1);
    observe(cells, row, REQUEST_COLUMNS.histograms.requestSize, facts.requestSize);
    this.#enterFlow(facts.slot, facts.tokens);
  }

  onAnswered(): void {
    this.#observeProcessing();
    if (this.#labels.modelName === "" || this.#isClosed) return;
    this.#runningRow = this.#readLabels();
    add(this.#series.requests.cells, this.#runningRow + REQUEST_COLUMNS.running, 1);
  }

  onRefused(code: ErrorCode): void {
    this.#observeProcessing();
    this.#countError(code);
  }

  onResponseHeaders(facts: ResponseHeadFacts): void {
    this.#headersAtMs = this.#clock.nowMs();
    this.#endAtMs = this.#headersAtMs;
    this.#isStreaming = facts.isStreaming;
    if (facts.status !== undefined && facts.status !== 200) this.#countError(MODEL_SERVER_ERROR);
  }

  onResponseChunk(size: number): void {
    const nowMs = this.#clock.nowMs();
    this.#endAtMs = nowMs;
    if (size === 0) return;
    this.#responseSize += size;
    if (this.#firstChunkAtMs === undefined) this.#firstChunkAtMs = nowMs;
    else if (this.#isStreaming)
      this.#observe(REQUEST_COLUMNS.histograms.chunkGap, (nowMs - this.#lastChunkAtMs) / 1_000);
    this.#lastChunkAtMs = nowMs;
  }

  onResponseChunkDone(): void {
    if (!this.#isStreaming) return;
    const number = this.#chunkCount++;
    if (number < CHUNKS_TIMED) this.#handledMs += this.#clock.nowMs() - this.#endAtMs;
    else if (number % CHUNKS_PER_TIMED === 0)
      this.#handledMs += CHUNKS_PER_TIMED * (this.#clock.nowMs() - this.#endAtMs);
  }

  onClosed({ isComplete, isUnseen, usage }: RequestClosed): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (isComplete && isUnseen === true) this.#countUnseenResponse();
    else if (isComplete) this.#countResponse(usage);
    if (this.#runningRow !== undefined)
      add(this.#series.requests.cells, this.#runningRow + REQUEST_COLUMNS.running, -1);
    if (this.#flow === undefined) return;
    add(this.#series.flows.cells, this.#flow, -1);
    add(this.#series.flows.cells, this.#flow + 1, -this.#tokens);
  }

  #countResponse(usage: TokenUsage | undefined): void {
    const { histograms, timeToFirstToken } = REQUEST_COLUMNS;
    const durationSeconds = this.#durationSeconds();
    const completionTokens = usage?.completionTokens ?? 0;
    const promptTokens = usage?.promptTokens ?? 0;
    this.#observe(histograms.duration, durationSeconds);
    this.#observe(histograms.responseSize, this.#responseSize);
    if (promptTokens > 0) this.#observe(histograms.inputTokens, promptTokens);
    if (completionTokens > 0) this.#observe(histograms.outputTokens, completionTokens);
    if (completionTokens > 0) this.#observe(histograms.normalizedTimePerToken, durationSeconds / completionTokens);
    if (usage?.cachedTokens !== undefined) this.#observe(histograms.cachedTokens, usage.cachedTokens);
    if (this.#firstChunkAtMs !== undefined) {
      const firstSeconds = (this.#firstChunkAtMs - this.#receivedAtMs) / 1_000;
      this.#observe(this.#isStreaming ? timeToFirstToken.streamed : timeToFirstToken.whole, firstSeconds);
      const isCounted = this.#isStreaming && completionTokens > 1;
      if (isCounted) this.#observe(histograms.timePerToken, (durationSeconds - firstSeconds) / (completionTokens - 1));
    }
    const wholeMs = this.#endAtMs - (this.#headersAtMs ?? this.#endAtMs);
    const spentMs = this.#isStreaming ? this.#handledMs : wholeMs;
    observe(this.#series.shared, 0, SHARED_COLUMNS.responseProcessing, spentMs / 1_000);
  }

  /** The end of the stream is all that is seen of its end. */
  #countUnseenResponse(): void {
    this.#endAtMs = this.#clock.nowMs();
    this.#observe(REQUEST_COLUMNS.histograms.duration, this.#durationSeconds());
  }

  #durationSeconds(): number {
    return (this.#endAtMs - this.#receivedAtMs) / 1_000;
  }

  #observeProcessing(): void {
    const spentSeconds = (this.#clock.nowMs() - this.#receivedAtMs) / 1_000;
    observe(this.#series.shared, 0, SHARED_COLUMNS.requestProcessing, spentSeconds);
  }

  #countError(code: string): void {
    const at = ERROR_CODES.indexOf(code);
    add(this.#series.requests.cells, this.#readLabels() + REQUEST_COLUMNS.errors + at, 1);
  }

  #observe(columns: HistogramColumns, value: number): void {
    observe(this.#series.requests.cells, this.#readLabels(), columns, value);
  }

  /** First cell of the row of the labels. */
  #readLabels(): number {
    if (this.#row !== undefined) return this.#row;
    const { models, fairnessIds, priorities, requests } = this.#series;
    const { modelName, targetModelName, fairnessId, priority } = this.#labels;
    const model = models.numberOf(modelName);
    this.#target = targetModelName === modelName ? model : models.numberOf(targetModelName);
    this.#fairnessId = fairnessIds.numberOf(fairnessId);
    this.#priority = priorities.numberOf(String(priority));
    const key = { model, target: this.#target, fairnessId: this.#fairnessId, priority: this.#priority };
    const own = requests.rowOf(requestKey(key));
    const isFolded = own === undefined || model * this.#target * this.#fairnessId * this.#priority === 0;
    if (isFolded) this.#countFolded("request");
    const row = own ?? requests.rowOfReserved(0) ?? 0;
    this.#row = row * REQUEST_COLUMNS.width;
    return this.#row;
  }

  #countAttempt(slot: number, generation: number): void {
    const { attempts } = this.#series;
    let row = attempts.rowOf(attemptKey(slot, this.#target));
    if (row === undefined) {
      this.#countFolded("attempt");
      row = attempts.rowOfReserved(attemptKey(slot, 0)) ?? 0;
    }
    const at = row * attempts.width;
    // The slot has another endpoint now: its count begins at 0. Zeroed first, so that nobody reads the old one's.
    if (attempts.cells[at + 1] !== generation) {
      attempts.cells[at] = 0;
      attempts.cells[at + 1] = generation;
    }
    add(attempts.cells, at, 1);
  }

  #enterFlow(slot: number, tokens: number): void {
    const { flows } = this.#series;
    let row = flows.rowOf(flowKey(slot, this.#fairnessId, this.#priority));
    if (row === undefined) {
      this.#countFolded("in-flight");
      row = flows.rowOfReserved(flowKey(slot, 0, 0)) ?? 0;
    }
    this.#flow = row * flows.width;
    this.#tokens = tokens;
    add(flows.cells, this.#flow, 1);
    add(flows.cells, this.#flow + 1, tokens);
  }

  #countFolded(kind: FoldedKind): void {
    add(this.#series.shared, SHARED_COLUMNS.folded + FOLDED_KINDS.indexOf(kind), 1);
  }
}
