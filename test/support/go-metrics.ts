/** The Go picker's metrics from the golden file, and the comparison of an exposition with them. */
import { readFileSync } from "node:fs";
import { parseSamples } from "./prometheus-oracle.ts";

export interface GoMetric {
  readonly type: string;
  readonly labels: readonly string[];
  readonly buckets?: readonly number[];
  readonly deprecated?: boolean;
  readonly optIn?: boolean;
}

export const GO_METRICS: Readonly<Record<string, GoMetric>> = JSON.parse(
  readFileSync(new URL("../golden/go-metrics.json", import.meta.url), "utf8"),
);

/** One metric of an exposition, read without knowing what it should be. */
export interface ExposedMetric {
  readonly type: string;
  /** Label names of each series, without `le`, each set once. */
  readonly labelSets: readonly string[];
  /** Values of `le` in order, of the first series, without the infinite one; absent for what is no histogram. */
  readonly bounds?: readonly number[];
}

/** All metrics of an exposition by name; those without samples too. */
export function readExposed(text: string): Map<string, ExposedMetric> {
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = "", type = ""]) => [name, type] as const);
  const samples = parseSamples(text);
  return new Map(
    types.map(([name, type]) => {
      const names = type === "histogram" ? ["_bucket", "_sum", "_count"].map((end) => name + end) : [name];
      const own = samples.filter((sample) => names.includes(sample.name));
      const labelSets = own.map(({ labels }) => labels.map(([label]) => label).filter((label) => label !== "le"));
      const [first] = own;
      const isFirst = (labels: (typeof own)[number]["labels"]): boolean =>
        labels.every(([label, value]) => label === "le" || first?.labels.some(([l, v]) => l === label && v === value));
      const bounds = own
        .filter((sample) => sample.name === `${name}_bucket` && isFirst(sample.labels))
        .map(({ labels }) => labels.find(([label]) => label === "le")?.[1] ?? "")
        .filter((bound) => bound !== "+Inf")
        .map(Number);
      const sets = [...new Set(labelSets.map((set) => set.join()))];
      return [name, { type, labelSets: sets, ...(bounds.length > 0 && { bounds }) }];
    }),
  );
}
