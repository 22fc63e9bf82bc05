/** Reads single series out of a Prometheus text exposition without parsing the rest of it. */

/** Labels that a series must have; others do not matter. */
export type LabelMatch = Readonly<Record<string, string>>;

/**
 * The value of the first series of the metric `name` whose labels match; undefined when there is none or its value is
 * no number. Only lines that begin with the name are looked at.
 */
export function findSeries(exposition: string, name: string, labels: LabelMatch = {}): number | undefined {
  for (let start = findLine(exposition, name, 0); start >= 0; start = findLine(exposition, name, start + 1)) {
    const newline = exposition.indexOf("\n", start);
    const line = exposition.slice(start + name.length, newline < 0 ? undefined : newline);
    const text = matchSeries(line, labels);
    if (text !== undefined) return readValue(text);
  }
  return undefined;
}

/** Where the next line that begins with the whole name begins, or -1. */
function findLine(exposition: string, name: string, from: number): number {
  for (let at = exposition.indexOf(name, from); at >= 0; at = exposition.indexOf(name, at + 1)) {
    if (at > 0 && exposition[at - 1] !== "\n") continue;
    const next = exposition[at + name.length];
    if (next === "{" || next === " " || next === "\t") return at;
  }
  return -1;
}

/** The text of the value in `{labels} value timestamp?`; undefined when the labels do not match. */
function matchSeries(series: string, labels: LabelMatch): string | undefined {
  const rest = series.trim();
  const close = rest.startsWith("{") ? closingBrace(rest) : 0;
  if (close < 0 || !hasLabels(rest.slice(0, close), labels)) return undefined;
  return rest
    .slice(close === 0 ? 0 : close + 1)
    .trimStart()
    .split(/[ \t]/, 1)[0];
}

/** Position of the brace that closes the label block, outside of quotes. */
function closingBrace(text: string): number {
  let isQuoted = false;
  for (let at = 1; at < text.length; at++) {
    const character = text[at];
    if (isQuoted && character === "\\") at++;
    else if (character === '"') isQuoted = !isQuoted;
    else if (character === "}" && !isQuoted) return at;
  }
  return -1;
}

/** One label of a block: its name, and its value as it is written, escapes included. */
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"/g;

function hasLabels(block: string, wanted: LabelMatch): boolean {
  const pairs = Object.entries(wanted);
  if (pairs.length === 0) return true;
  // Label by label, so that `type` is not found inside `request_type`.
  const found = new Map([...block.matchAll(LABEL)].map(([, name, value]) => [name, value]));
  return pairs.every(([name, value]) => found.get(name) === escapeLabel(value));
}

function readValue(text: string): number | undefined {
  if (text === "+Inf" || text === "Inf") return Number.POSITIVE_INFINITY;
  if (text === "-Inf") return Number.NEGATIVE_INFINITY;
  const value = text === "" ? Number.NaN : Number(text);
  return Number.isNaN(value) ? undefined : value;
}

function escapeLabel(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
