/** `docs/errors.md`: what a client is refused with, from `src/base/errors.ts`. */
import { ERROR_KINDS } from "../../src/base/errors.ts";
import { code, markdownTable } from "./markdown.ts";

export function errorTable(): string {
  const rows = Object.entries(ERROR_KINDS).map(([name, { httpStatus, when }]) => [code(name), `${httpStatus}`, when]);
  return markdownTable(["Code", "HTTP status", "When"], rows);
}
