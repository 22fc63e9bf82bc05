/** What the operators' documents name is there: metrics, degraded states, pages, flags, plugin types. */
import { PAGES } from "../../../../src/admin/pages/page-table.ts";
import { BUILTIN_PLUGINS } from "../../../../src/builtins.ts";
import { FLAG_GROUPS } from "../../../../src/flags.ts";
import { PARSER_TYPES } from "../../../../src/parsing/parsers.ts";
import { DEGRADED_STATES } from "../../../../src/telemetry/degraded-states.ts";
import { METRICS } from "../../../../src/telemetry/metrics/all-metrics.ts";
import { type Finding, findMatches, type Project, type ProjectFile, type SourceFile } from "../project.ts";
import type { Rule } from "../rule.ts";

const DOCUMENTS: readonly string[] = ["docs/troubleshooting.md", "docs/health.md"];

const METRIC_NAMES: ReadonlySet<string> = new Set(METRICS.map(({ name }) => name));
const PAGE_PATHS: ReadonlySet<string> = new Set(Object.values(PAGES).map(({ path }) => path));
const FLAG_NAMES: ReadonlySet<string> = new Set(
  FLAG_GROUPS.flatMap(({ flags }) => Object.values(flags).map(({ name }) => `--${name}`)),
);

/** Words with hyphens that stand in code marks: states, types of plugins, and a few of other origin. */
const WORDS: ReadonlySet<string> = new Set([
  ...Object.keys(DEGRADED_STATES),
  ...BUILTIN_PLUGINS.map(({ type }) => type),
  ...PARSER_TYPES,
  // Dropped reasons, and names of threads.
  ...["rejected-saturated", "rejected-no-endpoints", "rejected-shutting-down", "index-writer", "shard-0"],
]);

/** A path of the metrics port, with or without host, and without what comes behind a question mark. */
const PAGE = /(?<![a-zA-Z._-])\/(?:debug|metrics)\b[\w/-]*/g;

export const operationsRules: readonly Rule[] = [
  {
    name: "every metric in the operators' documents is declared",
    instead: "correct the name, or declare the metric",
    find: (project) =>
      inDocuments(project, /\b(?:endpoint_picker|llm_d_epp)_[a-z0-9_]*[a-z0-9]\b/g, (name) => METRIC_NAMES.has(name)),
    broken: [{ "docs/health.md": "`endpoint_picker_happiness`" }, { "docs/troubleshooting.md": "llm_d_epp_joy_total" }],
    clean: { "docs/health.md": `\`${METRICS[0]?.name}\``, "docs/other.md": "llm_d_epp_joy_total" },
  },
  {
    name: "every page in the operators' documents is served",
    instead: "correct the path, or add it to src/admin/pages/page-table.ts",
    find: (project) => inDocuments(project, PAGE, (path) => PAGE_PATHS.has(path)),
    broken: [
      { "docs/health.md": "`/debug/mood`" },
      { "docs/troubleshooting.md": "http://a:9090/debug/pprof/goroutine" },
    ],
    clean: {
      "docs/health.md": Object.values(PAGES)
        .map(({ path }) => `\`${path}\`, http://a:9090${path}?seconds=1`)
        .join("\n"),
    },
  },
  {
    name: "every flag in the operators' documents is taken",
    instead: "correct the name, or add the flag",
    find: (project) => inDocuments(project, /(?<![\w-])--[a-z][a-z-]*/g, (flag) => FLAG_NAMES.has(flag)),
    broken: [{ "docs/health.md": "`--be-happy`" }],
    clean: { "docs/health.md": "`--host`, `--metrics-port=1` -- and <!-- this -->" },
  },
  {
    name: "every state and plugin type in the operators' documents exists",
    instead: "correct the word",
    find: (project) => inDocuments(project, /(?<=`)(?!x-)[a-z]+(?:-[a-z0-9]+)+(?=`)/g, (word) => WORDS.has(word)),
    broken: [{ "docs/health.md": "the state `no-mood`" }, { "docs/troubleshooting.md": "`mood-scorer`" }],
    clean: { "docs/health.md": "`no-endpoints`, `queue-scorer`, a low-key word, `x-a-header`, `a-b c`" },
  },
  {
    name: "every degraded state is raised by somebody",
    instead: "raise it where it begins, or take it out of src/telemetry/degraded-states.ts",
    find: (project) =>
      project.has("src/telemetry/health-details.ts")
        ? Object.keys(DEGRADED_STATES)
            .filter((code) => !project.sourcesIn("src/").some((file) => names(file, code)))
            .map((code) => ({ path: "src/telemetry/degraded-states.ts", what: code }))
        : [],
    broken: [{ "src/telemetry/health-details.ts": "" }],
    clean: {
      "src/telemetry/health-details.ts": "",
      "src/a.ts": Object.keys(DEGRADED_STATES)
        .map((code) => `raise("${code}", "");`)
        .join("\n"),
    },
  },
];

/** Whether a source other than the table names the state. */
function names({ path, codeAndStrings }: SourceFile, code: string): boolean {
  return path !== "src/telemetry/degraded-states.ts" && codeAndStrings.includes(`"${code}"`);
}

function inDocuments(project: Project, pattern: RegExp, isKnown: (found: string) => boolean): Finding[] {
  const documents = DOCUMENTS.map((path) => project.file(path)).filter(
    (file): file is ProjectFile => file !== undefined,
  );
  return documents.flatMap((file) => findMatches(file, file.text, pattern).filter(({ what }) => !isKnown(what)));
}
