/** `bench/README.md`: the latest records of the load bench, from `bench/results/`. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { RESULTS } from "../../bench/harness.ts";
import { formatLoadRecord } from "../../bench/load/load-table.ts";
import type { LoadRecord } from "../../bench/load/matrix.ts";

export function loadTables(): string {
  const files = (existsSync(RESULTS) ? readdirSync(RESULTS) : []).filter((file) => /^load\.node\d+\.json$/.test(file));
  const records = files.sort().map((file) => JSON.parse(readFileSync(path.join(RESULTS, file), "utf8")) as LoadRecord);
  return records.length === 0 ? "No records yet." : records.map(formatLoadRecord).join("\n\n");
}
