/**
 * What plugins of the data layer say of themselves: data sources what is fetched, extractors what is read out of it,
 * discovery where endpoints come from. All of it is data: `src/scrape` and `src/discovery` do the work, on the control
 * thread alone.
 */

/** What is fetched from every endpoint, again and again. */
export interface DataSource {
  readonly kind: "metrics" | "models";
  readonly scheme: "http" | "https";
  readonly path: string;
  /** The endpoint's own port when undefined. */
  readonly port: number | undefined;
  readonly tls: SourceTls;
  /** Undefined: every tick. */
  readonly intervalMs: number | undefined;
}

/** How https is spoken. Paths of PEM files, read when scraping begins. */
export interface SourceTls {
  /** Takes any certificate: the Go picker's default, since engines sign theirs themselves. */
  readonly insecureSkipVerify: boolean;
  readonly caCertPath: string | undefined;
  readonly clientCertPath: string | undefined;
  readonly clientKeyPath: string | undefined;
}

/** What is read out of a source's answers. */
export type Extractor = CoreMetricsExtractor | ModelsExtractor;

export interface CoreMetricsExtractor {
  readonly kind: "core-metrics";
  /** Labels whose value names an endpoint's engine; the first that an endpoint has counts. */
  readonly engineLabelKeys: readonly string[];
  /** Of endpoints without such a label, or with a value that names no engine. */
  readonly defaultEngine: string;
  readonly engines: readonly EngineMetrics[];
  /** Adds up the series of one exposition (data-parallel ranks behind one port) instead of choosing one. */
  readonly sumsSeries: boolean;
}

/** The served models, from a list in OpenAI's shape. */
export interface ModelsExtractor {
  readonly kind: "models";
}

/** Under which names a family of model servers reports its load. What is undefined stays unknown. */
export interface EngineMetrics {
  /** Value of the label `llm-d.ai/engine-type`. */
  readonly name: string;
  readonly queueDepthRequests: SeriesSpec | undefined;
  readonly runningRequests: SeriesSpec | undefined;
  /** A fraction, 0 to 1, whatever its name says. */
  readonly kvCacheUsageFraction: SeriesSpec | undefined;
  /** Its labels `running_lora_adapters`, `waiting_lora_adapters` and `max_lora` are the information. */
  readonly adapters?: SeriesSpec | undefined;
  /** Labels of one series say how the KV cache is cut. */
  readonly cacheInfo?: CacheInfoSpec | undefined;
  /** Or gauges do. */
  readonly cacheBlockSizeTokens?: SeriesSpec | undefined;
  readonly cacheBlockCount?: SeriesSpec | undefined;
  /** Further numbers, under the names that plugins know them by. */
  readonly attributes?: readonly AttributeSpec[] | undefined;
}

export interface SeriesSpec {
  readonly name: string;
  /** Labels that the series must have; others do not matter. */
  readonly labels?: Readonly<Record<string, string>>;
}

export interface CacheInfoSpec {
  readonly series: SeriesSpec;
  readonly blockSizeLabel: string;
  readonly blockCountLabel: string;
}

export interface AttributeSpec {
  readonly attribute: string;
  readonly series: SeriesSpec;
}

/** Where endpoints come from, instead of Kubernetes. */
export interface Discovery {
  readonly kind: "file";
  readonly path: string;
  /** Reads the file again when it changes. */
  readonly watches: boolean;
}
