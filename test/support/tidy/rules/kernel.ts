/** What the kernel's sources, their README and the TypeScript side must agree on. */
import { kernelMethods } from "../kernel-methods.ts";
import { type Finding, findMatches, type Project } from "../project.ts";
import type { Rule } from "../rule.ts";

const ABI = "assembly/index.ts";
const KERNEL = "src/wasm/kernel.ts";
const README = "assembly/README.md";

export const kernelRules: readonly Rule[] = [
  {
    name: "every invariant that code names is stated",
    instead: `state it in ${README}, or correct the label`,
    find: (project) => {
      const stated = statedInvariants(project);
      return citations(project).filter(({ what }) => !stated.has(what));
    },
    broken: [
      { "assembly/ring.ts": "// Head first (M2)." },
      { "assembly/ring.ts": "// Head first (M2).", [README]: "| M1 | The head is written first. See M2. |" },
      { "src/wasm/ring.ts": "/** M3: one writer. */", [README]: "- **M1**: one writer." },
    ],
    clean: {
      "assembly/ring.ts": "// Head first (M1).\nexport const M2: u32 = 2;",
      "src/wasm/ring.ts": "// After M10.",
      [README]: "| M1 | The head is written first. |\n- **M10**: one writer.",
    },
  },
  {
    name: "every stated invariant is named by the code that upholds it",
    instead: `name the label in a comment there, or take it out of ${README}`,
    find: (project) => {
      const cited = new Set(citations(project).map(({ what }) => what));
      return [...statedInvariants(project)]
        .filter((label) => !cited.has(label))
        .map((label) => ({ path: README, what: `nothing names ${label}` }));
    },
    broken: [{ [README]: "| M7 | Versions are even at rest. |" }],
    clean: { [README]: "| M7 | Versions are even at rest. |", "assembly/a.ts": "// Even again: M7." },
  },
  {
    name: `${KERNEL} declares what ${ABI} exports`,
    instead: "add the function to both, or to neither",
    find: findUnequalExports,
    broken: [
      { [ABI]: 'export { a, b } from "./a";', [KERNEL]: "export interface Kernel {\n  a(x: number): void;\n}\n" },
      { [ABI]: 'export { a } from "./a";', [KERNEL]: "export interface Kernel {\n  a(): void;\n  b(): void;\n}\n" },
    ],
    clean: {
      [ABI]: 'export { a } from "./a";\nexport * from "./layout";\nexport {\n  b,\n} from "./b";',
      [KERNEL]: "export interface Kernel {\n  /** Calls `c()`. */\n  a(x: number): void;\n  b(): number;\n}\n",
    },
  },
];

/** Labels that open a row, item or line of the README. */
function statedInvariants(project: Project): Set<string> {
  const text = project.file(README)?.text ?? "";
  const labels = text.matchAll(/^[|\s*-]*[*`]*(M\d+)\b/gm);
  return new Set([...labels].map(([, label = ""]) => label));
}

/** Every mention in a comment of the code at the border. */
function citations(project: Project): Finding[] {
  return project
    .sourcesIn("assembly/", "src/wasm/")
    .flatMap((file) => findMatches(file, file.comments, /(?<![\w-])M\d+\b/g));
}

function findUnequalExports(project: Project): Finding[] {
  const [abi, kernel] = [project.file(ABI), project.file(KERNEL)];
  if (abi === undefined || kernel === undefined) return [];
  const lists = [...abi.text.matchAll(/export \{([^}]*)\} from/g)];
  const exported = lists.flatMap(([, names = ""]) => names.split(",").map((name) => name.trim())).filter(Boolean);
  const declared = kernelMethods(kernel.text).map(({ name }) => name);
  const missing = (path: string, names: string[], others: string[]): Finding[] =>
    names.filter((name) => !others.includes(name)).map((name) => ({ path, what: `${name} is missing` }));
  return [...missing(KERNEL, exported, declared), ...missing(ABI, declared, exported)];
}
