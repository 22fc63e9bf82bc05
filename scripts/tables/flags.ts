/** `docs/flags.md`: the picker's flags, from `src/flags.ts`, and its exit codes. */
import { FLAG_GROUPS } from "../../src/flags.ts";
import { EXIT_CODES } from "../../src/platform/exit-codes.ts";
import { code, markdownTable } from "./markdown.ts";

export function flagTable(): string {
  return FLAG_GROUPS.map(({ title, flags }) => {
    const rows = Object.values(flags).map(({ name, valueName, help, defaultText }) => [
      code(name.length === 1 ? `-${name}` : `--${name}`),
      valueName === "" ? "" : code(valueName),
      defaultText,
      help,
    ]);
    return `### ${title}\n\n${markdownTable(["Flag", "Value", "Default", "Meaning"], rows)}`;
  }).join("\n\n");
}

export function exitCodeTable(): string {
  const rows = Object.values(EXIT_CODES).map(({ code: number, meaning }) => [String(number), meaning]);
  return markdownTable(["Code", "Meaning"], rows);
}
