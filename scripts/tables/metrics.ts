/** `docs/metrics.md`: what the picker exposes, from `src/telemetry/metrics.ts`. */
import { METRICS } from "../../src/telemetry/metrics.ts";
import { code, markdownTable } from "./markdown.ts";

export function metricTable(): string {
  const rows = METRICS.map(({ name, type, labels, help }) => [code(name), type, labels.map(code).join(", "), help]);
  return markdownTable(["Metric", "Type", "Labels", "Meaning"], rows);
}
