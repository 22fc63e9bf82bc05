/**
 * What is asked of every endpoint, how often, and how the answers are read: compiled once from the data layer's section
 * of a configuration, the instances of its plugins, and the flags. Pure.
 */
import { ConfigError } from "../base/errors.ts";
import type { DataLayerConfig, DataSourceConfig, Origin } from "../config/config.ts";
import { SCRAPE_IDLE_MS, SCRAPE_INTERVAL_MS } from "../config/defaults.ts";
import type { CoreMetricsExtractor, DataSource, EngineMetrics, SourceTls } from "../framework/data-sources.ts";
import type { Plugin } from "../framework/plugin.ts";
import { applyLegacyEngine, applyLegacySource, type LegacyMetrics } from "./legacy-metrics.ts";

export interface ScrapePlan {
  readonly tickMs: number;
  /** Undefined when a configuration leaves it out: then nobody's load is known. */
  readonly metrics: PlannedMetrics | undefined;
  readonly models: PlannedSource | undefined;
  /** Time between two scrapes of an idle endpoint; undefined: as of any other. */
  readonly backOffMs: number | undefined;
  /** What an operator should know of the plan. */
  readonly notes: readonly string[];
}

export interface PlannedSource {
  /** Of the plugin instance. */
  readonly name: string;
  readonly scheme: "http" | "https";
  readonly path: string;
  readonly port: number | undefined;
  readonly tls: SourceTls;
  readonly everyTicks: number;
}

export interface PlannedMetrics extends PlannedSource {
  readonly engineLabelKeys: readonly string[];
  readonly defaultEngine: string;
  readonly engines: readonly EngineMetrics[];
  readonly sumsSeries: boolean;
}

/** A plugin instance, as far as this needs it. */
export interface PlanInstance {
  readonly type: string;
  readonly plugin: Pick<Plugin, "dataSource" | "extractor">;
  readonly origin?: Origin | undefined;
}

export interface ScrapeFlags {
  readonly intervalMs: number;
  /** Age from which values count as unknown. */
  readonly staleMs: number;
  readonly backsOff: boolean;
  readonly legacy?: LegacyMetrics;
}

/** Throws a ConfigError with the place of the fault. */
export function compileScrapePlan(
  { sources }: Pick<DataLayerConfig, "sources">,
  instances: ReadonlyMap<string, PlanInstance>,
  flags: ScrapeFlags,
): ScrapePlan {
  const notes: string[] = [];
  const polled = sources.flatMap((source) => {
    const dataSource = instances.get(source.pluginRef)?.plugin.dataSource;
    return dataSource === undefined ? [] : [{ source, dataSource }];
  });
  checkOnePerKind(polled);
  const tickMs = tickOf(polled, flags.intervalMs);
  let metrics: PlannedMetrics | undefined;
  let models: PlannedSource | undefined;
  for (const { source, dataSource } of polled) {
    const extractor = findExtractor(source, dataSource, instances);
    if (extractor === undefined) {
      notes.push(`${source.pluginRef} has no extractor, so it is not fetched`);
    } else if (extractor.kind === "models") {
      models = planSource(source, dataSource, tickMs);
    } else {
      const legacy = flags.legacy ?? {};
      const isDefault = (name: string | undefined): boolean =>
        instances.get(name ?? "")?.origin?.kind === "default" && source.origin?.kind === "default";
      const fetched = isDefault(source.pluginRef) ? applyLegacySource(dataSource, legacy) : dataSource;
      const read = isDefault(extractor.name) ? applyLegacyEngine(extractor, legacy) : extractor;
      const { engineLabelKeys, defaultEngine, engines, sumsSeries } = read;
      metrics = { ...planSource(source, fetched, tickMs), engineLabelKeys, defaultEngine, engines, sumsSeries };
    }
  }
  if (metrics === undefined) notes.push("no source of metrics: the load of every server stays unknown");
  const backOffMs = flags.backsOff ? Math.min(SCRAPE_IDLE_MS, flags.staleMs / 2) : undefined;
  return { tickMs, metrics, models, backOffMs, notes };
}

interface Polled {
  readonly source: DataSourceConfig;
  readonly dataSource: DataSource;
}

/** Two scrapers of one kind would overwrite what the other one found. */
function checkOnePerKind(polled: readonly Polled[]): void {
  for (const [at, { source, dataSource }] of polled.entries()) {
    const first = polled.slice(0, at).find((other) => other.dataSource.kind === dataSource.kind);
    if (first === undefined) continue;
    fail(
      source,
      `"${source.pluginRef}" would fetch the ${dataSource.kind} of every server as "${first.source.pluginRef}" does ` +
        "already; keep one of them, and read further numbers by customMetrics of its extractor",
    );
  }
}

/** The flag's interval, lowered by sources that want to be asked more often, but never below the minimum. */
function tickOf(polled: readonly Polled[], flagMs: number): number {
  const intervals = polled.map(({ dataSource }) => dataSource.intervalMs ?? flagMs);
  return Math.max(SCRAPE_INTERVAL_MS, Math.min(flagMs, ...intervals));
}

function planSource({ pluginRef: name }: DataSourceConfig, dataSource: DataSource, tickMs: number): PlannedSource {
  const { scheme, path, port, tls, intervalMs } = dataSource;
  const everyTicks = intervalMs === undefined ? 1 : Math.max(1, Math.round(intervalMs / tickMs));
  return { name, scheme, path, port, tls, everyTicks };
}

/** The extractor that reads the source's kind of answer. Throws for one that reads another kind. */
function findExtractor(
  source: DataSourceConfig,
  dataSource: DataSource,
  instances: ReadonlyMap<string, PlanInstance>,
): (CoreMetricsExtractor & { readonly name: string }) | { readonly kind: "models" } | undefined {
  let found: (CoreMetricsExtractor & { readonly name: string }) | { readonly kind: "models" } | undefined;
  for (const name of source.extractors) {
    const extractor = instances.get(name)?.plugin.extractor;
    if (extractor === undefined) continue;
    const reads = extractor.kind === "models" ? "models" : "metrics";
    if (reads !== dataSource.kind) {
      fail(source, `"${name}" reads ${reads}, and "${source.pluginRef}" fetches ${dataSource.kind}`);
    }
    found = extractor.kind === "models" ? extractor : { ...extractor, name };
  }
  return found;
}

function fail({ origin }: DataSourceConfig, message: string): never {
  throw new ConfigError(message, { path: origin?.kind === "document" ? origin.path : undefined });
}
