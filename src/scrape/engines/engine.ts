/** Engines: under which metric names a family of model servers reports its load. One table each. */

export interface MetricSpec {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface EngineMetrics {
  /** Value of the label `llm-d.ai/engine-type`. */
  readonly name: string;
  readonly queueDepthRequests: MetricSpec;
  readonly runningRequests: MetricSpec;
  readonly kvCacheUsageFraction: MetricSpec;
}
