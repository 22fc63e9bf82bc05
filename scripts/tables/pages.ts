/** `docs/health.md`: the pages of the metrics port, from `src/admin/pages/page-table.ts`. */
import { PAGES } from "../../src/admin/pages/page-table.ts";
import { code, markdownTable } from "./markdown.ts";

export function pageTable(): string {
  return markdownTable(
    ["Page", "What it shows"],
    Object.values(PAGES).map(({ path, summary }) => [code(path), summary]),
  );
}
