/** The fleet, put together: plans that change while it runs, notes of a plan, a start that fails. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { EndpointRegistry } from "../../src/endpoints/registry.ts";
import { type RunningFleet, startFleet } from "../../src/fleet.ts";
import type { ScrapePlan } from "../../src/scrape/scrape-plan.ts";
import { newControlCounters } from "../../src/telemetry/control-counters.ts";
import type { Logger } from "../../src/telemetry/logger.ts";
import { EndpointColumns } from "../../src/wasm/endpoint-columns.ts";
import { createSharedMemory } from "../../src/wasm/regions.ts";
import { closeSimulators, startSimulators } from "../support/fleet-of-simulators.ts";
import { defaultScrapePlan } from "../support/scrape-plan.ts";
import { until } from "../support/until.ts";

const PLAN = defaultScrapePlan({ intervalMs: 50, staleMs: 2_000, backsOff: false });

let folder: string;
const running: RunningFleet[] = [];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "magpie-fleet-"));
});

afterEach(async () => {
  for (const fleet of running.splice(0)) fleet.close();
  await closeSimulators();
  rmSync(folder, { recursive: true });
});

interface Bed {
  readonly fleet: RunningFleet;
  readonly endpoints: EndpointRegistry;
  /** Warnings that were logged. */
  readonly warnings: unknown[];
  readonly served: (readonly string[] | undefined)[];
}

async function start(document: string, plan: ScrapePlan = PLAN): Promise<Bed> {
  const memory = createSharedMemory({ shardCount: 1, streamWindowCount: 1, indexSlotsLog2: 12 });
  const endpoints = new EndpointRegistry(new EndpointColumns(memory), {
    requestClear: () => undefined,
    isCleared: () => true,
    inFlightRequests: () => 0,
  });
  const file = path.join(folder, "fleet.yaml");
  writeFileSync(file, document);
  const warnings: unknown[] = [];
  const served: (readonly string[] | undefined)[] = [];
  const logger = { info: () => undefined, warn: (fields: unknown) => warnings.push(fields), error: () => undefined };
  const fleet = await startFleet({
    clock: systemClock,
    logger: logger as unknown as Logger,
    control: newControlCounters(),
    degraded: { raise: () => undefined, clear: () => undefined },
    endpoints,
    plan,
    endpointsFile: { path: file, watches: true },
    staleMs: 2_000,
    inFlightRequests: () => 0,
    errors: { countPoll: () => undefined, countExtract: () => undefined },
    names: { setAdapters: () => undefined, setServedModels: (_slot, models) => void served.push(models) },
    setAttributes: () => undefined,
    setCacheShape: () => undefined,
  });
  running.push(fleet);
  return { fleet, endpoints, warnings, served };
}

async function documentOf(count: number): Promise<string> {
  const simulators = await startSimulators(count, { model: "base", adapters: ["ada"] });
  return JSON.stringify({
    endpoints: simulators.map(({ name, address: { port } }) => ({ name, address: "127.0.0.1", port })),
  });
}

describe("a fleet", () => {
  it("is scraped by another plan from one moment to the next, without losing a server", async () => {
    const { fleet, endpoints, served } = await start(await documentOf(2));
    const [first, second] = endpoints.endpoints;
    await until("a first scrape of each", () => endpoints.endpoints.every(({ scraped }) => scraped !== undefined));
    expect(first?.metrics?.servedModels).toBeUndefined();
    const models = PLAN.metrics && { ...PLAN.metrics, name: "models", path: "/v1/models", everyTicks: 2 };
    fleet.replacePlan({ ...PLAN, models });
    await until("the models of both", () => endpoints.endpoints.every(({ metrics }) => metrics?.servedModels));
    expect(first?.metrics?.servedModels).toEqual(["base", "ada"]);
    expect(served).toEqual([
      ["base", "ada"],
      ["base", "ada"],
    ]);
    expect(endpoints.endpoints).toEqual([first, second]);
  });

  it("stays with its plan when another one cannot be carried out", async () => {
    const { fleet, endpoints } = await start(await documentOf(1));
    const metrics = PLAN.metrics && {
      ...PLAN.metrics,
      scheme: "https" as const,
      tls: { ...PLAN.metrics.tls, caCertPath: path.join(folder, "none.pem") },
    };
    expect(() => fleet.replacePlan({ ...PLAN, metrics })).toThrow("caCertPath: ");
    const [endpoint] = endpoints.endpoints;
    const before = await until("a scrape", () => endpoint?.scraped?.scrapedAtMs);
    await until("a later one", () => (endpoint?.scraped?.scrapedAtMs ?? 0) > before);
  });

  it("says what its plan lacks", async () => {
    const { warnings, endpoints } = await start(await documentOf(1), {
      ...PLAN,
      metrics: undefined,
      notes: ["nothing"],
    });
    expect(warnings).toEqual([{ note: "nothing" }]);
    expect(endpoints.endpoints[0]).toMatchObject({ isReachable: true, scraped: undefined });
  });

  it("that cannot be read starts nothing", async () => {
    await expect(start("endpoints: 3")).rejects.toThrow("endpoints: must be a list of endpoints");
  });
});
