import { describe, expect, it } from "vitest";
import type { DataSourceConfig, Origin } from "../../../src/config/config.ts";
import type { PluginDefinition } from "../../../src/framework/plugin.ts";
import { coreMetricsExtractor } from "../../../src/scrape/core-metrics-extractor.ts";
import { metricsDataSource } from "../../../src/scrape/metrics-data-source.ts";
import { modelsDataExtractor } from "../../../src/scrape/models-data-extractor.ts";
import { modelsDataSource } from "../../../src/scrape/models-data-source.ts";
import {
  compileScrapePlan,
  type PlanInstance,
  type ScrapeFlags,
  type ScrapePlan,
} from "../../../src/scrape/scrape-plan.ts";
import { createPlugin } from "../../support/plugins.ts";
import { defaultScrapePlan } from "../../support/scrape-plan.ts";

const FLAGS: ScrapeFlags = { intervalMs: 50, staleMs: 2_000, backsOff: true };
const BY_DEFAULT: Origin = { kind: "default", reason: "nothing was said" };

function instance<Parameters>(definition: PluginDefinition<Parameters>, parameters: unknown = {}): PlanInstance {
  return { type: definition.type, plugin: createPlugin(definition, parameters) };
}

const source = (pluginRef: string, ...extractors: string[]): DataSourceConfig => {
  return { pluginRef, extractors, origin: { kind: "document", path: ["dataLayer", "sources", 0] } };
};

function compile(
  sources: readonly DataSourceConfig[],
  instances: Readonly<Record<string, PlanInstance>>,
  flags: Partial<ScrapeFlags> = {},
): ScrapePlan {
  return compileScrapePlan({ sources }, new Map(Object.entries(instances)), { ...FLAGS, ...flags });
}

const metrics = (parameters: unknown = {}): PlanInstance => instance(metricsDataSource, parameters);
const extractor = instance(coreMetricsExtractor);

describe("scrape plan", () => {
  it("by default: metrics over http each tick, no models, and rests for the idle", () => {
    const plan = defaultScrapePlan(FLAGS);
    expect(plan).toMatchObject({ tickMs: 50, backOffMs: 1_000, models: undefined, notes: [] });
    expect(plan.metrics).toMatchObject({
      name: "metrics-data-source",
      scheme: "http",
      path: "/metrics",
      port: undefined,
      everyTicks: 1,
      defaultEngine: "vllm",
      sumsSeries: false,
      tls: { insecureSkipVerify: true },
    });
    expect(plan.metrics?.engines).toHaveLength(5);
  });

  it("takes what parameters say", () => {
    const plan = compile([source("m", "core"), source("l", "list")], {
      m: metrics({ scheme: "https", path: "/x", port: 9_000, insecureSkipVerify: false, caCertPath: "ca.pem" }),
      core: instance(coreMetricsExtractor, { sumSeries: true }),
      l: instance(modelsDataSource, { interval: "5s" }),
      list: instance(modelsDataExtractor),
    });
    expect(plan.metrics).toMatchObject({
      scheme: "https",
      path: "/x",
      port: 9_000,
      sumsSeries: true,
      tls: { insecureSkipVerify: false, caCertPath: "ca.pem" },
    });
    expect(plan.models).toMatchObject({ name: "l", path: "/v1/models", everyTicks: 100 });
  });

  it.each([
    { name: "the flag's tick", interval: undefined, flag: 200, tick: 200, every: 1 },
    { name: "a source that asks for less", interval: "1s", flag: 50, tick: 50, every: 20 },
    { name: "a source that asks for more", interval: "100ms", flag: 1_000, tick: 100, every: 1 },
    { name: "never more than the least tick", interval: "10ms", flag: 1_000, tick: 50, every: 1 },
    { name: "rounded to whole ticks", interval: "120ms", flag: 50, tick: 50, every: 2 },
    { name: "a flag below the least tick", interval: undefined, flag: 10, tick: 50, every: 1 },
  ])("pace: $name", ({ interval, flag, tick, every }) => {
    const instances = { m: metrics(interval === undefined ? {} : { interval }), core: extractor };
    const plan = compile([source("m", "core")], instances, { intervalMs: flag });
    expect([plan.tickMs, plan.metrics?.everyTicks]).toEqual([tick, every]);
  });

  it.each([
    { flags: { backsOff: false }, backOffMs: undefined },
    { flags: { staleMs: 2_000 }, backOffMs: 1_000 },
    { flags: { staleMs: 10_000 }, backOffMs: 1_000 },
    { flags: { staleMs: 800 }, backOffMs: 400 },
  ])("rests of the idle with $flags: $backOffMs", ({ flags, backOffMs }) => {
    expect(compile([source("m", "core")], { m: metrics(), core: extractor }, flags).backOffMs).toBe(backOffMs);
  });

  it("a source that nothing is read from is not fetched, which is said", () => {
    const plan = compile([source("m")], { m: metrics() });
    expect(plan.metrics).toBeUndefined();
    expect(plan.notes).toEqual([
      "m has no extractor, so it is not fetched",
      "no source of metrics: the load of every server stays unknown",
    ]);
  });

  it("a source that fetches nothing is passed over", () => {
    const events: PlanInstance = { type: "endpoint-notification-source", plugin: {} };
    const plan = compile([source("events"), source("m", "core")], { events, m: metrics(), core: extractor });
    expect([plan.metrics?.name, plan.notes]).toEqual(["m", []]);
  });

  it.each([
    {
      name: "two of one kind",
      sources: [source("m", "core"), source("m2", "core")],
      fault: '"m2" would fetch the metrics of every server as "m" does already',
    },
    {
      name: "metrics read as models",
      sources: [source("m", "list")],
      fault: '"list" reads models, and "m" fetches metrics',
    },
    {
      name: "models read as metrics",
      sources: [source("l", "core")],
      fault: '"core" reads metrics, and "l" fetches models',
    },
  ])("refuses $name, with the place", ({ sources, fault }) => {
    const instances = {
      m: metrics(),
      m2: metrics(),
      core: extractor,
      l: instance(modelsDataSource),
      list: instance(modelsDataExtractor),
    };
    const compiled = (): ScrapePlan => compile(sources, instances);
    expect(compiled).toThrow(fault);
    expect(compiled).toThrow(expect.objectContaining({ path: ["dataLayer", "sources", 0] }));
  });

  it.each([
    { parameters: { port: 65_536 } },
    { parameters: { port: "8000" } },
    { parameters: { path: "metrics" } },
    { parameters: { path: "/a b" } },
    { parameters: { path: "/a\r\nx: y" } },
    { parameters: { scheme: "ftp" } },
    { parameters: { interval: "soon" } },
    { parameters: { interval: "0s" } },
    { parameters: { timeout: "1s" } },
  ])("a source with $parameters is a fault", ({ parameters }) => {
    expect(metricsDataSource.parameters.safeParse(parameters).success).toBe(false);
  });

  it("empty paths and port 0 are none, as in the Go picker", () => {
    const { dataSource } = metrics({ port: 0, caCertPath: "", clientCertPath: "", clientKeyPath: "" }).plugin;
    expect(dataSource).toMatchObject({
      port: undefined,
      tls: { caCertPath: undefined, clientCertPath: undefined, clientKeyPath: undefined },
    });
  });
});

describe("flags of older pickers", () => {
  const legacy = {
    totalQueuedRequestsMetric: "q{a=b}",
    totalRunningRequestsMetric: "r",
    kvCacheUsagePercentageMetric: "k",
    loraInfoMetric: "l",
    cacheInfoMetric: "c",
    modelServerMetricsPort: 9_000,
    modelServerMetricsPath: "m",
    modelServerMetricsScheme: "https",
    modelServerMetricsHttpsInsecureSkipVerify: false,
  } as const;

  it("change what is scraped by default, and the default engine's names", () => {
    const { metrics: planned } = defaultScrapePlan({ ...FLAGS, legacy });
    expect(planned).toMatchObject({ port: 9_000, path: "/m", scheme: "https", tls: { insecureSkipVerify: false } });
    expect(planned?.engines[0]).toMatchObject({
      name: "vllm",
      queueDepthRequests: { name: "q", labels: { a: "b" } },
      runningRequests: { name: "r" },
      kvCacheUsageFraction: { name: "k" },
      adapters: { name: "l" },
      cacheInfo: { series: { name: "c" }, blockSizeLabel: "block_size", blockCountLabel: "num_gpu_blocks" },
    });
    expect(planned?.engines[1]).toMatchObject({ name: "sglang", runningRequests: { name: "sglang:num_running_reqs" } });
  });

  it("change each only its own thing; port 0 is the endpoint's", () => {
    const { metrics: planned } = defaultScrapePlan({
      ...FLAGS,
      legacy: { loraInfoMetric: "l", modelServerMetricsPort: 0 },
    });
    expect(planned).toMatchObject({ port: undefined, path: "/metrics", scheme: "http" });
    expect(planned?.engines[0]).toMatchObject({
      queueDepthRequests: { name: "vllm:num_requests_waiting" },
      adapters: { name: "l" },
    });
  });

  it("leave alone what a configuration says", () => {
    const plan = compile([source("m", "core")], { m: metrics(), core: extractor }, { legacy });
    expect(plan.metrics).toMatchObject({ port: undefined, path: "/metrics", scheme: "http" });
    expect(plan.metrics?.engines[0]?.runningRequests).toEqual({ name: "vllm:num_requests_running" });
    const configured = compile(
      [{ ...source("m", "core"), origin: BY_DEFAULT }],
      { m: { ...metrics(), origin: BY_DEFAULT }, core: extractor },
      { legacy },
    );
    expect(configured.metrics).toMatchObject({ port: 9_000 });
    expect(configured.metrics?.engines[0]?.runningRequests).toEqual({ name: "vllm:num_requests_running" });
  });

  it("a name that is none is a fault", () => {
    expect(() => defaultScrapePlan({ ...FLAGS, legacy: { loraInfoMetric: "l{" } })).toThrow('"l{" is no series');
  });
});
