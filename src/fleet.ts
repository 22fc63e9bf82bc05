/**
 * What the picker knows of its fleet, put together: endpoints come out of a file, get a slot, are scraped, and what is
 * found goes to where decisions read it.
 *
 *   file ──► FileDiscovery ──► EndpointRegistry ──► Scraper ──► FleetWatch ──► columns, names, attributes
 */
import type { Clock } from "./base/clock.ts";
import { SCRAPE_WINDOW_COUNT } from "./config/defaults.ts";
import { type EndpointCounts, FileDiscovery } from "./discovery/file/file-discovery.ts";
import { reportFleet } from "./endpoints/fleet-health.ts";
import { FleetWatch, type FleetWatchOptions } from "./endpoints/fleet-watch.ts";
import type { EndpointSpec } from "./framework/endpoint.ts";
import type { ScrapePlan } from "./scrape/scrape-plan.ts";
import { Scraper } from "./scrape/scraper.ts";
import type { ControlCounters } from "./telemetry/control-counters.ts";
import { ExpositionScanner } from "./wasm/exposition-scanner.ts";

/** Time between two looks for values that are stale. */
const FRESHNESS_CHECK_MS = 1_000;

export interface FleetOptions extends FleetWatchOptions {
  readonly clock: Clock;
  readonly control: ControlCounters;
  readonly plan: ScrapePlan;
  readonly endpointsFile: { readonly path: string; readonly watches: boolean };
  /** Age from which values count as unknown. */
  readonly staleMs: number;
  /** Requests in flight to a slot, over all shards. */
  readonly inFlightRequests: (slot: number) => number;
}

export interface RunningFleet {
  /** Scrapes as another plan says from now on. Throws a ConfigError, and changes nothing, when that cannot be done. */
  replacePlan(plan: ScrapePlan): void;
  close(): void;
}

/** Reads the endpoints and begins to scrape them. Throws a ConfigError, with nothing left running, when it cannot. */
export async function startFleet(options: FleetOptions): Promise<RunningFleet> {
  const { clock, endpoints, logger, degraded, control, endpointsFile, staleMs } = options;
  const watch = new FleetWatch(options);
  const createScraper = (plan: ScrapePlan): Scraper => {
    const scraper = new Scraper({
      clock,
      plan,
      scanner: new ExpositionScanner({ windowCount: SCRAPE_WINDOW_COUNT }),
      inFlightRequests: options.inFlightRequests,
      onScraped: (endpoint, metrics, sent) => watch.onScraped(endpoint, metrics, sent),
      onFailed: (endpoint, failure) => watch.onScrapeFailed(endpoint, failure),
      onBackedOff: (endpoint, isBackedOff) => watch.onBackedOff(endpoint, isBackedOff),
    });
    for (const note of plan.notes) logger.warn({ note }, "scraping is not all that it could be");
    return scraper;
  };
  let scraper = createScraper(options.plan);
  const stopFollowing = endpoints.onFleetChanged({
    onChanged({ added, removed, relabelled }) {
      for (const endpoint of removed) scraper.remove(endpoint);
      for (const endpoint of relabelled) scraper.relabel(endpoint);
      for (const endpoint of added) scraper.add(endpoint);
    },
  });
  const apply = (specs: readonly EndpointSpec[]): EndpointCounts => {
    const { added, removed, relabelled } = endpoints.replaceAll(specs);
    reportFleet(endpoints.endpoints, degraded);
    return { added: added.length, removed: removed.length, relabelled: relabelled.length };
  };
  const discovery = new FileDiscovery({ ...endpointsFile, clock, logger, degraded, control, apply });
  const freshness = clock.setInterval(() => watch.checkFreshness(clock.nowMs(), staleMs), FRESHNESS_CHECK_MS);
  const close = (): void => {
    discovery.close();
    freshness.cancel();
    stopFollowing();
    scraper.close();
  };
  try {
    await discovery.start();
  } catch (error) {
    close();
    throw error;
  }
  return {
    replacePlan(plan) {
      const next = createScraper(plan);
      scraper.close();
      scraper = next;
      for (const endpoint of endpoints.endpoints) scraper.add(endpoint);
    },
    close,
  };
}
