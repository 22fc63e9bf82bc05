/** Durations as Go writes them: `50ms`, `2s`, `1m30s`, `1.5h`. Used by flags and configuration files. */

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/g;

/** Milliseconds, negative ones too; undefined for a text that is no duration. Source: Go's `time.ParseDuration`. */
export function parseDuration(text: string): number | undefined {
  const sign = text.startsWith("-") ? -1 : 1;
  const unsigned = /^[+-]/.test(text) ? text.slice(1) : text;
  if (unsigned === "0") return 0;
  const parts = [...unsigned.matchAll(PART)];
  if (unsigned === "" || parts.map(([part]) => part).join("") !== unsigned) return undefined;
  return sign * parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (UNIT_MS[unit ?? ""] ?? 0), 0);
}

/** The shortest way to write it: `1m30s`, `50ms`. Whole milliseconds; 0 is `0s`. */
export function formatDuration(durationMs: number): string {
  if (durationMs === 0) return "0s";
  let rest = Math.abs(durationMs);
  let text = durationMs < 0 ? "-" : "";
  for (const unit of ["h", "m", "s", "ms"]) {
    const count = unit === "ms" ? rest : Math.floor(rest / (UNIT_MS[unit] ?? 1));
    if (count > 0) text += `${count}${unit}`;
    rest -= count * (UNIT_MS[unit] ?? 1);
  }
  return text;
}
