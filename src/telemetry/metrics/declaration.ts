/**
 * The form in which a metric is declared, once, as data: the exposition, the documentation and the comparison with the
 * Go picker's names are made from it.
 */

export interface MetricDeclaration {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** The closed set of label names. */
  readonly labels: readonly string[];
  /** Upper bounds of a histogram, ascending, without the infinite one. */
  readonly buckets?: readonly number[];
  /** The name under which older dashboards know the same values, with the labels that it has there. */
  readonly twin?: { readonly name: string; readonly labels: readonly string[] };
  /** When it is counted, where the help leaves a question. */
  readonly when?: string;
  /** It is made of bodies of responses alone, and stays empty where those are not looked at. */
  readonly needsResponseBody?: true;
  /** The flag that switches it on; it is always there when absent. */
  readonly optIn?: string;
}

export type HistogramDeclaration = MetricDeclaration & {
  readonly type: "histogram";
  readonly buckets: readonly number[];
};
