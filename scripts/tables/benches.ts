/** `bench/README.md`: the latest record of every micro bench, from `bench/results/`. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { type BenchRecord, formatRecord, RESULTS } from "../../bench/harness.ts";

const BENCHES = "bench/micro";

export function benchTables(): string {
  const records = readdirSync(BENCHES)
    .filter((file) => file.endsWith(".bench.ts"))
    .sort()
    .flatMap((file) => recordsOf(path.basename(file, ".bench.ts")));
  return records.length === 0 ? "No records yet." : records.map(formatRecord).join("\n\n");
}

/** One per major version of Node. */
function recordsOf(bench: string): BenchRecord[] {
  return (existsSync(RESULTS) ? readdirSync(RESULTS) : [])
    .filter((file) => file.startsWith(`${bench}.node`) && file.endsWith(".json"))
    .sort()
    .map((file) => JSON.parse(readFileSync(path.join(RESULTS, file), "utf8")) as BenchRecord);
}
