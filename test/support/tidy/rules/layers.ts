/** Who may import whom: the import table of the architecture, as data. */
import path from "node:path";
import type { Finding, SourceFile } from "../project.ts";
import type { Rule } from "../rule.ts";

/** The composition roots, `src/*.ts`, and the program of `npm start`. */
const PROGRAMS = "programs";

/** Highest first. A folder may import lower lines and itself, never a sibling on its line. */
const LAYERS: readonly (readonly string[])[] = [
  [PROGRAMS],
  ["extproc", "admin", "shards"],
  ["director"],
  ["scheduling", "flowcontrol"],
  ["plugins", "parsing", "tokenizing", "discovery", "scrape", "kvevents"],
  ["endpoints", "kubernetes", "config"],
  ["framework"],
  ["telemetry"],
  ["wasm"],
  ["platform", "wire"],
  ["base"],
];

/** Programs of their own, which know nothing of the picker. */
const SIDE_PROGRAMS: readonly string[] = ["sidecar", "simulator", "devproxy"];
const SIDE_PROGRAMS_USE: readonly string[] = ["kubernetes", "telemetry", "platform", "wire", "base"];

export const layerRules: readonly Rule[] = [
  {
    name: "imports go down the layers only",
    instead: "move the shared piece below both, or hand it over from a composition root",
    find: (project) => project.sourcesIn("src/").flatMap(findUpwardImports),
    broken: [
      { "src/base/clock.ts": 'import { a } from "../wasm/kernel.ts";' },
      { "src/discovery/file.ts": 'import type { Scraper } from "../scrape/scraper.ts";' },
      { "src/simulator/engine.ts": 'import { layout } from "../wasm/layout.ts";' },
      { "src/plugins/scorers/a.ts": 'import { a } from "../../simulator/engine.ts";' },
      { "src/epp.ts": 'export { a } from "../test/support/a.ts";' },
      { "src/telemetry/a.ts": 'const late = await import("../director/director.ts");' },
      { "src/framework/a.ts": 'import { layout } from "../../assembly/layout.ts";' },
      { "src/unheard-of/a.ts": "export const a = 1;" },
    ],
    clean: {
      "src/director/director.ts": 'import { a } from "./request.ts";\nimport { b } from "../parsing/parser.ts";',
      "src/start/main.ts": 'import { startFleet } from "../simulator/fleet.ts";\nimport { startEpp } from "../epp.ts";',
      "src/wasm/layout.ts": 'import * as layout from "../../assembly/layout.ts";',
      "src/base/a.ts": '// import { a } from "../wasm/kernel.ts";\nconst text = \'from "../wasm/kernel.ts"\';',
    },
  },
  {
    name: "the kernel imports nothing but itself",
    instead: "give it numbers; constants belong into assembly/layout.ts",
    find: (project) =>
      project.sourcesIn("assembly/").flatMap((file) =>
        imports(file)
          .filter(({ target }) => !/^\.\/[a-z0-9-]+$/.test(target))
          .map(({ line, target }) => ({ path: file.path, line, what: target })),
      ),
    broken: [
      { "assembly/ring.ts": 'import { a } from "../src/base/prng.ts";' },
      { "assembly/ring.ts": 'import { a } from "./layout.ts";' },
    ],
    clean: { "assembly/ring.ts": 'import { RING_SIZE } from "./layout";' },
  },
];

function findUpwardImports(file: SourceFile): Finding[] {
  const source = groupOf(file.path);
  if (!isKnown(source)) return [{ path: file.path, what: `src/${source} stands on no layer` }];
  return imports(file).flatMap(({ line, target }) => {
    if (!target.startsWith(".")) return [];
    const targetPath = path.posix.join(path.posix.dirname(file.path), target);
    return mayImport(source, targetPath) ? [] : [{ path: file.path, line, what: `${source} imports ${targetPath}` }];
  });
}

function mayImport(source: string, targetPath: string): boolean {
  if (targetPath === "assembly/layout.ts") return source === "wasm";
  if (!targetPath.startsWith("src/")) return false;
  const target = groupOf(targetPath);
  if (target === source) return true;
  if (SIDE_PROGRAMS.includes(source)) return SIDE_PROGRAMS_USE.includes(target);
  if (SIDE_PROGRAMS.includes(target)) return source === PROGRAMS;
  return lineOf(source) < lineOf(target);
}

function groupOf(sourcePath: string): string {
  const [, folder = "", ...rest] = sourcePath.split("/");
  return rest.length === 0 || folder === "start" ? PROGRAMS : folder;
}

function isKnown(group: string): boolean {
  return SIDE_PROGRAMS.includes(group) || lineOf(group) >= 0;
}

function lineOf(group: string): number {
  return LAYERS.findIndex((line) => line.includes(group));
}

/** Static and dynamic imports and re-exports. What stands inside a string is none. */
function imports(file: SourceFile): { line: number; target: string }[] {
  const statements = file.code.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)(["'])/g);
  return [...statements].map((match) => {
    const start = match.index + match[0].length;
    const end = file.code.indexOf(match[1] ?? "", start);
    return { line: file.code.slice(0, start).split("\n").length, target: file.codeAndStrings.slice(start, end) };
  });
}
