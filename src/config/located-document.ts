/**
 * Reads a YAML or JSON text against a schema and reports every fault with file, line, column, path and value, so that
 * an operator can go straight to the place.
 */
import { type Document, isNode, LineCounter, parseDocument, visit } from "yaml";
import type { z } from "zod";
import { ConfigError, messageOf } from "../base/errors.ts";
import type { ConfigPath } from "./config.ts";

/** Faults listed in one error; the rest is counted. */
const FAULTS_MAX = 10;
/** Characters of a wrong value that are shown. */
const SHOWN_SIZE_MAX = 100;

/** A checked document that still knows where everything stands. */
export interface LocatedDocument<Value> {
  readonly value: Value;
  /** `file:line:column` of the deepest part of the path that exists. */
  locate(path: ConfigPath): string;
  /** A fault at a place, as a line of an error. */
  describe(path: ConfigPath, message: string): string;
}

/** The checked value. Throws a ConfigError that lists each fault as `file:line:column: path: what is wrong`. */
export function readLocatedDocument<Value>(text: string, fileName: string, schema: z.ZodType<Value>): Value {
  return locateDocument(text, fileName, schema).value;
}

/** The same, for those that find further faults in the value. */
export function locateDocument<Value>(
  text: string,
  fileName: string,
  schema: z.ZodType<Value>,
): LocatedDocument<Value> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${fileName}:${line}:${col}`;
  };
  if (document.errors.length > 0) {
    throw faults(document.errors.map((error) => `${at(error.pos[0])}: not readable as YAML or JSON: ${error.message}`));
  }
  const locate = (path: readonly PropertyKey[]): string => at(offsetOf(document, path));
  const describe = (path: readonly PropertyKey[], message: string): string =>
    `${locate(path)}: ${formatPath(path)}: ${message}`;
  const parsed = schema.safeParse(resolveAliases(document, at));
  if (parsed.success) return { value: parsed.data, locate, describe };
  throw faults(
    parsed.error.issues.map(({ path, message }) => describe(path, `${message}${showValue(document.getIn(path))}`)),
  );
}

/** The plain value. An alias (`*name`) that leads nowhere, or aliases that multiply beyond reason, are faults too. */
function resolveAliases(document: Document.Parsed, at: (offset: number) => string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    let offset = 0;
    visit(document, {
      Alias(_key, alias) {
        if (alias.resolve(document) !== undefined) return undefined;
        offset = alias.range?.[0] ?? 0;
        return visit.BREAK;
      },
    });
    throw faults([`${at(offset)}: not readable as YAML or JSON: ${messageOf(error)}`]);
  }
}

/** A scalar as the end of a message; nothing for what is absent, or a list or map of its own. */
function showValue(value: unknown): string {
  if (value === undefined || isNode(value)) return "";
  const text = typeof value === "number" ? String(value) : JSON.stringify(value);
  return ` (it is ${text.length > SHOWN_SIZE_MAX ? `${text.slice(0, SHOWN_SIZE_MAX)}…` : text})`;
}

/** Where the deepest part of the path that exists begins. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  for (let depth = path.length; depth >= 0; depth--) {
    const node = depth === 0 ? document.contents : document.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}

/** `plugins[2].type` */
export function formatPath(path: readonly PropertyKey[]): string {
  if (path.length === 0) return "document";
  return path
    .map((key, index) => (typeof key === "number" ? `[${key}]` : `${index > 0 ? "." : ""}${String(key)}`))
    .join("");
}

/** One error that lists faults, the first of them in full. */
export function faults(lines: readonly string[]): ConfigError {
  const shown = lines.slice(0, FAULTS_MAX);
  if (lines.length > FAULTS_MAX) shown.push(`… and ${lines.length - FAULTS_MAX} more`);
  return new ConfigError(shown.join("\n"));
}
