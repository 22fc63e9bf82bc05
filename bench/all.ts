/**
 * `npm run bench:all [-- names]`: the benches of whole processes, one after the other, in full size on the Node that
 * runs this, each with its record kept and its tables written. The day is not among them: it takes as long as all
 * others together. Ends with the names of those that failed.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { GENERATED_TABLES, writeDocuments } from "../scripts/generated-tables.ts";
import { systemClock } from "../src/base/clock.ts";

interface Step {
  readonly name: string;
  /** Compiled, beside this file. */
  readonly file: string;
  readonly args: readonly string[];
}

const STEPS: readonly Step[] = [
  { name: "load", file: "load/main.js", args: ["--save", "--rounds", "5", "--duration", "3s", "--warm-up", "500ms"] },
  { name: "latency", file: "latency/main.js", args: ["--save"] },
  { name: "fairness", file: "fairness/main.js", args: ["--save"] },
  { name: "memory", file: "memory/main.js", args: ["--save"] },
  { name: "shards", file: "shards/main.js", args: ["--save"] },
  { name: "scrape", file: "scrape-load.js", args: [] },
  { name: "start", file: "start-up.js", args: [] },
];

async function main(names: readonly string[]): Promise<void> {
  const failed: string[] = [];
  for (const { name, file, args } of STEPS) {
    if (names.length > 0 && !names.includes(name)) continue;
    const startMs = systemClock.nowMs();
    console.error(`bench:${name} ${args.join(" ")}`);
    const script = fileURLToPath(new URL(file, import.meta.url));
    const child = spawn(process.execPath, [script, ...args], { stdio: "inherit" });
    const [code] = (await once(child, "exit")) as [number | null];
    if (code !== 0) failed.push(name);
    console.error(`bench:${name} ended after ${Math.round((systemClock.nowMs() - startMs) / 1000)} s\n`);
  }
  const tables = GENERATED_TABLES.filter(({ document }) => ["bench/README.md", "README.md"].includes(document));
  for (const path of writeDocuments(tables)) console.error(`${path} written`);
  console.error(failed.length === 0 ? "all benches ran to their end" : `failed: ${failed.join(", ")}`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}

await main(process.argv.slice(2));
