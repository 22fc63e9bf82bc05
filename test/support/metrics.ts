/** Reads a picker's metrics page. */
import { findSample } from "./prometheus-oracle.ts";

export interface MetricsPage {
  readonly text: string;
  /** The value of the first series of that name whose labels match; undefined when there is none. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | undefined;
}

export async function readMetrics(port: number): Promise<MetricsPage> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  const text = await response.text();
  return { text, value: (name, labels = {}) => findSample(text, name, labels) };
}

/** One value of a page read now. */
export async function readMetric(
  port: number,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number | undefined> {
  return (await readMetrics(port)).value(name, labels);
}
