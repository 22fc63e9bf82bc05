/** Which versions run: of the picker, of Node and its engine. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** `layout`: version of the memory map. */
export function readVersions(layout: number): Readonly<Record<string, string>> {
  return { picker: pickerVersion(), node: process.version, v8: process.versions.v8, layout: String(layout) };
}

/** As in package.json. */
function pickerVersion(): string {
  const text = readFileSync(createRequire(import.meta.url).resolve("#package"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
