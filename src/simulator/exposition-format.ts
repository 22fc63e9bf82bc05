/**
 * The Prometheus text format 0.0.4 as Python's client library writes it, whose readers are the ones that matter: labels
 * sorted by name, numbers as Python floats, and a `_created` gauge beside each counter and histogram.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
import type { Labels, MetricFamily } from "./metric-families.ts";

export const EXPOSITION_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** `createdSeconds`: when the process began, seconds since 1970. */
export function formatFamily(family: MetricFamily, createdSeconds: number): string {
  const lines = head(family.name, family.type, family.help);
  for (const { suffix, labels, value } of family.samples) lines.push(line(family.name + suffix, labels, value));
  if (family.type !== "gauge") lines.push(...createdLines(family, createdSeconds));
  return `${lines.join("\n")}\n`;
}

function createdLines(family: MetricFamily, createdSeconds: number): string[] {
  const name = `${family.name.replace(/_total$/, "")}_created`;
  // One per series: a histogram's series are its buckets, so its `_count` stands for all of them.
  const series = family.samples.filter(({ suffix }) => suffix === "" || suffix === "_count");
  return [...head(name, "gauge", family.help), ...series.map(({ labels }) => line(name, labels, createdSeconds))];
}

function head(name: string, type: string, help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([label, text]) => `${label}="${escapeLabel(text)}"`);
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${formatNumber(value)}`;
}

function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

/** `3.0`, `0.25`, `1.7672256e+09`: whole numbers keep a decimal point, and from a million on there is an exponent. */
export function formatNumber(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  if (value >= 1e6) return value.toExponential().replace(/e\+(\d)$/, "e+0$1");
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}
