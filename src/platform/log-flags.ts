/**
 * The flags that say what is logged and how, as one value: `--v`, the five zap flags that operators of the Go picker
 * know, and our own `--log-level`. Read here once; the logger takes the value and knows no flags.
 */
import { ConfigError } from "../base/errors.ts";
import { choiceFlag, integerFlag, optionalChoiceFlag, optionalTextFlag, switchFlag } from "./flag-kinds.ts";
import type { FlagTableOf } from "./flags.ts";

/** Least severe lines that are written, most severe first. `verbose` lies between `info` and `debug`. */
export type LogLevel = "silent" | "fatal" | "error" | "warn" | "info" | "verbose" | "debug" | "trace";

/** What the logger is to do. */
export interface LogFlags {
  readonly level: LogLevel;
  /** One info line per request; off below verbosity 2, as in the Go picker, where benchmarks turn it off. */
  readonly logsRequests: boolean;
  /** `json`: one object per line. `console`: for people. */
  readonly encoder: "json" | "console";
  readonly timeEncoding: TimeEncoding;
  /** Lines of this level and above carry a stack trace where there is one. */
  readonly stacktraceLevel: "info" | "warn" | "error" | "panic";
}

/** Names are zap's: seconds, ms or ns since 1970 as a number, or a text. */
export type TimeEncoding = "epoch" | "millis" | "nano" | "iso8601" | "rfc3339" | "rfc3339nano";

/** Verbosity at which each request has a line: the Go picker's default. */
const VERBOSITY_DEFAULT = 2;
/** The Go picker's levels end at 5; klog's habit of writing 9 or 10 for "all" is taken. */
const VERBOSITY_MAX = 100;

/** The flags' own values, before they become one. */
export interface LogFlagValues {
  readonly verbosity: number;
  readonly zapLevel: string | undefined;
  readonly logLevel: LogLevel | undefined;
  readonly encoder: LogFlags["encoder"];
  readonly timeEncoding: TimeEncoding;
  readonly stacktraceLevel: LogFlags["stacktraceLevel"] | undefined;
  readonly isDevelopment: boolean;
}

export const LOG_FLAGS: FlagTableOf<LogFlagValues> = {
  verbosity: integerFlag({
    name: "v",
    valueName: "number",
    help: "Verbosity: 0 and 1 without a line per request, 2 with it, 3 verbose, 4 debug, 5 and more trace.",
    byDefault: VERBOSITY_DEFAULT,
    min: 0,
    max: VERBOSITY_MAX,
  }),
  zapLevel: optionalTextFlag(
    "zap-log-level",
    "level",
    "debug, info, warn, error, panic, or a verbosity from 1 on. Overrides -v.",
  ),
  logLevel: optionalChoiceFlag("log-level", "Least severe log lines that are written. Overrides -v.", [
    "info",
    "trace",
    "debug",
    "verbose",
    "warn",
    "error",
    "silent",
  ]),
  // JSON also in zap's development mode, which is on by default: lines of a server are read by programs.
  encoder: choiceFlag("zap-encoder", "Form of log lines.", ["json", "console"]),
  timeEncoding: choiceFlag("zap-time-encoding", "Form of the time in log lines.", [
    "iso8601",
    "epoch",
    "millis",
    "nano",
    "rfc3339",
    "rfc3339nano",
  ]),
  stacktraceLevel: optionalChoiceFlag(
    "zap-stacktrace-level",
    "Least severe lines with a stack trace; warn in development mode, else error.",
    ["error", "info", "warn", "panic"],
  ),
  isDevelopment: switchFlag("zap-devel", "Development mode of logs: stack traces from warnings on.", true),
};

/** The one value. Throws a ConfigError for levels that are none or contradict each other. */
export function readLogFlags(flags: LogFlagValues): LogFlags {
  const { verbosity, zapLevel, logLevel, encoder, timeEncoding, stacktraceLevel, isDevelopment } = flags;
  if (zapLevel !== undefined && logLevel !== undefined) {
    throw new ConfigError("--log-level and --zap-log-level contradict each other; give one of them");
  }
  const named = logLevel ?? (zapLevel === undefined ? undefined : readZapLevel(zapLevel));
  const level = typeof named === "string" ? named : levelOf(named ?? verbosity);
  const logsRequests = typeof named === "string" ? isAtLeastInfo(named) : (named ?? verbosity) >= VERBOSITY_DEFAULT;
  return {
    level,
    logsRequests,
    encoder,
    timeEncoding,
    stacktraceLevel: stacktraceLevel ?? (isDevelopment ? "warn" : "error"),
  };
}

/** A level, or a verbosity. */
function readZapLevel(text: string): LogLevel | number {
  if (/^\d{1,3}$/.test(text) && Number(text) >= 1) return Number(text);
  const level = ZAP_LEVELS[text.toLowerCase()];
  if (level !== undefined) return level;
  throw new ConfigError(
    `--zap-log-level: "${text}" is none of ${Object.keys(ZAP_LEVELS).join(", ")} and no verbosity from 1 on`,
  );
}

const ZAP_LEVELS: Readonly<Record<string, LogLevel>> = {
  debug: "debug",
  info: "info",
  warn: "warn",
  error: "error",
  panic: "fatal",
};

function levelOf(verbosity: number): LogLevel {
  if (verbosity <= VERBOSITY_DEFAULT) return "info";
  if (verbosity === 3) return "verbose";
  return verbosity === 4 ? "debug" : "trace";
}

function isAtLeastInfo(level: LogLevel): boolean {
  return level === "info" || level === "verbose" || level === "debug" || level === "trace";
}
