/** `/debug/config`: the configuration in force, with every default written out. */
import { type AdminPage, jsonPage } from "../page.ts";
import { PAGES } from "./page-table.ts";

export function configPage(effective: () => unknown): AdminPage {
  return jsonPage({
    ...PAGES.config,
    read: effective,
  });
}
