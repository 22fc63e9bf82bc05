/** Finds the micro benches: each `micro/<name>.bench.ts` exports one `MicroBench` of that name. */
import { readdirSync } from "node:fs";
import { assert } from "../src/base/assert.ts";
import { ConfigError } from "../src/base/errors.ts";
import type { MicroBench } from "./harness.ts";

/** All micro benches by name, or the named ones. Throws a ConfigError for an unknown name. */
export async function loadMicroBenches(names: readonly string[] = []): Promise<MicroBench[]> {
  const known = micros();
  for (const name of names) {
    if (!known.has(name)) throw new ConfigError(`no bench is named ${name}; known: ${[...known.keys()].join(", ")}`);
  }
  const wanted = [...known].filter(([name]) => names.length === 0 || names.includes(name));
  return await Promise.all(wanted.map(([name, file]) => load(name, file)));
}

/** Files by bench name: TypeScript under vitest, JavaScript when compiled. */
function micros(): Map<string, string> {
  const files = readdirSync(new URL("./micro/", import.meta.url)).sort();
  return new Map(
    files.flatMap((file) => {
      const name = /^(.+)\.bench\.[jt]s$/.exec(file)?.[1];
      return name === undefined ? [] : [[name, file]];
    }),
  );
}

async function load(name: string, file: string): Promise<MicroBench> {
  const module = (await import(new URL(`./micro/${file}`, import.meta.url).href)) as Readonly<Record<string, unknown>>;
  const bench = Object.values(module).find((exported) => isMicroBench(exported, name));
  assert(bench !== undefined, `bench/micro/${file} exports no MicroBench with the name "${name}"`);
  return bench;
}

function isMicroBench(exported: unknown, name: string): exported is MicroBench {
  return (
    typeof exported === "object" && exported !== null && "cases" in exported && (exported as MicroBench).name === name
  );
}
