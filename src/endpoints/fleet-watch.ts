/**
 * Turns scrape results into what decisions see, and says aloud when an endpoint is lost or found again. An unreachable
 * endpoint takes no requests while another one is reachable; when none is, all stay in, since a server whose metrics
 * cannot be had may still serve.
 */
import { hostPort } from "../framework/endpoint.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { ControlCounters } from "../telemetry/metrics.ts";
import type { ScrapedColumns } from "../wasm/endpoint-columns.ts";
import type { Endpoint, EndpointRegistry } from "./registry.ts";

export class FleetWatch {
  readonly #endpoints: EndpointRegistry;
  readonly #logger: Logger;
  readonly #control: ControlCounters;

  constructor(options: { endpoints: EndpointRegistry; logger: Logger; control: ControlCounters }) {
    this.#endpoints = options.endpoints;
    this.#logger = options.logger;
    this.#control = options.control;
  }

  onScraped(endpoint: Endpoint, scraped: ScrapedColumns): void {
    this.#control.scrapesSucceeded++;
    this.#endpoints.setScraped(endpoint, scraped);
    if (!this.#endpoints.setReachable(endpoint, true)) return;
    this.#control.becameReachable++;
    this.#logger.info(describe(endpoint), "endpoint is reachable again and takes requests");
  }

  onScrapeFailed(endpoint: Endpoint, reason: string): void {
    this.#control.scrapesFailed++;
    if (!this.#endpoints.setReachable(endpoint, false)) return;
    this.#control.becameUnreachable++;
    const { reachableCount } = this.#endpoints;
    const total = this.#endpoints.endpoints.length;
    this.#logger.warn(
      { ...describe(endpoint), reason, reachableCount, total },
      "endpoint cannot be scraped and is left out",
    );
    if (reachableCount === 0) {
      this.#logger.error(
        { total },
        "no endpoint can be scraped: all of them stay in, picked without knowing their load",
      );
    }
  }
}

function describe(endpoint: Endpoint): { readonly endpoint: string; readonly address: string } {
  return { endpoint: endpoint.id, address: hostPort(endpoint.spec) };
}
