/**
 * Turns scrape results into what decisions see, and says aloud when an endpoint is lost or found again. An unreachable
 * endpoint takes no requests while another one is reachable; when none is, all stay in, since a server whose metrics
 * cannot be had may still serve.
 */
import { type AdapterMetrics, type EndpointMetrics, hostPort } from "../framework/endpoint.ts";
import type { ControlCounters } from "../telemetry/control-counters.ts";
import type { DegradationReporter } from "../telemetry/health-details.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { ScrapedColumns } from "../wasm/endpoint-columns.ts";
import { reportFleet, reportStale } from "./fleet-health.ts";
import type { Endpoint, EndpointRegistry } from "./registry.ts";

/** Writes names that endpoints hold or serve to where decisions read them. */
export interface EndpointNamesWriter {
  setAdapters(
    slot: number,
    adapters:
      | { readonly running: readonly string[]; readonly waiting: readonly string[]; readonly loadedMax: number }
      | undefined,
  ): void;
  setServedModels(slot: number, models: readonly string[] | undefined): void;
}

/** Counts failures by the types of plugins. */
export interface DataLayerErrorCounter {
  countPoll(sourceType: string): void;
  countExtract(sourceType: string, extractorType: string): void;
}

export interface ScrapeFault {
  readonly source: "metrics" | "models";
  /** `no-load`: an answer that tells nothing of the server's load. */
  readonly kind: "unanswered" | "no-load";
  readonly reason: string;
}

/** Undefined: the engine does not say. */
export interface CacheShape {
  readonly blockSizeTokens: number | undefined;
  readonly blockCount: number | undefined;
}

export interface FleetWatchOptions {
  readonly endpoints: EndpointRegistry;
  readonly logger: Logger;
  readonly control: ControlCounters;
  readonly degraded: DegradationReporter;
  readonly errors: DataLayerErrorCounter;
  readonly names: EndpointNamesWriter;
  /** Writes custom metrics; those that are not in the map are unknown. */
  readonly setAttributes: (slot: number, attributes: ReadonlyMap<string, number>) => void;
  /** Takes the shape of an endpoint's KV cache over, each time it is another one than before. */
  readonly setCacheShape: (slot: number, shape: CacheShape) => void;
}

export class FleetWatch {
  readonly #options: FleetWatchOptions;
  /** Endpoints whose list of models could not be had once: told of once each. */
  readonly #withoutModels = new WeakSet<Endpoint>();

  constructor(options: FleetWatchOptions) {
    this.#options = options;
  }

  onScraped(
    endpoint: Endpoint,
    metrics: EndpointMetrics,
    sent: Pick<ScrapedColumns, "scrapedAtMs" | "inFlightAtScrape">,
  ): void {
    const { control, endpoints, logger } = this.#options;
    control.scrapesSucceeded++;
    this.#writeNames(endpoint, metrics);
    endpoints.setScraped(endpoint, metrics, sent);
    if (!endpoints.setReachable(endpoint, true)) return;
    control.becameReachable++;
    logger.info(describe(endpoint), "endpoint is reachable again and takes requests");
    reportFleet(endpoints.endpoints, this.#options.degraded);
  }

  onScrapeFailed(endpoint: Endpoint, { source, kind, reason }: ScrapeFault): void {
    const { control, endpoints, errors, logger, degraded } = this.#options;
    if (source === "models") {
      // What was listed stays; a server that serves is not left out for its list.
      errors.countPoll("models-data-source");
      if (this.#withoutModels.has(endpoint)) return;
      this.#withoutModels.add(endpoint);
      logger.warn({ ...describe(endpoint), reason }, "endpoint's list of models cannot be had; it stays as it was");
      return;
    }
    control.scrapesFailed++;
    if (kind === "no-load") errors.countExtract("metrics-data-source", "core-metrics-extractor");
    else errors.countPoll("metrics-data-source");
    endpoint.scrapeFailure = reason;
    if (!endpoints.setReachable(endpoint, false)) return;
    control.becameUnreachable++;
    const { reachableCount } = endpoints;
    const total = endpoints.endpoints.length;
    logger.warn({ ...describe(endpoint), reason, reachableCount, total }, "endpoint cannot be scraped and is left out");
    reportFleet(endpoints.endpoints, degraded);
  }

  onBackedOff(endpoint: Endpoint, isBackedOff: boolean): void {
    this.#options.endpoints.setBackedOff(endpoint, isBackedOff);
  }

  /** Says aloud which endpoints answer, and yet have values older than `staleMs`. To be called every now and then. */
  checkFreshness(nowMs: number, staleMs: number): void {
    const { endpoints, degraded } = this.#options;
    reportStale(endpoints.endpoints, degraded, (endpoint) => {
      return endpoint.isReachable && endpoint.scraped !== undefined && nowMs - endpoint.scraped.scrapedAtMs > staleMs;
    });
  }

  /** Lists that are the same objects as before say the same as before. */
  #writeNames({ slot, metrics: before }: Endpoint, metrics: EndpointMetrics): void {
    const { names, setAttributes, setCacheShape } = this.#options;
    if (metrics.adapters !== before?.adapters) names.setAdapters(slot, adapterSlots(metrics.adapters));
    if (metrics.servedModels !== before?.servedModels) names.setServedModels(slot, metrics.servedModels);
    if (metrics.attributes !== undefined) setAttributes(slot, metrics.attributes);
    const { cacheBlockSizeTokens: blockSizeTokens, cacheBlockCount: blockCount } = metrics;
    if (blockSizeTokens !== before?.cacheBlockSizeTokens || blockCount !== before?.cacheBlockCount) {
      setCacheShape(slot, { blockSizeTokens, blockCount });
    }
  }
}

/** An engine that does not say how many adapters it has loaded at once is taken to have no room for another. */
function adapterSlots(adapters: AdapterMetrics | undefined): Parameters<EndpointNamesWriter["setAdapters"]>[1] {
  if (adapters === undefined) return undefined;
  const { running, waiting, max } = adapters;
  return { running, waiting, loadedMax: max ?? 0 };
}

function describe(endpoint: Endpoint): { readonly endpoint: string; readonly address: string } {
  return { endpoint: endpoint.id, address: hostPort(endpoint.spec) };
}
