/**
 * All that is asked of one endpoint: its metrics, and where a configuration wants them its models. Knows whether the
 * endpoint is idle: nothing in flight to it, nothing waiting, nothing running. An idle one is asked for its metrics
 * once per back-off, and at the tick again as soon as requests are in flight.
 */
import type { Endpoint } from "../endpoints/registry.ts";
import type { EndpointMetrics } from "../framework/endpoint.ts";
import type { EngineTable } from "./engine-table.ts";
import type { MetricsReader } from "./metrics-reader.ts";
import type { ModelsReader } from "./models-reader.ts";
import { Poll, type PollFailure, type PollOptions } from "./poll.ts";
import type { ScrapeEvents, SentState } from "./scraper.ts";

/** First rests differ by slot, in this many steps, so that a fleet that falls idle as one is not asked as one. */
const REST_STEPS = 16;

type PollShape = Omit<PollOptions, "reader" | "onSent" | "onDone">;

export interface EndpointScrapeOptions {
  readonly endpoint: Endpoint;
  readonly events: ScrapeEvents;
  readonly metrics: { readonly reader: MetricsReader; readonly poll: PollShape } | undefined;
  readonly models: { readonly reader: ModelsReader; readonly poll: PollShape } | undefined;
  /** Undefined: an idle endpoint is asked like a busy one. */
  readonly backOffMs: number | undefined;
}

export class EndpointScrape {
  readonly #options: EndpointScrapeOptions;
  readonly #metricsPoll: Poll | undefined;
  readonly #modelsPoll: Poll | undefined;
  /** Of the last answer; undefined when the last request failed. */
  #metrics: EndpointMetrics | undefined;
  #sent: SentState = { scrapedAtMs: 0, inFlightAtScrape: 0 };
  #isBackedOff: boolean;
  /** Time between two requests while backed off. */
  #restMs: number;

  constructor(options: EndpointScrapeOptions) {
    const { endpoint, metrics, models, backOffMs = 0 } = options;
    this.#options = options;
    // As an earlier scrape of it has left it.
    this.#isBackedOff = endpoint.isBackedOff;
    this.#restMs = backOffMs;
    this.#metricsPoll =
      metrics &&
      new Poll({
        ...metrics.poll,
        reader: metrics.reader,
        onSent: () => this.#noteSent(metrics.poll.clock.nowMs()),
        onDone: (failure) => this.#onMetrics(metrics.reader, failure),
      });
    this.#modelsPoll =
      models &&
      new Poll({
        ...models.poll,
        reader: models.reader,
        onSent: () => undefined,
        onDone: (failure, sentAtMs) => this.#onModels(failure, sentAtMs),
      });
  }

  /** The engine's, by which the metrics are read. */
  get table(): EngineTable | undefined {
    return this.#options.metrics?.reader.table;
  }

  start(nowMs: number): void {
    this.#metricsPoll?.start(nowMs);
    this.#modelsPoll?.start(nowMs);
  }

  tick(nowMs: number): void {
    const isIdle = this.#isIdle();
    if (isIdle && !this.#isBackedOff) this.#backOff();
    this.#metricsPoll?.tick(nowMs, isIdle ? this.#restMs : 0);
    this.#modelsPoll?.tick(nowMs, 0);
  }

  close(): void {
    this.#metricsPoll?.close();
    this.#modelsPoll?.close();
  }

  #isIdle(): boolean {
    if (this.#options.backOffMs === undefined || this.#metrics === undefined) return false;
    const { queueDepthRequests, runningRequests } = this.#metrics;
    if (queueDepthRequests !== 0 || (runningRequests ?? 0) !== 0) return false;
    return this.#inFlightRequests() === 0;
  }

  #inFlightRequests(): number {
    const { endpoint, events } = this.#options;
    return events.inFlightRequests(endpoint.slot);
  }

  #backOff(): void {
    const { endpoint, events, backOffMs = 0 } = this.#options;
    this.#isBackedOff = true;
    this.#restMs = (backOffMs * ((endpoint.slot % REST_STEPS) + 1)) / REST_STEPS;
    events.onBackedOff(endpoint, true);
  }

  #noteSent(nowMs: number): void {
    this.#sent = { scrapedAtMs: nowMs, inFlightAtScrape: this.#inFlightRequests() };
    if (this.#isBackedOff) this.#restMs = this.#options.backOffMs ?? 0;
  }

  #onMetrics(reader: MetricsReader, failure: PollFailure | undefined): void {
    const { endpoint, events, models } = this.#options;
    if (failure === undefined && reader.metrics !== undefined) {
      this.#metrics = { ...reader.metrics, servedModels: models?.reader.models };
      events.onScraped(endpoint, this.#metrics, this.#sent);
    } else {
      this.#metrics = undefined;
      const reason = failure ?? { kind: "unanswered", reason: "no answer" };
      events.onFailed(endpoint, { source: "metrics", ...reason }, this.#sent.scrapedAtMs);
    }
    // Only now: until an answer came, what is known is as old as the rest was long, and is meant to be.
    if (this.#isBackedOff && !this.#isIdle()) {
      this.#isBackedOff = false;
      events.onBackedOff(endpoint, false);
    }
  }

  #onModels(failure: PollFailure | undefined, sentAtMs: number): void {
    const { endpoint, events } = this.#options;
    if (failure !== undefined) events.onFailed(endpoint, { source: "models", ...failure }, sentAtMs);
  }
}
