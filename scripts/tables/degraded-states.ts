/** `docs/health.md`: what degrades the picker, from `src/telemetry/degraded-states.ts`. */
import { DEGRADED_STATES } from "../../src/telemetry/degraded-states.ts";
import { code, markdownTable } from "./markdown.ts";

export function degradedStateTable(): string {
  const rows = Object.entries(DEGRADED_STATES).map(([name, { severity, meaning, remedy }]) => {
    return [code(name), severity, meaning, remedy];
  });
  return markdownTable(["State", "Severity", "What it means", "What to do"], rows);
}
