import { describe, expect, it } from "vitest";
import { FleetWatch } from "../../../src/endpoints/fleet-watch.ts";
import { type Endpoint, EndpointRegistry } from "../../../src/endpoints/registry.ts";
import type { Logger } from "../../../src/telemetry/logger.ts";
import { type ControlCounters, newControlCounters } from "../../../src/telemetry/metrics.ts";
import { EndpointColumns } from "../../../src/wasm/endpoint-columns.ts";
import { createSharedMemory } from "../../../src/wasm/regions.ts";

type Line = readonly [level: string, message: string, fields: unknown];

interface Bed {
  readonly watch: FleetWatch;
  readonly endpoints: readonly Endpoint[];
  readonly control: ControlCounters;
  readonly lines: Line[];
  /** Degraded states that hold, with their details. */
  readonly states: ReadonlyMap<string, string>;
}

function setUp(): Bed {
  const memory = createSharedMemory({ shardCount: 1, streamWindowCount: 1, indexSlotsLog2: 12 });
  const registry = new EndpointRegistry(new EndpointColumns(memory), {
    requestClear: () => undefined,
    isCleared: () => true,
    inFlightRequests: () => 0,
  });
  const base = { namespace: "default", address: "10.0.0.1", labels: {} };
  registry.replaceAll([
    { ...base, name: "a", port: 1 },
    { ...base, name: "b", port: 2, address: "::1" },
  ]);
  const lines: Line[] = [];
  const log =
    (level: string) =>
    (fields: unknown, message: string): void =>
      void lines.push([level, message, fields]);
  const logger = { info: log("info"), warn: log("warn"), error: log("error") } as unknown as Logger;
  const control = newControlCounters();
  const degraded = {
    raise: (code: string, detail: string): void => void states.set(code, detail),
    clear: (code: string): void => void states.delete(code),
  };
  const states = new Map<string, string>();
  return {
    watch: new FleetWatch({ endpoints: registry, logger, control, degraded }),
    endpoints: registry.endpoints,
    control,
    lines,
    states,
  };
}

const scraped = {
  queueDepthRequests: 1,
  runningRequests: 2,
  kvCacheUsageFraction: 0.5,
  inFlightAtScrape: 3,
  scrapedAtMs: 4,
};

describe("fleet watch", () => {
  it("scrapes that go well are counted and kept, and nothing is said", () => {
    const { watch, endpoints, control, lines } = setUp();
    for (const endpoint of endpoints) watch.onScraped(endpoint, scraped);
    expect(control).toMatchObject({ scrapesSucceeded: 2, scrapesFailed: 0, becameReachable: 0, becameUnreachable: 0 });
    expect(endpoints.map((endpoint) => endpoint.scraped)).toEqual([scraped, scraped]);
    expect(lines).toEqual([]);
  });

  it("an endpoint that is lost is named once, with the reason and what is left; the fleet is degraded", () => {
    const { watch, endpoints, control, lines, states } = setUp();
    const [first, second] = endpoints as [Endpoint, Endpoint];
    for (let scrape = 0; scrape < 3; scrape++) watch.onScrapeFailed(second, "connect ECONNREFUSED");
    expect(lines).toEqual([
      [
        "warn",
        "endpoint cannot be scraped and is left out",
        { endpoint: "default/b", address: "[::1]:2", reason: "connect ECONNREFUSED", reachableCount: 1, total: 2 },
      ],
    ]);
    expect([...states]).toEqual([["endpoints-unreachable", "1 of 2 cannot be scraped: default/b"]]);
    watch.onScrapeFailed(first, "answered 500");
    expect([...states]).toEqual([["no-endpoint-reachable", "2 of 2 cannot be scraped: default/a, default/b"]]);
    expect(lines.slice(1).map(([level, message]) => [level, message])).toEqual([
      ["warn", "endpoint cannot be scraped and is left out"],
    ]);
    expect(control).toMatchObject({ scrapesFailed: 4, becameUnreachable: 2 });
    expect(endpoints.map(({ isReachable }) => isReachable)).toEqual([false, false]);
  });

  it("an endpoint that is found again is named once, and its numbers are kept", () => {
    const { watch, endpoints, control, lines, states } = setUp();
    const [first] = endpoints as [Endpoint];
    watch.onScrapeFailed(first, "timeout");
    expect([...states.keys()]).toEqual(["endpoints-unreachable"]);
    watch.onScraped(first, scraped);
    watch.onScraped(first, scraped);
    expect(lines.slice(1)).toEqual([
      ["info", "endpoint is reachable again and takes requests", { endpoint: "default/a", address: "10.0.0.1:1" }],
    ]);
    expect(control).toMatchObject({ becameReachable: 1, becameUnreachable: 1, scrapesSucceeded: 2 });
    expect(first).toMatchObject({ isReachable: true, scraped });
    expect(states.size).toBe(0);
  });
});
