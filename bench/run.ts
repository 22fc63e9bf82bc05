/**
 * Runs micro benches: `npm run bench -- [names] [--size small|large] [--seed number]`. In the large size it writes each
 * record to `results/` and the tables of `README.md`; the small size only shows that the cases work.
 */
import { parseArgs } from "node:util";
import { GENERATED_TABLES, writeDocuments } from "../scripts/generated-tables.ts";
import { ConfigError } from "../src/base/errors.ts";
import { type BenchSize, formatRecord, runMicroBench, saveRecord } from "./harness.ts";
import { loadMicroBenches } from "./micro-benches.ts";

/** Fixed, so that two runs compare. */
const SEED_DEFAULT = "1";

async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { size: { type: "string", default: "large" }, seed: { type: "string", default: SEED_DEFAULT } },
  });
  const size = readSize(values.size);
  const seed = readSeed(values.seed);
  for (const bench of await loadMicroBenches(positionals)) {
    const record = await runMicroBench(bench, size, seed);
    console.log(`${formatRecord(record)}\n`);
    if (size === "large") console.log(`${saveRecord(record)} written\n`);
  }
  const tables = GENERATED_TABLES.filter(({ document }) => document === "bench/README.md");
  if (size === "large") for (const path of writeDocuments(tables)) console.log(`${path} written`);
}

function readSize(text: string): BenchSize {
  if (text === "small" || text === "large") return text;
  throw new ConfigError(`--size: "${text}" is neither small nor large`);
}

function readSeed(text: string): number {
  const seed = Number(text);
  if (/^\d+$/.test(text) && seed < 2 ** 32) return seed;
  throw new ConfigError(`--seed: "${text}" is not a whole number below 2^32`);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  if (!(error instanceof ConfigError)) throw error;
  console.error(`bench: ${error.message}`);
  process.exitCode = 2;
});
