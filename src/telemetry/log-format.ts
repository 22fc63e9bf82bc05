/** Forms of a log line: how its time is written, what its level is called, and how people read it. */
import { oneLine } from "../base/one-line.ts";
import type { LogFlags } from "../platform/log-flags.ts";

/** zap's names for pino's levels. It has none below debug, and numbers that nobody reads. */
export const LEVEL_NAMES: Readonly<Record<string, string>> = {
  trace: "debug",
  debug: "debug",
  verbose: "debug",
  info: "info",
  warn: "warn",
  error: "error",
  fatal: "panic",
};

/** The time as a JSON value, in the form that zap gives it under that name. */
export function formatTime(wallMs: number, encoding: LogFlags["timeEncoding"]): string {
  switch (encoding) {
    case "epoch":
      return String(wallMs / 1000);
    case "millis":
      return String(wallMs);
    case "nano":
      return String(BigInt(Math.round(wallMs)) * 1_000_000n);
    case "iso8601":
      return `"${new Date(wallMs).toISOString()}"`;
    case "rfc3339":
      return `"${new Date(wallMs).toISOString().slice(0, 19)}Z"`;
    case "rfc3339nano":
      return `"${new Date(wallMs).toISOString().replace(/\.?0*Z$/, "Z")}"`;
  }
}

/** What pino has written, by the options of logger.ts. */
interface Line {
  readonly level: string;
  readonly ts: number | string;
  readonly logger?: string;
  readonly msg?: string;
  readonly stacktrace?: string;
}

/** A JSON line as people read it: time, level, logger, message, then the fields as JSON. */
export function consoleLine(json: string): string {
  const { level, ts, logger, msg, stacktrace, ...fields } = JSON.parse(json) as Line;
  const columns = [String(ts), level.toUpperCase(), ...(logger === undefined ? [] : [logger]), msg ?? ""];
  const rest = Object.keys(fields).length === 0 ? [] : [JSON.stringify(fields)];
  const head = [...columns.map(oneLine), ...rest].join("\t");
  return stacktrace === undefined ? `${head}\n` : `${head}\n${stacktrace}\n`;
}
