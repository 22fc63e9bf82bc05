/** `/debug/config`: the configuration in force, with every default written out. */
import { type AdminPage, jsonPage } from "../page.ts";

export function configPage(effective: () => unknown): AdminPage {
  return jsonPage({
    path: "/debug/config",
    summary: "The configuration in force, with every default written out.",
    isEarly: true,
    read: effective,
  });
}
