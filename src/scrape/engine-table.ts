/**
 * An engine's metrics as a table of the exposition scanner, and what a scanned exposition says in its terms: the one
 * place that knows which entry of a table means what.
 */
import { ConfigError } from "../base/errors.ts";
import type { EngineMetrics, SeriesSpec } from "../framework/data-sources.ts";
import type { AdapterMetrics, EndpointMetrics } from "../framework/endpoint.ts";
import type { ExpositionScanner, SeriesChoice, WantedSeries } from "../wasm/exposition-scanner.ts";
import { parseLabelBlock } from "../wire/prometheus-text.ts";

const RUNNING_ADAPTERS = "running_lora_adapters";
const WAITING_ADAPTERS = "waiting_lora_adapters";
const ADAPTERS_MAX = "max_lora";

/** What a label block was read as last time: it changes seldom, and reading it costs more than comparing. */
interface RememberedBlock<Value> {
  readonly block: Buffer;
  readonly value: Value;
}

/** One endpoint's last label blocks. */
export class RememberedLabels {
  adapters: RememberedBlock<AdapterMetrics> | undefined;
  cache: RememberedBlock<CacheShape> | undefined;
}

interface CacheShape {
  readonly blockSizeTokens: number | undefined;
  readonly blockCount: number | undefined;
}

/** Where each number stands in the table; undefined for what the engine does not tell. */
interface Entries {
  readonly queueDepth: number | undefined;
  readonly running: number | undefined;
  readonly kvCacheUsage: number | undefined;
  readonly adapters: number | undefined;
  readonly cacheInfo: number | undefined;
  readonly blockSize: number | undefined;
  readonly blockCount: number | undefined;
  readonly attributes: readonly { readonly attribute: string; readonly entry: number }[];
}

export class EngineTable {
  readonly engine: EngineMetrics;
  readonly number: number;
  readonly #scanner: ExpositionScanner;
  readonly #sumsSeries: boolean;
  readonly #entries: Entries;

  /** Throws a ConfigError when the engine asks for more than a table holds. */
  constructor(scanner: ExpositionScanner, engine: EngineMetrics, sumsSeries: boolean) {
    const wanted: WantedSeries[] = [];
    const want = (series: SeriesSpec | undefined, choice: SeriesChoice, keepsLabels = false): number | undefined =>
      series === undefined ? undefined : wanted.push({ ...series, choice, keepsLabels }) - 1;
    const load = sumsSeries ? "sum" : "newest";
    this.#entries = {
      queueDepth: want(engine.queueDepthRequests, load),
      running: want(engine.runningRequests, load),
      kvCacheUsage: want(engine.kvCacheUsageFraction, load),
      adapters: want(engine.adapters, "greatest", true),
      cacheInfo: want(engine.cacheInfo?.series, "newest", true),
      blockSize: want(engine.cacheBlockSizeTokens, "newest"),
      blockCount: want(engine.cacheBlockCount, sumsSeries ? "sum" : "newest"),
      attributes: (engine.attributes ?? []).map(({ attribute, series }) => {
        return { attribute, entry: want(series, "newest") ?? 0 };
      }),
    };
    const number = scanner.addTable(wanted);
    if (number === undefined) {
      throw new ConfigError(`engine "${engine.name}": ${wanted.length} series are more than can be scanned for`);
    }
    this.engine = engine;
    this.number = number;
    this.#scanner = scanner;
    this.#sumsSeries = sumsSeries;
  }

  /** What the scanned exposition says. Label blocks that are as before give the same objects as before. */
  read(window: number, remembered: RememberedLabels): EndpointMetrics {
    const entries = this.#entries;
    const cache = this.#readCache(window, remembered);
    return {
      queueDepthRequests: this.#load(window, entries.queueDepth),
      runningRequests: this.#load(window, entries.running),
      kvCacheUsageFraction: this.#mean(window, entries.kvCacheUsage),
      adapters: this.#readAdapters(window, remembered),
      cacheBlockSizeTokens: cache.blockSizeTokens,
      cacheBlockCount: cache.blockCount,
      attributes: this.#readAttributes(window),
    };
  }

  /**
   * Undefined where the exposition says nothing, or what no load can be: below 0, or infinite as the f32 that decisions
   * read, since one infinite queue would make all others look alike.
   */
  #load(window: number, entry: number | undefined): number | undefined {
    const value = entry === undefined ? undefined : this.#scanner.value(window, entry);
    return value !== undefined && value >= 0 && Number.isFinite(Math.fround(value)) ? value : undefined;
  }

  /** A usage of several ranks is the mean of theirs. */
  #mean(window: number, entry: number | undefined): number | undefined {
    const value = this.#load(window, entry);
    if (value === undefined || entry === undefined || !this.#sumsSeries) return value;
    return value / this.#scanner.seriesCount(window, entry);
  }

  #readAdapters(window: number, remembered: RememberedLabels): AdapterMetrics | undefined {
    const { adapters: entry } = this.#entries;
    const block = entry === undefined ? undefined : this.#scanner.labelBlock(window, entry);
    if (block === undefined) return undefined;
    const known = remembered.adapters;
    if (known !== undefined && block.equals(known.block)) return known.value;
    const labels = parseLabelBlock(block.toString("utf8"));
    const value = {
      running: splitNames(labels.get(RUNNING_ADAPTERS)),
      waiting: splitNames(labels.get(WAITING_ADAPTERS)),
      max: readCount(labels.get(ADAPTERS_MAX)),
    };
    remembered.adapters = { block: Buffer.from(block), value };
    return value;
  }

  #readCache(window: number, remembered: RememberedLabels): CacheShape {
    const { cacheInfo: entry, blockSize, blockCount } = this.#entries;
    const info = this.engine.cacheInfo;
    if (entry === undefined || info === undefined) {
      return {
        blockSizeTokens: positive(this.#load(window, blockSize)),
        blockCount: positive(this.#load(window, blockCount)),
      };
    }
    const block = this.#scanner.labelBlock(window, entry);
    if (block === undefined) return { blockSizeTokens: undefined, blockCount: undefined };
    const known = remembered.cache;
    if (known !== undefined && block.equals(known.block)) return known.value;
    const labels = parseLabelBlock(block.toString("utf8"));
    const value = {
      blockSizeTokens: positive(readCount(labels.get(info.blockSizeLabel))),
      blockCount: positive(readCount(labels.get(info.blockCountLabel))),
    };
    remembered.cache = { block: Buffer.from(block), value };
    return value;
  }

  #readAttributes(window: number): ReadonlyMap<string, number> | undefined {
    const { attributes } = this.#entries;
    if (attributes.length === 0) return undefined;
    const values = new Map<string, number>();
    for (const { attribute, entry } of attributes) {
      const value = this.#scanner.value(window, entry);
      if (value !== undefined) values.set(attribute, value);
    }
    return values;
  }
}

/** Whether a scrape has found anything that load is judged by. */
export function hasLoad(metrics: EndpointMetrics): boolean {
  return (
    metrics.queueDepthRequests !== undefined ||
    metrics.runningRequests !== undefined ||
    metrics.kvCacheUsageFraction !== undefined
  );
}

/** The names of a comma-separated list; the same name twice counts once. */
function splitNames(list = ""): readonly string[] {
  const names = list.split(",").map((name) => name.trim());
  return [...new Set(names.filter((name) => name !== ""))];
}

/** A whole number of at least 0; engines write `None` for what is not set. */
function readCount(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function positive(count: number | undefined): number | undefined {
  return count !== undefined && count > 0 ? count : undefined;
}
