/** `docs/metrics.md`: what the picker exposes, from the declarations in `src/telemetry/`. */
import { METRICS } from "../../src/telemetry/metrics/all-metrics.ts";
import type { MetricDeclaration } from "../../src/telemetry/metrics/declaration.ts";
import { formatBound } from "../../src/telemetry/metrics/exposition.ts";
import { LATER_METRICS } from "../../src/telemetry/metrics/later-metrics.ts";
import { POOL_METRICS } from "../../src/telemetry/metrics/pool-metrics.ts";
import { REQUEST_METRICS } from "../../src/telemetry/metrics/request-metrics.ts";
import { OWN_METRICS } from "../../src/telemetry/metrics.ts";
import { code, markdownTable } from "./markdown.ts";

export function requestMetricTable(): string {
  return metricTable(REQUEST_METRICS);
}

export function poolMetricTable(): string {
  return metricTable(POOL_METRICS);
}

export function ownMetricTable(): string {
  const rows = OWN_METRICS.map(({ name, type, labels, help }) => [code(name), type, labels.map(code).join(", "), help]);
  return markdownTable(["Metric", "Type", "Labels", "Meaning"], rows);
}

export function bucketTable(): string {
  const rows = METRICS.flatMap(({ name, buckets }) =>
    buckets === undefined ? [] : [[code(name), buckets.map(formatBound).join(" ")]],
  );
  return markdownTable(["Histogram", "Upper bounds"], rows);
}

export function laterMetricTable(): string {
  return markdownTable(
    ["Metric of the Go picker", "Comes with"],
    LATER_METRICS.map(({ name, needs }) => [code(`llm_d_epp_${name}`), needs]),
  );
}

function metricTable(metrics: readonly MetricDeclaration[]): string {
  const rows = metrics.map((metric) => [
    code(metric.name),
    metric.type,
    metric.labels.map(code).join(", "),
    [metric.help, metric.when, metric.optIn && `Only with ${code(metric.optIn)}.`].filter(Boolean).join(" "),
    olderName(metric),
  ]);
  return markdownTable(["Metric", "Type", "Labels", "Meaning", "Older name"], rows);
}

/** With its labels, where they are others. */
function olderName({ labels, twin }: MetricDeclaration): string {
  if (twin === undefined) return "";
  if (twin.labels.join() === labels.join()) return code(twin.name);
  return twin.labels.length === 0 ? `${code(twin.name)}, no labels` : code(`${twin.name}{${twin.labels.join(",")}}`);
}
