/**
 * Writes the generated tables into the documentation: `npm run docs`. With `--check` it writes nothing and fails when a
 * document does not show what the code says.
 */
import { renderDocuments, writeDocuments } from "./generated-tables.ts";

if (process.argv.includes("--check")) {
  const stale = renderDocuments().filter(({ isCurrent }) => !isCurrent);
  for (const { path } of stale) console.error(`${path} does not show what the code says: run "npm run docs"`);
  if (stale.length > 0) process.exitCode = 1;
} else {
  for (const path of writeDocuments()) console.log(`${path} written`);
}
