/**
 * Turns scrape results into what decisions see, and says aloud when an endpoint is lost or found again. An unreachable
 * endpoint takes no requests while another one is reachable; when none is, all stay in, since a server whose metrics
 * cannot be had may still serve.
 */
import { hostPort } from "../framework/endpoint.ts";
import type { DegradationReporter } from "../telemetry/health-details.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { ControlCounters } from "../telemetry/metrics.ts";
import type { ScrapedColumns } from "../wasm/endpoint-columns.ts";
import { reportFleet } from "./fleet-health.ts";
import type { Endpoint, EndpointRegistry } from "./registry.ts";

export class FleetWatch {
  readonly #endpoints: EndpointRegistry;
  readonly #logger: Logger;
  readonly #control: ControlCounters;
  readonly #degraded: DegradationReporter;

  constructor(options: {
    endpoints: EndpointRegistry;
    logger: Logger;
    control: ControlCounters;
    degraded: DegradationReporter;
  }) {
    this.#endpoints = options.endpoints;
    this.#logger = options.logger;
    this.#control = options.control;
    this.#degraded = options.degraded;
  }

  onScraped(endpoint: Endpoint, scraped: ScrapedColumns): void {
    this.#control.scrapesSucceeded++;
    this.#endpoints.setScraped(endpoint, scraped);
    if (!this.#endpoints.setReachable(endpoint, true)) return;
    this.#control.becameReachable++;
    this.#logger.info(describe(endpoint), "endpoint is reachable again and takes requests");
    reportFleet(this.#endpoints.endpoints, this.#degraded);
  }

  onScrapeFailed(endpoint: Endpoint, reason: string): void {
    this.#control.scrapesFailed++;
    endpoint.scrapeFailure = reason;
    if (!this.#endpoints.setReachable(endpoint, false)) return;
    this.#control.becameUnreachable++;
    const { reachableCount } = this.#endpoints;
    const total = this.#endpoints.endpoints.length;
    this.#logger.warn(
      { ...describe(endpoint), reason, reachableCount, total },
      "endpoint cannot be scraped and is left out",
    );
    reportFleet(this.#endpoints.endpoints, this.#degraded);
  }
}

function describe(endpoint: Endpoint): { readonly endpoint: string; readonly address: string } {
  return { endpoint: endpoint.id, address: hostPort(endpoint.spec) };
}
