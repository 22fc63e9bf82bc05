/**
 * Label blocks of the Prometheus text format, for series whose labels are the information. Values are read in the
 * kernel (`assembly/prometheus-scan.ts`).
 */

/** One label of a block: its name, and its value as it is written, escapes included. */
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"/gs;

/** The labels of a well-formed block, `{` and `}` included. Of a label that comes twice the last one counts. */
export function parseLabelBlock(block: string): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  for (const [, name = "", value = ""] of block.matchAll(LABEL)) labels.set(name, unescapeLabel(value));
  return labels;
}

function unescapeLabel(value: string): string {
  if (!value.includes("\\")) return value;
  return value.replace(/\\(.)/gs, (_escape, character: string) => (character === "n" ? "\n" : character));
}
