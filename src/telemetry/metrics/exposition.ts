/**
 * The Prometheus text format: heads of families, samples, histograms. Everything is given out in pieces of a few lines,
 * so that a page of any size can be made in slices.
 */
import type { MetricDeclaration } from "./declaration.ts";

/** What heads the samples of a metric. */
export function familyHead({ name, help, type }: Pick<MetricDeclaration, "name" | "help" | "type">): string {
  return `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
}

/** Writes the labels of one metric. */
export class LabelText {
  /** What stands before each value: the end of the one before it, and the name. */
  readonly #before: readonly string[];

  constructor(names: readonly string[]) {
    this.#before = names.map((name, index) => `${index === 0 ? "" : '",'}${name}="`);
  }

  /** `a="x",b="y"`, escaped; empty without labels. */
  of(values: readonly string[]): string {
    if (this.#before.length === 0) return "";
    let text = "";
    for (let index = 0; index < this.#before.length; index++) {
      text += (this.#before[index] ?? "") + escapeLabel(values[index] ?? "");
    }
    return `${text}"`;
  }
}

/** One line. `labels` as `labelText` gives them. */
export function sampleLine(name: string, labels: string, value: number): string {
  return labels === "" ? `${name} ${formatValue(value)}\n` : `${name}{${labels}} ${formatValue(value)}\n`;
}

/** Writes the histograms of one metric. */
export class HistogramText {
  readonly #name: string;
  readonly #bucket: string;
  /** What follows the labels of a bucket's line. */
  readonly #ends: readonly string[];

  constructor(name: string, bounds: readonly number[]) {
    this.#name = name;
    this.#bucket = `${name}_bucket{`;
    this.#ends = [...bounds.map(formatBound), "+Inf"].map((bound) => `le="${bound}"} `);
  }

  /** `counts`: of each bucket by itself, the last one of what exceeds all bounds; then the sum. */
  lines(labels: string, counts: Float64Array): string {
    const before = labels === "" ? this.#bucket : `${this.#bucket}${labels},`;
    let text = "";
    let total = 0;
    for (let index = 0; index < this.#ends.length; index++) {
      total += counts[index] ?? 0;
      text += `${before}${this.#ends[index]}${total}\n`;
    }
    const sum = counts[this.#ends.length] ?? 0;
    return text + sampleLine(`${this.#name}_sum`, labels, sum) + sampleLine(`${this.#name}_count`, labels, total);
  }
}

/** A bound as the Go picker writes it: rules name series by this text. An exponent below −4 or above 5 is written. */
export function formatBound(bound: number): string {
  const [digits = "", exponentText = "0"] = bound.toExponential().split("e");
  const exponent = Number(exponentText);
  if (bound === 0 || (exponent >= -4 && exponent < 6)) return String(bound);
  const sign = exponent < 0 ? "-" : "+";
  return `${digits}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

function formatValue(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}

function escapeLabel(value: string): string {
  return /[\\"\n]/.test(value) ? value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n") : value;
}

function escapeHelp(help: string): string {
  return help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
