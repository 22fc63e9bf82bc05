import { describe, expect, it } from "vitest";
import { endpointsPage } from "../../../src/admin/pages/endpoints.ts";
import { ManualClock } from "../../../src/base/clock.ts";
import type { Endpoint } from "../../../src/endpoints/registry.ts";
import type { Slot } from "../../../src/framework/endpoint.ts";

const UNKNOWN: Endpoint = {
  id: "default/a",
  spec: { name: "a", namespace: "default", address: "::1", port: 8_000, labels: { role: "decode" } },
  slot: 1 as Slot,
  generation: 3,
  isReachable: true,
  scrapeFailure: undefined,
  scraped: undefined,
  metrics: undefined,
  isBackedOff: false,
};

/** By default the slots hold 7 and 8 blocks. */
async function show(endpoint: Partial<Endpoint>, held: readonly number[] | "unknown" = [7, 8]): Promise<unknown> {
  const clock = new ManualClock();
  clock.advance(1_000);
  const page = endpointsPage({
    clock,
    endpoints: () => [{ ...UNKNOWN, ...endpoint }],
    inFlight: (slot) => ({ requests: slot + 1, tokens: slot + 100 }),
    blocksHeld: async () => (held === "unknown" ? undefined : held),
  });
  const pieces: string[] = [];
  const request = { query: new URLSearchParams(), signal: new AbortController().signal };
  for await (const piece of page.answer(request)) pieces.push(String(piece));
  return (JSON.parse(pieces.join("")) as { endpoints: unknown[] }).endpoints[0];
}

describe("the page of endpoints", () => {
  it("shows an endpoint that was never scraped with nulls for what is unknown", async () => {
    expect(await show({}, "unknown")).toEqual({
      id: "default/a",
      address: "[::1]:8000",
      labels: { role: "decode" },
      slot: 1,
      generation: 3,
      isReachable: true,
      scrapeAgeMs: null,
      isBackedOff: false,
      scraped: {},
      inFlightRequests: 2,
      inFlightTokens: 101,
      blocksHeld: null,
    });
  });

  it("shows all that was scraped, with its age; what the engine does not tell is null", async () => {
    const load = { queueDepthRequests: 4, runningRequests: undefined, kvCacheUsageFraction: 0.5 };
    const shown = await show({
      scraped: { ...load, inFlightAtScrape: 2, scrapedAtMs: 400 },
      metrics: {
        ...load,
        adapters: { running: ["sql"], waiting: [], max: 4 },
        cacheBlockCount: 1_000,
        attributes: new Map([["tokens_waiting", 12]]),
        servedModels: ["llama", "sql"],
      },
    });
    expect(shown).toMatchObject({
      scrapeAgeMs: 600,
      blocksHeld: 8,
      scraped: {
        queueDepthRequests: 4,
        runningRequests: null,
        kvCacheUsageFraction: 0.5,
        inFlightAtScrape: 2,
        adapters: { running: ["sql"], waiting: [], max: 4 },
        cacheBlockCount: 1_000,
        attributes: { tokens_waiting: 12 },
        servedModels: ["llama", "sql"],
      },
    });
  });

  it("shows why an endpoint cannot be scraped only while that is so", async () => {
    expect(await show({ isReachable: false, scrapeFailure: "answered 500" })).toMatchObject({
      isReachable: false,
      scrapeFailure: "answered 500",
    });
    expect(await show({ scrapeFailure: "answered 500" })).not.toHaveProperty("scrapeFailure");
  });

  it("cuts long lists of names", async () => {
    const servedModels = Array.from({ length: 500 }, (_, index) => `adapter-${index}`);
    const load = { queueDepthRequests: 0, runningRequests: 0, kvCacheUsageFraction: 0 };
    const shown = (await show({ metrics: { ...load, servedModels } })) as { scraped: { servedModels: string[] } };
    expect(shown.scraped.servedModels).toHaveLength(51);
    expect(shown.scraped.servedModels.at(-1)).toBe("… and 450 more");
  });
});
