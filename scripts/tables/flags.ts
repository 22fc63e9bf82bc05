/** `docs/flags.md`: the picker's flags, from `src/flags.ts`. */
import { FLAGS } from "../../src/flags.ts";
import { code, markdownTable } from "./markdown.ts";

export function flagTable(): string {
  const rows = Object.values(FLAGS).map(({ name, valueName, help, defaultText }) => [
    code(`--${name}`),
    valueName === "" ? "" : code(valueName),
    defaultText,
    help,
  ]);
  return markdownTable(["Flag", "Value", "Default", "Meaning"], rows);
}
