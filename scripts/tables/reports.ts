/** `bench/README.md`: the latest records of the benches of whole processes that name their own figures. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { RESULTS } from "../../bench/harness.ts";
import { formatReport, type Report } from "../../bench/report.ts";

/** One table per record: of each bench one for every major version of Node. */
export function reportTables(names: readonly string[]): string {
  const records = names.flatMap(reportsOf);
  return records.length === 0 ? "No records yet." : records.map(formatReport).join("\n\n");
}

/** The kept records of a bench, by version of Node. */
function reportsOf(name: string): Report[] {
  return (existsSync(RESULTS) ? readdirSync(RESULTS) : [])
    .filter((file) => new RegExp(`^${name}\\.node\\d+\\.json$`).test(file))
    .sort()
    .map((file) => JSON.parse(readFileSync(path.join(RESULTS, file), "utf8")) as Report);
}
