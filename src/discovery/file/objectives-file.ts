/**
 * The objectives file: `{objectives: [{name, priority}]}`, or InferenceObjective objects as Kubernetes has them, or
 * both in several documents. Read once at start, where a fault is an error, and again whenever it changes, where a
 * fault leaves the priorities as they are.
 */
import { readFileSync, statSync } from "node:fs";
import { type Document, isNode, LineCounter, parseAllDocuments } from "yaml";
import { z } from "zod";
import type { Clock } from "../../base/clock.ts";
import { ConfigError, messageOf } from "../../base/errors.ts";
import { FILE_POLL_MS, FILE_SETTLE_MS } from "../../config/defaults.ts";
import { faults, formatPath } from "../../config/located-document.ts";
import type { Objective } from "../../framework/objective.ts";
import type { DegradationReporter } from "../../telemetry/health-details.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { FileLook, fileIdentity } from "./file-look.ts";

/** As for endpoints. 10,000 objectives take about half of it. */
const FILE_SIZE_MAX = 1024 * 1024;

const NAME_RULE = "must be a non-empty text";
const PRIORITY_RULE = "must be a whole number from -2147483648 to 2147483647";

const DOCUMENT_RULE = 'must be a document with a list "objectives", or an InferenceObjective';

const name = z.string({ error: NAME_RULE }).min(1, NAME_RULE);
const priority = z.int32({ error: PRIORITY_RULE });

const listSchema = z.strictObject(
  { objectives: z.array(z.strictObject({ name, priority: priority.default(0) }), { error: "must be a list" }) },
  { error: ({ code }) => (code === "invalid_type" ? DOCUMENT_RULE : undefined) },
);

/** Of the object only what gives a priority is looked at. */
const objectSchema = z.object({
  kind: z.literal("InferenceObjective"),
  metadata: z.object({ name }),
  spec: z.object({ priority: priority.default(0) }).default({ priority: 0 }),
});

export interface ObjectivesFileOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly degraded: DegradationReporter;
  readonly apply: (objectives: readonly Objective[]) => void;
}

export class ObjectivesFile {
  readonly #options: ObjectivesFileOptions;
  #look: FileLook | undefined;

  constructor(options: ObjectivesFileOptions) {
    this.#options = options;
  }

  /** Reads the file and applies it. Throws a ConfigError with file, line and remedy. */
  async start(): Promise<void> {
    const { path, clock, apply } = this.#options;
    // Before reading: what changes meanwhile is noticed later.
    const identity = await fileIdentity(path);
    apply(readObjectivesFile(path));
    const onChanged = (): void => this.#reload();
    this.#look = new FileLook({ path, clock, settleMs: FILE_SETTLE_MS, pollMs: FILE_POLL_MS, onChanged }, identity);
  }

  close(): void {
    this.#look?.close();
  }

  #reload(): void {
    const { path, logger, degraded, apply } = this.#options;
    try {
      const objectives = readObjectivesFile(path);
      apply(objectives);
      logger.info({ file: path, objectives: objectives.length }, "objectives file was read again");
      degraded.clear("objectives-file-bad");
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      degraded.raise("objectives-file-bad", error.message);
    }
  }
}

/** Reads and checks the file. Throws a ConfigError with file, line and remedy. */
export function readObjectivesFile(path: string): Objective[] {
  try {
    const { size } = statSync(path);
    if (size > FILE_SIZE_MAX)
      throw new ConfigError(`has ${size} bytes; an objectives file has at most ${FILE_SIZE_MAX}`);
    return parseObjectives(readFileSync(path, "utf8"), path);
  } catch (error) {
    if (error instanceof ConfigError && error.message.startsWith(`${path}:`)) throw error;
    const reason = error instanceof ConfigError ? error.message : `cannot be read: ${messageOf(error)}`;
    const remedy = 'write one like "objectives: [{name: batch, priority: -1}]" and name it with --objectives-file';
    throw new ConfigError(`${path}: ${reason}; ${remedy}`, { cause: error });
  }
}

/** The objectives of a text. Throws a ConfigError that lists each fault as `file:line:column: path: what is wrong`. */
export function parseObjectives(text: string, fileName: string): Objective[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${fileName}:${line}:${col}`;
  };
  const found: Objective[] = [];
  const wrong: string[] = [];
  for (const document of documents) {
    if (document.errors.length > 0) {
      wrong.push(
        ...document.errors.map(({ pos, message }) => `${at(pos[0])}: not readable as YAML or JSON: ${message}`),
      );
      continue;
    }
    const value: unknown = document.toJS();
    // An empty document, as between two separators.
    if (value === null) continue;
    const parsed = readDocument(value);
    if (parsed.success) found.push(...parsed.objectives);
    else {
      for (const { path, message } of parsed.issues) {
        wrong.push(`${at(offsetOf(document, path))}: ${formatPath(path)}: ${message}`);
      }
    }
  }
  if (wrong.length > 0) throw faults(wrong);
  return found;
}

/** Where the deepest part of the path that exists begins. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  for (let depth = path.length; depth > 0; depth--) {
    const node = document.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return document.range[0];
}

type Parsed =
  | { readonly success: true; readonly objectives: readonly Objective[] }
  | { readonly success: false; readonly issues: readonly z.core.$ZodIssue[] };

function readDocument(value: unknown): Parsed {
  if (typeof value === "object" && value !== null && "kind" in value) {
    const parsed = objectSchema.safeParse(value);
    if (!parsed.success) return { success: false, issues: parsed.error.issues };
    const { metadata, spec } = parsed.data;
    return { success: true, objectives: [{ name: metadata.name, priority: spec.priority }] };
  }
  const parsed = listSchema.safeParse(value);
  if (!parsed.success) return { success: false, issues: parsed.error.issues };
  return { success: true, objectives: parsed.data.objectives };
}
