/**
 * The tables of the documentation that are made from the code: which document has which, and its text.
 * `scripts/docs.ts` writes them, `test/tidy.test.ts` fails when a document shows anything else.
 *
 * A table stands between two comments: `<!-- generated: NAME -->` and `<!-- end of NAME -->`. What is outside of them
 * belongs to whoever writes the document.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { assert } from "../src/base/assert.ts";
import { benchTables } from "./tables/benches.ts";
import { degradedStateTable } from "./tables/degraded-states.ts";
import { engineTable } from "./tables/engines.ts";
import { errorTable } from "./tables/errors.ts";
import { exitCodeTable, flagTable } from "./tables/flags.ts";
import { loadTables } from "./tables/load.ts";
import { responseLossList } from "./tables/losses.ts";
import {
  bucketTable,
  laterMetricTable,
  ownMetricTable,
  poolMetricTable,
  requestMetricTable,
} from "./tables/metrics.ts";
import { pageTable } from "./tables/pages.ts";
import { parserTable } from "./tables/parsers.ts";
import { dataKeyTable, plannedPluginTable, pluginTable } from "./tables/plugins.ts";
import { reportTables } from "./tables/reports.ts";
import { targetTable } from "./tables/targets.ts";
import { wholeProcessTables } from "./tables/whole-process.ts";

export interface GeneratedTable {
  /** Path from the project's root. */
  readonly document: string;
  readonly name: string;
  readonly text: () => string;
}

export const GENERATED_TABLES: readonly GeneratedTable[] = [
  { document: "docs/plugins.md", name: "plugins", text: pluginTable },
  { document: "docs/plugins.md", name: "planned plugins", text: plannedPluginTable },
  { document: "docs/plugins.md", name: "data keys", text: dataKeyTable },
  { document: "docs/parsers.md", name: "parsers", text: parserTable },
  { document: "docs/fleet.md", name: "engines", text: engineTable },
  { document: "docs/metrics.md", name: "request metrics", text: requestMetricTable },
  { document: "docs/metrics.md", name: "pool metrics", text: poolMetricTable },
  { document: "docs/metrics.md", name: "own metrics", text: ownMetricTable },
  { document: "docs/metrics.md", name: "buckets", text: bucketTable },
  { document: "docs/metrics.md", name: "later metrics", text: laterMetricTable },
  { document: "docs/proxies.md", name: "losses without response bodies", text: responseLossList },
  { document: "docs/errors.md", name: "errors", text: errorTable },
  { document: "docs/health.md", name: "degraded states", text: degradedStateTable },
  { document: "docs/health.md", name: "pages", text: pageTable },
  { document: "docs/flags.md", name: "flags", text: flagTable },
  { document: "docs/flags.md", name: "exit codes", text: exitCodeTable },
  { document: "README.md", name: "targets", text: targetTable },
  { document: "bench/README.md", name: "micro benches", text: benchTables },
  { document: "bench/README.md", name: "whole processes", text: wholeProcessTables },
  { document: "bench/README.md", name: "load bench", text: loadTables },
  { document: "bench/README.md", name: "latency", text: () => reportTables(["latency"]) },
  { document: "bench/README.md", name: "fairness", text: () => reportTables(["fairness"]) },
  { document: "bench/README.md", name: "shards", text: () => reportTables(["shards"]) },
  { document: "bench/README.md", name: "memory", text: () => reportTables(["memory"]) },
  { document: "bench/README.md", name: "day", text: () => reportTables(["day"]) },
];

export interface RenderedDocument {
  readonly path: string;
  readonly isCurrent: boolean;
  readonly text: string;
}

/** Every document with generated tables as it should be. Reads below the working directory, the project's root. */
export function renderDocuments(tables: readonly GeneratedTable[] = GENERATED_TABLES): RenderedDocument[] {
  const paths = [...new Set(tables.map(({ document }) => document))];
  return paths.map((path) => {
    const before = readFileSync(path, "utf8");
    const own = tables.filter(({ document }) => document === path);
    const text = own.reduce((document, table) => replaceTable(document, table.name, table.text()), before);
    return { path, isCurrent: text === before, text };
  });
}

/** Writes what is not current; returns the paths of what was written. */
export function writeDocuments(tables: readonly GeneratedTable[] = GENERATED_TABLES): string[] {
  const changed = renderDocuments(tables).filter(({ isCurrent }) => !isCurrent);
  for (const { path, text } of changed) writeFileSync(path, text);
  return changed.map(({ path }) => path);
}

/** The document with another text between the table's marks. Throws when it has not exactly one pair of them. */
export function replaceTable(document: string, name: string, text: string): string {
  const [start, end] = [`<!-- generated: ${name} -->`, `<!-- end of ${name} -->`];
  const [head = "", rest, ...more] = document.split(start);
  const [, tail, ...tails] = (rest ?? "").split(end);
  assert(more.length === 0 && tails.length === 0 && tail !== undefined, `not exactly one pair of ${start} and ${end}`);
  return `${head}${start}\n\n${text}\n\n${end}${tail}`;
}
