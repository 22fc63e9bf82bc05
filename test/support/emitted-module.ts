/**
 * What the compiler made of `assembly/`: its text and its binary, and the rules that a module must keep whose instances
 * share one memory. A data segment is applied again at every instantiation, and mutable globals exist once per
 * instance: either would let one thread break what another one relies on.
 */
import { readFileSync } from "node:fs";
import type { KernelBuild } from "./kernel.ts";

const FILES: Readonly<Record<KernelBuild, string>> = { release: "build/kernel", debug: "build/kernel.debug" };

export interface EmittedModule {
  readonly text: string;
  readonly module: WebAssembly.Module;
}

export function readEmittedModule(build: KernelBuild): EmittedModule {
  const bytes = readFileSync(`${FILES[build]}.wasm`);
  return { text: readFileSync(`${FILES[build]}.wat`, "utf8"), module: new WebAssembly.Module(bytes) };
}

interface TextRule {
  readonly name: string;
  /** Finds what must not be there. */
  readonly pattern: RegExp;
  readonly instead: string;
}

export const TEXT_RULES: readonly TextRule[] = [
  {
    name: "no data segment",
    pattern: /^\s*\(data\b.*/gm,
    instead: "keep constants in code: no strings, no `memory.data`, no static arrays",
  },
  {
    name: "no start function",
    pattern: /^\s*\(start\b.*/gm,
    instead: "let the control thread call what prepares a region; module globals are constants",
  },
  {
    name: "no mutable global",
    pattern: /^\s*\(global\b[^\n]*\(mut\b.*/gm,
    instead: "keep state in a region of the memory (assembly/layout.ts)",
  },
  {
    name: "no import but the memory",
    pattern: /^\s*\(import (?!"env" "memory" ).*/gm,
    instead: "pass it in as a number; `assert` needs no import with `--use abort=`",
  },
];

/** The lines of the text that break the rule. */
export function findInText(text: string, rule: TextRule): string[] {
  return [...text.matchAll(rule.pattern)].map(([line]) => line.trim());
}
