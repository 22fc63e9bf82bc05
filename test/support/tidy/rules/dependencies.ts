/** What the project depends on: exact versions, reasons, and a lock file that every platform can install from. */
import type { Finding, Project } from "../project.ts";
import type { Rule } from "../rule.ts";

const MANIFEST = "package.json";
const LOCK = "package-lock.json";
const README = "README.md";

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly optionalDependencies?: Readonly<Record<string, string>> }>>;
}

export const dependencyRules: readonly Rule[] = [
  {
    name: "dependencies have exact versions",
    instead: "npm install --save-exact",
    find: (project) => {
      const { dependencies = {}, devDependencies = {} } = (readJson(project, MANIFEST) ?? {}) as Manifest;
      return Object.entries({ ...dependencies, ...devDependencies })
        .filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))
        .map(([name, version]) => ({ path: MANIFEST, what: `${name} ${version}` }));
    },
    broken: [
      { [MANIFEST]: '{ "dependencies": { "zod": "^4.0.0" } }' },
      { [MANIFEST]: '{ "devDependencies": { "vitest": "latest" } }' },
    ],
    clean: { [MANIFEST]: '{ "dependencies": { "zod": "4.0.0" } }' },
  },
  {
    name: "each dependency of the program has its reason in the README's table of decisions",
    instead: "write why it is worth having, or do without it",
    find: (project) => {
      const rows = project.file(README)?.text.match(/^\|.*\|$/gm) ?? [];
      const { dependencies = {} } = (readJson(project, MANIFEST) ?? {}) as Manifest;
      return Object.keys(dependencies)
        .filter((name) => !rows.some((row) => row.includes(`\`${name}\``)))
        .map((name) => ({ path: README, what: `no row names \`${name}\`` }));
    },
    broken: [{ [MANIFEST]: '{ "dependencies": { "zod": "4.0.0" } }', [README]: "We use `zod`." }],
    clean: { [MANIFEST]: '{ "dependencies": { "zod": "4.0.0" } }', [README]: "| `zod` for files | One source. |" },
  },
  {
    // npm leaves out what its registry could not give it, and `npm ci` then refuses the lock file on other machines.
    name: "the lock file has the packages of every platform",
    instead: "add the missing packages with version, os and cpu; they are fetched on their own platform only",
    find: findMissingPackages,
    broken: [{ [LOCK]: '{ "packages": { "node_modules/a": { "optionalDependencies": { "a-darwin": "1.0.0" } } } }' }],
    clean: {
      [LOCK]:
        '{ "packages": { "node_modules/a": { "optionalDependencies": { "b": "1.0.0" } }, "node_modules/b": {} } }',
    },
  },
];

function findMissingPackages(project: Project): Finding[] {
  const { packages } = (readJson(project, LOCK) ?? { packages: {} }) as LockFile;
  const present = new Set(Object.keys(packages).map((key) => key.split("node_modules/").at(-1)));
  const wanted = Object.values(packages).flatMap(({ optionalDependencies = {} }) => Object.keys(optionalDependencies));
  return wanted.filter((name) => !present.has(name)).map((name) => ({ path: LOCK, what: `${name} is missing` }));
}

function readJson(project: Project, path: string): unknown {
  const file = project.file(path);
  return file === undefined ? undefined : JSON.parse(file.text);
}
