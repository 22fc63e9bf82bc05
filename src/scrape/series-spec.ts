/** The notation of series in configuration files: `name` or `name{label=value,…}`, values with or without quotes. */
import { ConfigError } from "../base/errors.ts";
import type { SeriesSpec } from "../framework/data-sources.ts";
import { layout } from "../wasm/layout.ts";

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
/** Far above any real metric or label. */
const TEXT_SIZE_MAX = 512;

/** Throws a ConfigError that names the fault and quotes the text. */
export function parseSeriesSpec(text: string): SeriesSpec {
  const fail = (fault: string): never => {
    throw new ConfigError(`"${text}" is no series: ${fault}; write name or name{label=value,…}`);
  };
  const brace = text.indexOf("{");
  const name = (brace < 0 ? text : text.slice(0, brace)).trim();
  if (name === "") fail("the name is missing");
  if (!NAME.test(name) || name.length > TEXT_SIZE_MAX) fail(`"${name}" is no metric name`);
  if (brace < 0) return { name };
  const rest = text.slice(brace + 1).trimEnd();
  if (!rest.endsWith("}")) fail("the closing brace is missing");
  const labels: Record<string, string> = {};
  for (const pair of splitPairs(rest.slice(0, -1))) {
    const equals = pair.indexOf("=");
    if (equals < 0) fail(`"${pair}" has no "="`);
    const label = pair.slice(0, equals).trim();
    if (!LABEL_NAME.test(label)) fail(`"${label}" is no label name`);
    if (Object.hasOwn(labels, label)) fail(`the label ${label} comes twice`);
    const value = unquote(pair.slice(equals + 1).trim());
    if (value === undefined) return fail(`the value of ${label} has quotes that do not match, or a brace without them`);
    if (value.length > TEXT_SIZE_MAX) fail(`the value of ${label} is longer than ${TEXT_SIZE_MAX} characters`);
    labels[label] = value;
  }
  const count = Object.keys(labels).length;
  if (count > layout.EXPOSITION_LABELS_MAX)
    fail(`it has ${count} labels; ${layout.EXPOSITION_LABELS_MAX} are possible`);
  return count === 0 ? { name } : { name, labels };
}

/** As it would be written in a configuration file. */
export function formatSeriesSpec({ name, labels = {} }: SeriesSpec): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}=${JSON.stringify(value)}`);
  return pairs.length === 0 ? name : `${name}{${pairs.join(",")}}`;
}

/** Splits at commas outside of quotes. One comma at the end, and nothing at all, are fine. */
function splitPairs(text: string): string[] {
  const pairs: string[] = [];
  let start = 0;
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    if (isQuoted && text[at] === "\\") at++;
    else if (text[at] === '"') isQuoted = !isQuoted;
    else if (text[at] === "," && !isQuoted) {
      pairs.push(text.slice(start, at));
      start = at + 1;
    }
  }
  const last = text.slice(start);
  return last.trim() === "" ? pairs : [...pairs, last];
}

function unquote(text: string): string | undefined {
  if (!text.startsWith('"')) return /["{}]/.test(text) ? undefined : text;
  if (!/^"(?:[^"\\]|\\.)*"$/.test(text)) return undefined;
  return text.slice(1, -1).replace(/\\(.)/g, (_escape, character: string) => (character === "n" ? "\n" : character));
}
