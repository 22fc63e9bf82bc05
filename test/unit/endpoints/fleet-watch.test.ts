import { describe, expect, it } from "vitest";
import { FleetWatch, type ScrapeFault } from "../../../src/endpoints/fleet-watch.ts";
import { type Endpoint, EndpointRegistry } from "../../../src/endpoints/registry.ts";
import { type ControlCounters, newControlCounters } from "../../../src/telemetry/control-counters.ts";
import type { Logger } from "../../../src/telemetry/logger.ts";
import { EndpointColumns } from "../../../src/wasm/endpoint-columns.ts";
import { createSharedMemory } from "../../../src/wasm/regions.ts";

type Line = readonly [level: string, message: string, fields: unknown];

interface Bed {
  readonly watch: FleetWatch;
  readonly endpoints: readonly Endpoint[];
  readonly control: ControlCounters;
  readonly lines: Line[];
  /** Failures by the types of plugins. */
  readonly counted: string[];
  /** Names and attributes: what, slot, value. */
  readonly written: unknown[];
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
  const counted: string[] = [];
  const written: unknown[] = [];
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
    watch: new FleetWatch({
      endpoints: registry,
      logger,
      control,
      degraded,
      errors: {
        countPoll: (source) => void counted.push(source),
        countExtract: (source, extractor) => void counted.push(`${source}/${extractor}`),
      },
      names: {
        setAdapters: (slot, adapters) => void written.push(["adapters", slot, adapters]),
        setServedModels: (slot, models) => void written.push(["models", slot, models]),
      },
      setAttributes: (slot, attributes) => void written.push(["attributes", slot, attributes]),
      setCacheShape: (slot, shape) => void written.push(["cache", slot, shape.blockSizeTokens, shape.blockCount]),
    }),
    counted,
    written,
    endpoints: registry.endpoints,
    control,
    lines,
    states,
  };
}

const load = { queueDepthRequests: 1, runningRequests: 2, kvCacheUsageFraction: 0.5 };
const sent = { inFlightAtScrape: 3, scrapedAtMs: 4 };
const scraped = { ...load, ...sent };

const unanswered = (reason: string): ScrapeFault => ({ source: "metrics", kind: "unanswered", reason });

describe("fleet watch", () => {
  it("scrapes that go well are counted and kept, and nothing is said", () => {
    const { watch, endpoints, control, lines } = setUp();
    for (const endpoint of endpoints) watch.onScraped(endpoint, load, sent);
    expect(control).toMatchObject({ scrapesSucceeded: 2, scrapesFailed: 0, becameReachable: 0, becameUnreachable: 0 });
    expect(endpoints.map((endpoint) => endpoint.scraped)).toEqual([scraped, scraped]);
    expect(lines).toEqual([]);
  });

  it("an endpoint that is lost is named once, with the reason and what is left; the fleet is degraded", () => {
    const { watch, endpoints, control, lines, states } = setUp();
    const [first, second] = endpoints as [Endpoint, Endpoint];
    for (let scrape = 0; scrape < 3; scrape++) watch.onScrapeFailed(second, unanswered("connect ECONNREFUSED"));
    expect(lines).toEqual([
      [
        "warn",
        "endpoint cannot be scraped and is left out",
        { endpoint: "default/b", address: "[::1]:2", reason: "connect ECONNREFUSED", reachableCount: 1, total: 2 },
      ],
    ]);
    expect([...states]).toEqual([["endpoints-unreachable", "1 of 2 cannot be scraped: default/b"]]);
    watch.onScrapeFailed(first, unanswered("answered 500"));
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
    watch.onScrapeFailed(first, unanswered("timeout"));
    expect([...states.keys()]).toEqual(["endpoints-unreachable"]);
    watch.onScraped(first, load, sent);
    watch.onScraped(first, load, sent);
    expect(lines.slice(1)).toEqual([
      ["info", "endpoint is reachable again and takes requests", { endpoint: "default/a", address: "10.0.0.1:1" }],
    ]);
    expect(control).toMatchObject({ becameReachable: 1, becameUnreachable: 1, scrapesSucceeded: 2 });
    expect(first).toMatchObject({ isReachable: true, scraped });
    expect(states.size).toBe(0);
  });

  it("failures are counted by the plugins that they befell; a list of models takes nobody out", () => {
    const { watch, endpoints, control, counted, lines } = setUp();
    const [first] = endpoints as [Endpoint];
    for (let time = 0; time < 2; time++) {
      watch.onScrapeFailed(first, { source: "models", kind: "unanswered", reason: "answered 404" });
    }
    expect([first.isReachable, control.scrapesFailed, counted.splice(0, 1)]).toEqual([true, 0, ["models-data-source"]]);
    expect(lines).toEqual([
      [
        "warn",
        "endpoint's list of models cannot be had; it stays as it was",
        { endpoint: "default/a", address: "10.0.0.1:1", reason: "answered 404" },
      ],
    ]);
    watch.onScrapeFailed(first, unanswered("answered 500"));
    watch.onScrapeFailed(first, { source: "metrics", kind: "no-load", reason: "nothing known" });
    expect(counted.slice(1)).toEqual(["metrics-data-source", "metrics-data-source/core-metrics-extractor"]);
    expect([first.isReachable, first.scrapeFailure, control.scrapesFailed]).toEqual([false, "nothing known", 2]);
  });

  it("adapters and models are written when they are others than before, attributes each time", () => {
    const { watch, endpoints, written } = setUp();
    const [, second] = endpoints as [Endpoint, Endpoint];
    const adapters = { running: ["a"], waiting: ["b"], max: 4 };
    const metrics = { ...load, adapters, servedModels: ["base", "a"], attributes: new Map([["x", 1]]) };
    for (let scrape = 0; scrape < 2; scrape++) watch.onScraped(second, metrics, sent);
    watch.onScraped(second, { ...metrics, adapters: { running: [], waiting: [], max: undefined } }, sent);
    watch.onScraped(second, load, sent);
    expect(written).toEqual([
      ["adapters", 1, { running: ["a"], waiting: ["b"], loadedMax: 4 }],
      ["models", 1, ["base", "a"]],
      ["attributes", 1, metrics.attributes],
      ["attributes", 1, metrics.attributes],
      ["adapters", 1, { running: [], waiting: [], loadedMax: 0 }],
      ["attributes", 1, metrics.attributes],
      ["adapters", 1, undefined],
      ["models", 1, undefined],
    ]);
  });

  it("the shape of a KV cache is told when it is another one than before", () => {
    const { watch, endpoints, written } = setUp();
    const [first] = endpoints as [Endpoint];
    for (const cacheBlockCount of [undefined, 100, 100, 200]) {
      watch.onScraped(first, { ...load, cacheBlockSizeTokens: 16, cacheBlockCount }, sent);
    }
    expect(written).toEqual([
      ["cache", 0, 16, undefined],
      ["cache", 0, 16, 100],
      ["cache", 0, 16, 200],
    ]);
  });

  it("values that are too old are a degraded state while their endpoint is reachable", () => {
    const { watch, endpoints, states } = setUp();
    const [first, second] = endpoints as [Endpoint, Endpoint];
    watch.onScraped(first, load, { ...sent, scrapedAtMs: 1_000 });
    watch.onScraped(second, load, { ...sent, scrapedAtMs: 2_000 });
    watch.checkFreshness(3_000, 2_000);
    expect([...states]).toEqual([]);
    watch.checkFreshness(3_001, 2_000);
    expect([...states]).toEqual([["metrics-stale", "values of 1 of 2 are old: default/a"]]);
    watch.checkFreshness(5_000, 2_000);
    expect(states.get("metrics-stale")).toBe("values of 2 of 2 are old: default/a, default/b");
    watch.onScraped(second, load, { ...sent, scrapedAtMs: 4_900 });
    watch.onScrapeFailed(first, unanswered("answered 500"));
    watch.checkFreshness(5_000, 2_000);
    expect([...states.keys()]).toEqual(["endpoints-unreachable"]);
  });
});
