/** The plan of a configuration that says nothing of the data layer: every endpoint's metrics, by its engine. */
import type { Origin } from "../config/config.ts";
import { DEFAULT_TYPES } from "../config/defaults.ts";
import type { CreateContext, Plugin, PluginDefinition } from "../framework/plugin.ts";
import { coreMetricsExtractor } from "./core-metrics-extractor.ts";
import { metricsDataSource } from "./metrics-data-source.ts";
import { compileScrapePlan, type ScrapeFlags, type ScrapePlan } from "./scrape-plan.ts";

/** Neither plugin uses it. */
const CONTEXT: CreateContext = {
  name: "",
  instances: new Map(),
  nowMs: () => 0,
  random: () => 0,
  warn: () => undefined,
  sharedColumn: () => ({ get: () => undefined, set: () => undefined }),
};

export function defaultScrapePlan(flags: ScrapeFlags): ScrapePlan {
  const { dataSource, extractor } = DEFAULT_TYPES;
  const origin: Origin = { kind: "default", reason: "no configuration" };
  const create = <Parameters>({ parameters, create }: PluginDefinition<Parameters>): Plugin =>
    create(parameters.parse({}), CONTEXT);
  const instances = new Map([
    [dataSource, { type: dataSource, plugin: create(metricsDataSource), origin }],
    [extractor, { type: extractor, plugin: create(coreMetricsExtractor), origin }],
  ]);
  return compileScrapePlan({ sources: [{ pluginRef: dataSource, extractors: [extractor], origin }] }, instances, flags);
}
