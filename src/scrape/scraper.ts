/**
 * Scrapes every endpoint's metrics once per tick, each on its own connection and its own timer: a slow endpoint delays
 * only itself. An endpoint whose scrape fails is unreachable until one succeeds; a request in flight to it is not
 * touched.
 */
import { Client, errors } from "undici";
import type { Clock, Timer } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import type { Endpoint } from "../endpoints/registry.ts";
import { type EndpointMetrics, hostPort } from "../framework/endpoint.ts";
import { findSeries } from "../wire/prometheus-text.ts";
import type { EngineMetrics, MetricSpec } from "./engines/engine.ts";

/** An answer that is not complete by then is a failure: 20 ticks, and what the Go picker allows. */
const SCRAPE_TIMEOUT_MS = 1_000;
/** A larger exposition is a failure. vLLM's has some 60 KB; LoRA and data parallelism multiply it. */
const EXPOSITION_SIZE_MAX = 8 * 1024 * 1024;

export interface ScrapeOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly engine: EngineMetrics;
  /** Called when a scrape is sent; its result is handed to `onScraped`. */
  readonly beforeScrape: (endpoint: Endpoint) => { readonly inFlightAtScrape: number };
  readonly onScraped: (
    endpoint: Endpoint,
    metrics: EndpointMetrics,
    sent: { readonly scrapedAtMs: number; readonly inFlightAtScrape: number },
  ) => void;
  readonly onFailed: (endpoint: Endpoint, reason: string) => void;
}

export class Scraper {
  readonly #options: ScrapeOptions;
  readonly #loops = new Map<Endpoint, ScrapeLoop>();

  constructor(options: ScrapeOptions) {
    this.#options = options;
  }

  add(endpoint: Endpoint): void {
    this.#loops.set(endpoint, new ScrapeLoop(endpoint, this.#options));
  }

  async remove(endpoint: Endpoint): Promise<void> {
    const loop = this.#loops.get(endpoint);
    this.#loops.delete(endpoint);
    await loop?.close();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#loops.keys()].map((endpoint) => this.remove(endpoint)));
  }
}

class ScrapeLoop {
  readonly #endpoint: Endpoint;
  readonly #options: ScrapeOptions;
  readonly #client: Client;
  readonly #timer: Timer;
  #isBusy = false;
  #isClosed = false;

  constructor(endpoint: Endpoint, options: ScrapeOptions) {
    this.#endpoint = endpoint;
    this.#options = options;
    this.#client = new Client(`http://${hostPort(endpoint.spec)}`, {
      connectTimeout: SCRAPE_TIMEOUT_MS,
      // The scrape has one time limit for everything (`#fetch`); these two would start again with each byte.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxResponseSize: EXPOSITION_SIZE_MAX,
    });
    this.#timer = options.clock.setInterval(() => void this.#tick(), options.intervalMs);
    void this.#tick();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer.cancel();
    await this.#client.destroy();
  }

  /** A tick that finds the scrape before it unanswered is skipped. */
  async #tick(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      await this.#scrape();
    } finally {
      this.#isBusy = false;
    }
  }

  async #scrape(): Promise<void> {
    const { clock, beforeScrape, onScraped, onFailed, engine } = this.#options;
    const sent = { scrapedAtMs: clock.nowMs(), ...beforeScrape(this.#endpoint) };
    let exposition: string;
    try {
      exposition = await this.#fetch();
    } catch (error) {
      if (!this.#isClosed) onFailed(this.#endpoint, messageOf(error));
      return;
    }
    if (!this.#isClosed) onScraped(this.#endpoint, readMetrics(exposition, engine), sent);
  }

  /** The exposition, complete within SCRAPE_TIMEOUT_MS, however slowly it trickles. */
  async #fetch(): Promise<string> {
    const abort = new AbortController();
    const timeout = (): void => abort.abort(new Error(`no complete answer within ${SCRAPE_TIMEOUT_MS} ms`));
    const timer = this.#options.clock.setTimeout(timeout, SCRAPE_TIMEOUT_MS);
    try {
      return await this.#fetchWithRetry(abort.signal);
    } finally {
      timer.cancel();
    }
  }

  async #fetchWithRetry(signal: AbortSignal): Promise<string> {
    try {
      return await this.#fetchOnce(signal);
    } catch (error) {
      // The server may have closed an idle connection just as it was used again. On a fresh one this says nothing new.
      if (!(error instanceof errors.SocketError) || this.#isClosed) throw error;
      return await this.#fetchOnce(signal);
    }
  }

  async #fetchOnce(signal: AbortSignal): Promise<string> {
    const { statusCode, body } = await this.#client.request({ method: "GET", path: "/metrics", signal });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`answered ${statusCode}`);
    return text;
  }
}

/**
 * What the exposition says; undefined where it says nothing, or what no load can be: below 0, or infinite as the f32
 * that decisions read, since one infinite queue would make all others look alike.
 */
export function readMetrics(exposition: string, engine: EngineMetrics): EndpointMetrics {
  const read = (spec: MetricSpec): number | undefined => {
    const value = findSeries(exposition, spec.name, spec.labels);
    return value !== undefined && value >= 0 && Number.isFinite(Math.fround(value)) ? value : undefined;
  };
  return {
    queueDepthRequests: read(engine.queueDepthRequests),
    runningRequests: read(engine.runningRequests),
    kvCacheUsageFraction: read(engine.kvCacheUsageFraction),
  };
}
