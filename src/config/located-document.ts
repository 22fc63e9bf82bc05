/**
 * Reads a YAML or JSON text against a schema and reports every fault with file, line, column, path and value, so that an
 * operator can go straight to the place.
 */
import { type Document, isNode, LineCounter, parseDocument } from "yaml";
import type { z } from "zod";
import { ConfigError } from "../base/errors.ts";

/** Faults listed in one error; the rest is counted. */
const FAULTS_MAX = 10;

/** The checked value. Throws a ConfigError that lists each fault as `file:line:column: path: what is wrong`. */
export function readLocatedDocument<Value>(text: string, fileName: string, schema: z.ZodType<Value>): Value {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${fileName}:${line}:${col}`;
  };
  if (document.errors.length > 0) {
    throw faults(document.errors.map((error) => `${at(error.pos[0])}: not readable as YAML or JSON: ${error.message}`));
  }
  const parsed = schema.safeParse(document.toJS());
  if (parsed.success) return parsed.data;
  throw faults(
    parsed.error.issues.map((issue) => {
      const value = document.getIn(issue.path);
      const shown = value === undefined || isNode(value) ? "" : ` (it is ${JSON.stringify(value)})`;
      return `${at(offsetOf(document, issue.path))}: ${formatPath(issue.path)}: ${issue.message}${shown}`;
    }),
  );
}

/** Where the deepest part of the path that exists begins. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  for (let depth = path.length; depth >= 0; depth--) {
    const node = depth === 0 ? document.contents : document.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}

function formatPath(path: readonly PropertyKey[]): string {
  if (path.length === 0) return "document";
  return path
    .map((key, index) => (typeof key === "number" ? `[${key}]` : `${index > 0 ? "." : ""}${String(key)}`))
    .join("");
}

function faults(lines: readonly string[]): ConfigError {
  const shown = lines.slice(0, FAULTS_MAX);
  if (lines.length > FAULTS_MAX) shown.push(`… and ${lines.length - FAULTS_MAX} more`);
  return new ConfigError(shown.join("\n"));
}
