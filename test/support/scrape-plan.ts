/** The plan of a configuration that says nothing of the data layer: every endpoint's metrics, by its engine. */
import type { Origin } from "../../src/config/config.ts";
import { DEFAULT_TYPES } from "../../src/config/defaults.ts";
import { coreMetricsExtractor } from "../../src/scrape/core-metrics-extractor.ts";
import { metricsDataSource } from "../../src/scrape/metrics-data-source.ts";
import { compileScrapePlan, type ScrapeFlags, type ScrapePlan } from "../../src/scrape/scrape-plan.ts";
import { createPlugin } from "./plugins.ts";

export function defaultScrapePlan(flags: ScrapeFlags): ScrapePlan {
  const { dataSource, extractor } = DEFAULT_TYPES;
  const origin: Origin = { kind: "default", reason: "no configuration" };
  const instances = new Map([
    [dataSource, { type: dataSource, plugin: createPlugin(metricsDataSource), origin }],
    [extractor, { type: extractor, plugin: createPlugin(coreMetricsExtractor), origin }],
  ]);
  return compileScrapePlan({ sources: [{ pluginRef: dataSource, extractors: [extractor], origin }] }, instances, flags);
}
