/**
 * The memory layout for TypeScript: the kernel's own `assembly/layout.ts`, compiled a second time. A kernel built from
 * another version of that file is refused when it is loaded (`assertSameLayout`), constant by constant.
 */
import * as layout from "../../assembly/layout.ts";
import { assert } from "../base/assert.ts";

export { layout };

/** Throws unless every exported constant of the kernel equals the one this program was compiled with. */
export function assertSameLayout(exports: Readonly<Record<string, unknown>>): void {
  let constants = 0;
  for (const [name, expected] of Object.entries(layout)) {
    const actual = exports[name];
    assert(actual instanceof WebAssembly.Global, `the kernel exports no constant ${name}: run "npm run build"`);
    assert(
      actual.value >>> 0 === expected,
      `layout constant ${name} is ${actual.value >>> 0} in the kernel and ${expected} here: run "npm run build"`,
    );
    constants++;
  }
  assert(constants > 100, `only ${constants} layout constants were compared`);
}
