/**
 * `/debug/endpoints`: every endpoint as decisions see it: address, labels, slot, whether and when it was scraped, what
 * the scrape said, what is in flight to it, and how many blocks it is taken to hold. One piece per endpoint.
 */
import type { Clock } from "../../base/clock.ts";
import type { Endpoint } from "../../endpoints/registry.ts";
import { type EndpointMetrics, hostPort } from "../../framework/endpoint.ts";
import { type AdminPage, JSON_TYPE } from "../page.ts";
import { PAGES } from "./page-table.ts";

/** Names of a list that are shown. */
const LISTED_MAX = 50;

export interface EndpointsPageOptions {
  readonly clock: Clock;
  readonly endpoints: () => readonly Endpoint[];
  readonly inFlight: (slot: number) => { readonly requests: number; readonly tokens: number };
  /** Blocks that each slot is taken to hold; undefined when that cannot be had now. */
  readonly blocksHeld: (signal: AbortSignal) => Promise<readonly number[] | undefined>;
}

export function endpointsPage(options: EndpointsPageOptions): AdminPage {
  return {
    ...PAGES.endpoints,
    contentType: JSON_TYPE,
    async *answer({ signal }) {
      const held = await options.blocksHeld(signal);
      let separator = "";
      yield '{"endpoints": [';
      for (const endpoint of options.endpoints()) {
        yield `${separator}\n  ${JSON.stringify(describe(endpoint, held, options))}`;
        separator = ",";
      }
      yield "\n]}\n";
    },
  };
}

/** What is unknown is null, so that it can be told from 0. */
function describe(endpoint: Endpoint, held: readonly number[] | undefined, options: EndpointsPageOptions): unknown {
  const { id, spec, slot, generation, isReachable, isBackedOff, scraped, scrapeFailure, metrics } = endpoint;
  const { scrapedAtMs, ...load } = scraped ?? {};
  const ageMs = scrapedAtMs === undefined ? undefined : Math.round(options.clock.nowMs() - scrapedAtMs);
  const inFlight = options.inFlight(slot);
  return {
    id,
    address: hostPort(spec),
    labels: spec.labels,
    slot,
    generation,
    isReachable,
    scrapeFailure: isReachable ? undefined : scrapeFailure,
    scrapeAgeMs: ageMs ?? null,
    isBackedOff,
    scraped: { ...describeMetrics(metrics), ...nulls(load) },
    inFlightRequests: inFlight.requests,
    inFlightTokens: inFlight.tokens,
    blocksHeld: held?.[slot] ?? null,
  };
}

/** All that the last scrape found; lists are cut. */
function describeMetrics(metrics: EndpointMetrics | undefined): Record<string, unknown> {
  if (metrics === undefined) return {};
  const { adapters, attributes, servedModels, ...numbers } = metrics;
  return {
    ...nulls(numbers),
    ...(adapters && { adapters: { ...adapters, running: cut(adapters.running), waiting: cut(adapters.waiting) } }),
    ...(attributes && { attributes: Object.fromEntries([...attributes].slice(0, LISTED_MAX)) }),
    ...(servedModels && { servedModels: cut(servedModels) }),
  };
}

function cut(names: readonly string[]): readonly string[] {
  const more = names.length - LISTED_MAX;
  return more > 0 ? [...names.slice(0, LISTED_MAX), `… and ${more} more`] : names;
}

function nulls(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value ?? null]));
}
