/** A scraper against real HTTP servers on the loopback interface, with a clock that the tests move. */
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import type { Endpoint } from "../../../src/endpoints/registry.ts";
import type { EndpointMetrics, Slot } from "../../../src/framework/endpoint.ts";
import type { ScrapePlan } from "../../../src/scrape/scrape-plan.ts";
import { type ScrapeFailure, Scraper } from "../../../src/scrape/scraper.ts";
import { ExpositionScanner } from "../../../src/wasm/exposition-scanner.ts";
import { defaultScrapePlan } from "../../support/scrape-plan.ts";
import { until } from "../../support/until.ts";

export const INTERVAL_MS = 50;
export const TIMEOUT_MS = 1_000;

export type Outcome =
  | {
      readonly kind: "scraped";
      readonly name: string;
      readonly metrics: EndpointMetrics;
      readonly sent: { readonly scrapedAtMs: number; readonly inFlightAtScrape: number };
    }
  | {
      readonly kind: "failed";
      readonly name: string;
      readonly reason: string;
      readonly failure: ScrapeFailure;
      readonly sentAtMs: number;
    };

/** All are closed after the test. */
export const servers: Server[] = [];
const scrapers: Scraper[] = [];

/** Ends what a test has started. */
export function closeScrapes(): void {
  for (const scraper of scrapers.splice(0)) scraper.close();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
}

/** A server on a free port, closed after the test. */
export async function serve(listener: RequestListener): Promise<{ server: Server; port: number }> {
  const server = createServer(listener);
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, port: (server.address() as AddressInfo).port };
}

export function endpointAt(port: number, name = "sim-0", slot = 0): Endpoint {
  return {
    id: `default/${name}`,
    spec: { name, namespace: "default", address: "127.0.0.1", port, labels: {} },
    slot: slot as Slot,
    generation: 1,
    isReachable: true,
    isBackedOff: false,
    scrapeFailure: undefined,
    scraped: undefined,
    metrics: undefined,
  };
}

export const PLAN: ScrapePlan = defaultScrapePlan({ intervalMs: INTERVAL_MS, staleMs: 2_000, backsOff: false });

export interface Bed {
  readonly clock: ManualClock;
  readonly scraper: Scraper;
  readonly outcomes: Outcome[];
  readonly inFlight: { count: number };
  /** What was told of back-off, in order. */
  readonly backOffs: boolean[];
}

/** A scraper whose outcomes are kept in order. */
export function setUp(plan: ScrapePlan = PLAN, { windowCount = 8 }: { windowCount?: number } = {}): Bed {
  const clock = new ManualClock();
  const outcomes: Outcome[] = [];
  const inFlight = { count: 0 };
  const backOffs: boolean[] = [];
  const scraper = new Scraper({
    clock,
    plan,
    scanner: new ExpositionScanner({ windowCount }),
    inFlightRequests: () => inFlight.count,
    onScraped: ({ spec: { name } }, metrics, sent) => void outcomes.push({ kind: "scraped", name, metrics, sent }),
    onFailed: ({ spec: { name } }, failure, sentAtMs) =>
      void outcomes.push({ kind: "failed", name, reason: failure.reason, failure, sentAtMs }),
    onBackedOff: (endpoint, isBackedOff) => {
      endpoint.isBackedOff = isBackedOff;
      backOffs.push(isBackedOff);
    },
  });
  scrapers.push(scraper);
  return { clock, scraper, outcomes, inFlight, backOffs };
}

/** Waits until there are so many outcomes, and gives the last one. */
export async function outcome(outcomes: readonly Outcome[], count: number): Promise<Outcome> {
  await until(`${count} outcomes`, () => outcomes.length >= count);
  expect(outcomes).toHaveLength(count);
  return outcomes[count - 1] as Outcome;
}

export const exposition = (waiting: number, running = 2): string =>
  `# HELP vllm:num_requests_waiting Number waiting.\n# TYPE vllm:num_requests_waiting gauge\n` +
  `vllm:num_requests_waiting{engine="0"} ${waiting}.0\n` +
  `# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{engine="0"} ${running}.0\n` +
  `# TYPE vllm:kv_cache_usage_perc gauge\nvllm:kv_cache_usage_perc{engine="0"} 0.25\n`;
