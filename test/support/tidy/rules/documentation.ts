/** Documents and comments say what is so: links lead somewhere, paths and metrics exist, tables show the code. */
import path from "node:path";
import { GENERATED_TABLES, replaceTable } from "../../../../scripts/generated-tables.ts";
import { METRICS } from "../../../../src/telemetry/metrics/all-metrics.ts";
import { type Finding, findMatches, type Project, type ProjectFile } from "../project.ts";
import type { Rule } from "../rule.ts";

const METRICS_SOURCE = "src/telemetry/metrics.ts";
const METRIC_NAME = /\bendpoint_picker_[a-z0-9_]*[a-z0-9]\b/g;

export const documentationRules: readonly Rule[] = [
  {
    name: "every relative link of a document leads somewhere",
    instead: "correct the path or the heading",
    find: (project) => project.documents.flatMap((document) => findDeadLinks(project, document)),
    broken: [
      { "README.md": "[plan](docs/plan.md)" },
      { "docs/a.md": "[up](../src)" },
      { "README.md": "# Tests\n[there](#testing)" },
      { "README.md": "[b](docs/b.md#nothing)", "docs/b.md": "# Something" },
    ],
    clean: {
      "README.md": "# The plan: why?\n[a](docs/a.md#part-two) [b](#the-plan-why) [c](https://example.com/x) [d](docs/)",
      "docs/a.md": "## Part two\n[up](../README.md)",
    },
  },
  {
    name: "every path that a comment or document names exists",
    instead: "correct the path; what is made by a command stands in build/, dist/ or bench/results/",
    find: (project) => [
      ...project.sources.flatMap((file) => findDeadPaths(project, file, file.comments)),
      ...project.documents.flatMap((file) => findDeadPaths(project, file, file.text)),
    ],
    broken: [
      { "src/a.ts": "// Measured by `bench/micro/no-such-thing`." },
      { "README.md": "The layout is in assembly/plan.ts." },
      { "README.md": "`src/nowhere/`" },
    ],
    clean: {
      "src/a.ts": "// See bench/micro/a and `src/*/main.ts`, src/a.ts. Writes `bench/results/<name>.json`.",
      "bench/micro/a.bench.ts": "// Results: bench/results/a.json",
    },
  },
  {
    name: "generated tables show what the code says",
    instead: "npm run docs",
    find: (project) =>
      GENERATED_TABLES.flatMap(({ document, name, text }) => {
        const file = project.file(document);
        return file === undefined || isCurrent(file.text, name, text())
          ? []
          : [{ path: document, what: `table "${name}"` }];
      }),
    broken: GENERATED_TABLES.flatMap(({ document, name }) => [
      { [document]: `<!-- generated: ${name} -->\n\nold\n\n<!-- end of ${name} -->` },
      { [document]: "no table" },
    ]),
    clean: { "docs/other.md": "no generated tables here" },
  },
  {
    name: "every generated document is there",
    instead: "write it, with the table's marks (scripts/generated-tables.ts)",
    find: (project) =>
      GENERATED_TABLES.filter(({ document }) => !project.has(document)).map(({ document }) => ({
        path: document,
        what: "is missing",
      })),
    broken: [{ "README.md": "" }],
    clean: Object.fromEntries(GENERATED_TABLES.map(({ document }) => [document, ""])),
  },
  {
    name: `every metric is declared once, in ${METRICS_SOURCE}`,
    instead: "add a row to METRICS; whoever counts writes a shared counter",
    find: (project) => [
      ...project
        .sourcesIn("src/")
        .filter((file) => file.path !== METRICS_SOURCE)
        .flatMap((file) => findMatches(file, file.codeAndStrings, METRIC_NAME)),
      ...project.sourcesIn(METRICS_SOURCE).flatMap((file) => {
        const names = findMatches(file, file.codeAndStrings, METRIC_NAME);
        return names.filter(({ what }, index) => names.findIndex((other) => other.what === what) !== index);
      }),
    ],
    broken: [
      { "src/shard.ts": 'count("endpoint_picker_secret_total");' },
      { [METRICS_SOURCE]: '"endpoint_picker_picks_total";\n"endpoint_picker_picks_total";' },
    ],
    clean: {
      [METRICS_SOURCE]:
        '"endpoint_picker_picks_total"; // endpoint_picker_picks_total counts\n"endpoint_picker_streams";',
      "src/shard.ts": "// Counts endpoint_picker_picks_total.",
    },
  },
  {
    name: "every metric that a document names is declared",
    instead: "correct the name, or declare the metric",
    find: (project) =>
      project.documents.flatMap((file) =>
        findMatches(file, file.text, METRIC_NAME).filter(({ what }) => METRICS.every(({ name }) => name !== what)),
      ),
    broken: [{ "README.md": "Watch `endpoint_picker_happiness_ratio`." }],
    clean: { "README.md": `Watch ${METRICS.map(({ name }) => `\`${name}\``).join(", ")}.` },
  },
];

function isCurrent(document: string, name: string, text: string): boolean {
  try {
    return replaceTable(document, name, text) === document;
  } catch {
    return false;
  }
}

function findDeadLinks(project: Project, document: ProjectFile): Finding[] {
  const links = document.text.matchAll(/\]\(([^()\s]+)\)/g);
  return [...links].flatMap((match) => {
    const [target = "", anchor] = (match[1] ?? "").split("#");
    if (/^[a-z]+:/.test(target)) return [];
    const targetPath = target === "" ? document.path : path.posix.join(path.posix.dirname(document.path), target);
    const isThere = project.has(targetPath) && (anchor === undefined || hasHeading(project, targetPath, anchor));
    const line = document.text.slice(0, match.index).split("\n").length;
    return isThere ? [] : [{ path: document.path, line, what: `${match[1]}` }];
  });
}

/** As code hosts make anchors of headings: lower case, without punctuation, hyphens for spaces. */
function hasHeading(project: Project, documentPath: string, anchor: string): boolean {
  const headings = project.file(documentPath)?.text.matchAll(/^#+ +(.*)$/gm) ?? [];
  return [...headings].some(([, heading = ""]) => {
    const words = heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "");
    return words.trim().replaceAll(" ", "-") === anchor;
  });
}

/** Paths from the root, with or without their ending: `bench/micro/decide-batch` names a `.bench.ts`. */
function findDeadPaths(project: Project, file: ProjectFile, text: string): Finding[] {
  const named = /(?<![\w./@-])(?:assembly|bench|deploy|docs|proto|scripts|src|test)\/[\w./*<>{}-]*/g;
  return findMatches(file, text, named).filter(({ what }) => {
    const target = what.replace(/[./]+$/, "");
    if (/[*<>{}]/.test(target) || target.startsWith("bench/results")) return false;
    return !["", ".ts", ".bench.ts", ".test.ts", ".md"].some((ending) => project.has(target + ending));
  });
}
