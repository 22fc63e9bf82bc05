/** `bench/README.md`: the latest records of the benches that measure whole processes, from `bench/results/`. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { RESULTS } from "../../bench/harness.ts";
import { markdownTable } from "./markdown.ts";

/** Records of these benches: a list of cases with plain numbers. */
const RECORD_FILES = /^(scrape-load|start-up)\.node\d+\.json$/;

interface WholeProcessRecord {
  readonly name: string;
  readonly machine: string;
  readonly node: string;
  readonly commit: string;
  readonly cases: readonly (Readonly<Record<string, number>> & { readonly label: string })[];
}

export function wholeProcessTables(): string {
  const files = (existsSync(RESULTS) ? readdirSync(RESULTS) : []).filter((file) => RECORD_FILES.test(file));
  const tables = files.sort().map((file) => {
    const record = JSON.parse(readFileSync(path.join(RESULTS, file), "utf8")) as WholeProcessRecord;
    return formatWholeProcessRecord(record);
  });
  return tables.length === 0 ? "No records yet." : tables.join("\n\n");
}

function formatWholeProcessRecord({ name, machine, node, commit, cases }: WholeProcessRecord): string {
  const figures = Object.keys(cases[0] ?? {}).filter((key) => key !== "label");
  const rows = cases.map((one) => [one.label, ...figures.map((figure) => String(one[figure]))]);
  return `**${name}**: ${machine}; Node ${node}; commit ${commit}.\n\n${markdownTable(["", ...figures], rows)}`;
}
