/**
 * Asks every endpoint for its metrics at each tick, over a connection of its own: a slow one delays only itself. One
 * timer for the whole fleet; a tick is cut into phases, and an endpoint's slot says in which it is asked, so that
 * answers do not all come at once.
 *
 *   tick   0 ms      10 ms     20 ms     30 ms     40 ms     50 ms
 *          ├─ slot 0 ┼─ slot 1 ┼─ slot 2 ┼─ slot 3 ┼─ slot 4 ┤
 *          └─ slot 5 ┴─ slot 6 ┴─ …
 */
import type { ConnectionOptions } from "node:tls";
import type { Clock, Timer } from "../base/clock.ts";
import { ConfigError } from "../base/errors.ts";
import type { Endpoint } from "../endpoints/registry.ts";
import { type EndpointMetrics, hostPort } from "../framework/endpoint.ts";
import type { ExpositionScanner } from "../wasm/exposition-scanner.ts";
import { EndpointScrape } from "./endpoint-scrape.ts";
import { EngineTable } from "./engine-table.ts";
import type { HttpTarget } from "./http-connection.ts";
import { MetricsReader } from "./metrics-reader.ts";
import { ModelsReader } from "./models-reader.ts";
import type { PollFailure, PollOptions } from "./poll.ts";
import type { PlannedMetrics, PlannedSource, ScrapePlan } from "./scrape-plan.ts";
import { readTls } from "./source-tls.ts";

/** Phases of a tick: 10 ms of the default tick, far below what a decision notices. */
const PHASES = 5;

export interface SentState {
  /** When the request was sent, on the clock that decisions use. */
  readonly scrapedAtMs: number;
  /** Requests in flight to the endpoint at that moment, over all shards. */
  readonly inFlightAtScrape: number;
}

export interface ScrapeFailure extends PollFailure {
  readonly source: "metrics" | "models";
}

export interface ScrapeEvents {
  /** Requests in flight to a slot, over all shards. Asked at each tick. */
  readonly inFlightRequests: (slot: number) => number;
  readonly onScraped: (endpoint: Endpoint, metrics: EndpointMetrics, sent: SentState) => void;
  readonly onFailed: (endpoint: Endpoint, failure: ScrapeFailure, sentAtMs: number) => void;
  /** The endpoint is idle and asked seldom from now on; or busy again, and its values are new. */
  readonly onBackedOff: (endpoint: Endpoint, isBackedOff: boolean) => void;
}

export interface ScrapeOptions extends ScrapeEvents {
  readonly clock: Clock;
  readonly plan: ScrapePlan;
  readonly scanner: ExpositionScanner;
}

export class Scraper {
  readonly #options: ScrapeOptions;
  readonly #tables: ReadonlyMap<string, EngineTable>;
  readonly #tls: ReadonlyMap<PlannedSource, ConnectionOptions | undefined>;
  readonly #scrapes = new Map<Endpoint, EndpointScrape>();
  readonly #phases: readonly Set<EndpointScrape>[] = Array.from({ length: PHASES }, () => new Set<EndpointScrape>());
  #timer: Timer | undefined;
  #phase = 0;

  /** Throws a ConfigError when a certificate cannot be read, or an engine asks for too much. */
  constructor(options: ScrapeOptions) {
    const { plan, scanner } = options;
    this.#options = options;
    const { engines = [], sumsSeries = false } = plan.metrics ?? {};
    this.#tables = new Map(engines.map((engine) => [engine.name, new EngineTable(scanner, engine, sumsSeries)]));
    const sources = [plan.metrics, plan.models].filter((source) => source !== undefined);
    this.#tls = new Map(sources.map((source) => [source, readTls(source)]));
  }

  /** Asks the endpoint at once, and from then on at each tick. */
  add(endpoint: Endpoint): void {
    const { clock, plan } = this.#options;
    const scrape = this.#createScrape(endpoint);
    this.#scrapes.set(endpoint, scrape);
    this.#phases[endpoint.slot % PHASES]?.add(scrape);
    this.#timer ??= clock.setInterval(() => this.#runPhase(), Math.max(1, Math.round(plan.tickMs / PHASES)));
    scrape.start(clock.nowMs());
  }

  /** Nothing more is told of the endpoint. */
  remove(endpoint: Endpoint): void {
    const scrape = this.#scrapes.get(endpoint);
    if (scrape === undefined) return;
    this.#scrapes.delete(endpoint);
    this.#phases[endpoint.slot % PHASES]?.delete(scrape);
    scrape.close();
    if (this.#scrapes.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** The endpoint's labels have changed, and perhaps with them its engine. */
  relabel(endpoint: Endpoint): void {
    const { metrics } = this.#options.plan;
    if (metrics === undefined) return;
    const table = this.#tableOf(endpoint, metrics);
    if (this.#scrapes.get(endpoint)?.table === table) return;
    this.remove(endpoint);
    this.add(endpoint);
  }

  /** Ends all connections. */
  close(): void {
    for (const endpoint of [...this.#scrapes.keys()]) this.remove(endpoint);
  }

  #runPhase(): void {
    this.#phase = (this.#phase + 1) % PHASES;
    const nowMs = this.#options.clock.nowMs();
    for (const scrape of this.#phases[this.#phase] ?? []) scrape.tick(nowMs);
  }

  #createScrape(endpoint: Endpoint): EndpointScrape {
    const { plan, scanner } = this.#options;
    const { metrics, models, backOffMs } = plan;
    return new EndpointScrape({
      endpoint,
      events: this.#options,
      metrics: metrics && {
        reader: new MetricsReader(scanner, this.#tableOf(endpoint, metrics)),
        poll: this.#pollShape(metrics, endpoint),
      },
      models: models && { reader: new ModelsReader(), poll: this.#pollShape(models, endpoint) },
      backOffMs,
    });
  }

  #pollShape(source: PlannedSource, endpoint: Endpoint): Omit<PollOptions, "reader" | "onSent" | "onDone"> {
    const { clock, plan, scanner } = this.#options;
    return {
      clock,
      target: this.#target(source, endpoint),
      receiveBuffer: scanner.receiveBuffer,
      tickMs: plan.tickMs,
      everyTicks: source.everyTicks,
      phase: Math.floor(endpoint.slot / PHASES),
    };
  }

  #target(source: PlannedSource, { spec }: Endpoint): HttpTarget {
    const { address } = spec;
    const port = source.port ?? spec.port;
    return { address, port, hostPort: hostPort({ address, port }), path: source.path, tls: this.#tls.get(source) };
  }

  #tableOf({ spec: { labels } }: Endpoint, { engineLabelKeys, defaultEngine }: PlannedMetrics): EngineTable {
    const name = engineLabelKeys.map((key) => labels[key]).find((value) => value !== undefined && value !== "");
    const table = this.#tables.get(name ?? defaultEngine) ?? this.#tables.get(defaultEngine);
    if (table === undefined) throw new ConfigError(`the default engine "${defaultEngine}" is not among the engines`);
    return table;
  }
}
