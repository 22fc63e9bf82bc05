/** What only one folder may do (read time and chance, write the shared memory), and what AssemblyScript leaves out. */
import { findMatches } from "../project.ts";
import type { Rule } from "../rule.ts";

/** In code without its strings. */
const WAYS_AROUND_THE_CLOCK: readonly string[] = [
  String.raw`\bnew Date\(\s*\)`,
  String.raw`\bDate\.now\b`,
  String.raw`\bperformance\.now\b`,
  String.raw`\bhrtime\b`,
  String.raw`(?<![.\w])set(?:Timeout|Interval)\(`,
  String.raw`\bglobalThis\.set(?:Timeout|Interval)\b`,
  String.raw`\bMath\.random\b`,
  String.raw`\brandom(?:Bytes|Int|UUID|FillSync)\b`,
  String.raw`\bgetRandomValues\b`,
];

export const borderRules: readonly Rule[] = [
  {
    name: "only src/base touches time and chance",
    instead: "take a Clock (src/base/clock.ts) or a Prng (src/base/prng.ts)",
    // The linter finds the calls; these are the ways around it.
    find: (project) =>
      project
        .sourcesIn("src/")
        .filter(({ path }) => !path.startsWith("src/base/"))
        .flatMap((file) => findMatches(file, file.code, new RegExp(WAYS_AROUND_THE_CLOCK.join("|"), "g"))),
    broken: [
      { "src/a/a.ts": "const stamp = new Date();" },
      { "src/a/a.ts": "const { now } = { now: Date.now };" },
      { "src/a/a.ts": "const draw = Math.random;" },
      { "src/a/a.ts": "setTimeout(() => undefined, 10);" },
      { "src/a/a.ts": "globalThis.setInterval(run, 10);" },
      { "src/a/a.ts": "const id = webcrypto.getRandomValues(bytes);" },
    ],
    clean: {
      "src/base/clock.ts": "const now = Date.now();",
      "src/a/a.ts":
        '// Date.now() is banned\nclock.setTimeout(run, 5);\nconst text = "Math.random()";\nnew Date(wallMs);',
    },
  },
  {
    name: "only src/wasm touches the bytes of the shared memory",
    instead: "call a reader or writer of src/wasm; a region has one writer",
    find: (project) =>
      project
        .sourcesIn("src/")
        .filter(({ path }) => !path.startsWith("src/wasm/"))
        .flatMap((file) => findMatches(file, file.code, /\bmemory\.buffer\b|\bnew WebAssembly\.\w+/gi)),
    broken: [
      { "src/shard.ts": "const view = new Uint8Array(task.memory.buffer);" },
      { "src/epp.ts": "const memory = new WebAssembly.Memory({ initial: 1 });" },
    ],
    clean: {
      "src/wasm/regions.ts": "new DataView(memory.buffer);",
      "src/wire/reader.ts": "Buffer.from(bytes.buffer);\nconst memory: WebAssembly.Memory = task.memory;",
    },
  },
  {
    name: "the kernel is plain functions over the memory map",
    instead: "numbers in, a result code out; constants and locals only; state in a region (assembly/layout.ts)",
    find: (project) =>
      project.sourcesIn("assembly/").flatMap((file) => [
        ...findMatches(file, file.code, /@\w+|\bclass\b|\bnew\b|\bmemory\.data\b|\bstatic\b|=>|[`]/g),
        ...findMatches(file, file.code, /^(?:export )?(?:let|var)\b.*/gm),
        ...findMatches(
          file,
          file.code.replace(/\bfrom\s*"[^"]*"/g, (text) => text.replaceAll('"', " ")),
          /["'].*?["']/g,
        ).map((finding) => ({ ...finding, what: "a string" })),
      ]),
    broken: [
      { "assembly/a.ts": "@inline\nfunction a(): void {}" },
      { "assembly/a.ts": "class A {}" },
      { "assembly/a.ts": "const a = new Array<u32>();" },
      { "assembly/a.ts": "export let counter: u32 = 0;" },
      { "assembly/a.ts": 'const NAME = "magpie";' },
      { "assembly/a.ts": "const a = memory.data(16);" },
      { "assembly/a.ts": "const run = (a: u32): u32 => a;" },
    ],
    clean: {
      "assembly/a.ts":
        '// A new class of "strings", @see below.\nimport { A } from "./layout";\nexport const B: u32 = A;',
      "assembly/b.ts": "function f(): u32 {\n  let a: u32 = 0;\n  return a;\n}",
    },
  },
];
