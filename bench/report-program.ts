/**
 * The command line that benches of whole processes share: flags and `--help`, progress on standard error, the table on
 * standard output, and with `--save` the record and the documents that show it.
 */
import { GENERATED_TABLES, writeDocuments } from "../scripts/generated-tables.ts";
import { ConfigError } from "../src/base/errors.ts";
import { integerFlag, switchFlag } from "../src/platform/flag-kinds.ts";
import {
  type FlagDeclaration,
  type FlagTable,
  type FlagTableOf,
  formatHelp,
  parseFlags,
} from "../src/platform/flags.ts";
import { endOnSignal } from "../src/platform/signals.ts";
import { saveRecord, surroundings } from "./harness.ts";
import { endServers } from "./load/servers.ts";
import { formatReport, type Measured, type Report } from "./report.ts";

export interface ReportFlags {
  readonly seed: number;
  readonly isJson: boolean;
  readonly saves: boolean;
}

export const REPORT_FLAGS: FlagTableOf<ReportFlags> = {
  seed: integerFlag({
    name: "seed",
    valueName: "number",
    help: "The same seed gives the same prompts and arrivals.",
    byDefault: 1,
    min: 0,
    max: 2 ** 31,
  }),
  isJson: switchFlag("json", "Print the record as JSON."),
  saves: switchFlag("save", "Keep the record, and show it in the documentation."),
};

export function countFlag(name: string, help: string, byDefault: number, max = 1_000_000_000): FlagDeclaration<number> {
  return integerFlag({ name, valueName: "count", help, byDefault, min: 1, max });
}

export interface ReportProgram<Flags extends ReportFlags> {
  /** Of the record; `npm run bench:<name>` runs it. */
  readonly name: string;
  readonly about: string;
  readonly flags: FlagTableOf<Flags>;
  run(flags: Flags, onProgress: (text: string) => void): Promise<Measured>;
}

export async function runReportProgram<Flags extends ReportFlags>(program: ReportProgram<Flags>): Promise<void> {
  try {
    await runWithFlags(program, process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(`bench:${program.name}: ${error.message}`);
    process.exitCode = 2;
  }
}

async function runWithFlags<Flags extends ReportFlags>(
  { name, about, flags: table, run }: ReportProgram<Flags>,
  args: readonly string[],
): Promise<void> {
  // The table's rows give exactly these values.
  const flags = parseFlags<FlagTable>(table, args) as Flags | undefined;
  if (flags === undefined) {
    const usage = `npm run bench:${name} -- [flags]`;
    process.stdout.write(formatHelp({ usage, about, groups: [{ title: "Flags", flags: table }] }));
    return;
  }
  endOnSignal(endServers);
  const measured = await run(flags, (text) => console.error(text));
  const record: Report = { name, ...surroundings(), seed: flags.seed, ...measured };
  console.log(flags.isJson ? JSON.stringify(record, undefined, 2) : formatReport(record));
  if (!flags.saves) return;
  console.error(`${saveRecord(record)} written`);
  const tables = GENERATED_TABLES.filter(({ document }) => ["bench/README.md", "README.md"].includes(document));
  for (const path of writeDocuments(tables)) console.error(`${path} written`);
}
