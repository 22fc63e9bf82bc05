/** `/debug/`: what else there is. */
import { type AdminPage, TEXT_TYPE } from "../page.ts";
import { PAGES } from "./page-table.ts";

/** The index of these pages and itself. */
export function indexPage(pages: readonly AdminPage[]): AdminPage {
  const index: AdminPage = {
    ...PAGES.index,
    contentType: TEXT_TYPE,
    async *answer() {
      const all = [...pages, index];
      const width = Math.max(...all.map(({ path }) => path.length));
      yield all.map(({ path, summary }) => `${path.padEnd(width)}  ${summary}\n`).join("");
    },
  };
  return index;
}
