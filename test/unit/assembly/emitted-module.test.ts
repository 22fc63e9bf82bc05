/** Both builds of the kernel as the compiler emitted them, against what a module over a shared memory may contain. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { findInText, readEmittedModule, TEXT_RULES } from "../../support/emitted-module.ts";
import { KERNEL_BUILDS } from "../../support/kernel.ts";
import { kernelMethods } from "../../support/tidy/kernel-methods.ts";

const CLEAN = '(module\n (import "env" "memory" (memory $0 1 65536 shared))\n (global $layout/A i32 (i32.const 1))\n)';

/** One line for each rule that breaks it. */
const BROKEN: Readonly<Record<string, string>> = {
  "no data segment": ' (data $0 (i32.const 1036) "\\1c")',
  "no start function": " (start $~start)",
  "no mutable global": " (global $~lib/rt/stub/offset (mut i32) (i32.const 0))",
  "no import but the memory": ' (import "env" "abort" (func $~lib/builtins/abort (param i32 i32 i32 i32)))',
};

describe.each(KERNEL_BUILDS)("the %s build", (build) => {
  const { text, module } = readEmittedModule(build);

  it.each(TEXT_RULES)("has $name", (rule) => {
    expect(findInText(text, rule), rule.instead).toEqual([]);
  });

  it("imports the memory and nothing else", () => {
    expect(WebAssembly.Module.imports(module)).toEqual([{ module: "env", name: "memory", kind: "memory" }]);
  });

  it("passes no 64-bit integer across the border: JavaScript would make a BigInt of it", () => {
    const exported = [...text.matchAll(/\(export "\w+" \(func (\S+)\)\)/g)].map(([, name]) => name);
    const heads = [...text.matchAll(/^ \(func (\S+)(.*)$/gm)].filter(([, name]) => exported.includes(name));
    expect(heads).toHaveLength(new Set(exported).size);
    expect(heads.filter(([, , signature]) => signature?.includes("i64")).map(([, name]) => name)).toEqual([]);
  });

  it("exports each function of the Kernel interface with as many parameters, and no other", () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 65_536, shared: true });
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    const arities = Object.entries(exports).flatMap(([name, exported]) =>
      typeof exported === "function" ? [`${name}/${exported.length}`] : [],
    );
    const methods = kernelMethods(readFileSync("src/wasm/kernel.ts", "utf8"));
    expect(arities.sort()).toEqual(methods.map(({ name, parameterCount }) => `${name}/${parameterCount}`).sort());
  });
});

describe("the rules over the emitted text", () => {
  it.each(TEXT_RULES)("pass a clean module: $name", (rule) => {
    expect(findInText(CLEAN, rule)).toEqual([]);
  });

  it.each(TEXT_RULES)("fail when it is broken: $name", (rule) => {
    const line = BROKEN[rule.name] ?? "";
    expect(findInText(`${CLEAN}\n${line}`, rule)).toEqual([line.trim()]);
  });
});
