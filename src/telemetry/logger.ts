/**
 * Logs: lines on standard error by pino, so that standard output stays for what a program was asked to print. Never a
 * prompt. In JSON with the keys that operators of the Go picker know (`level`, `ts`, `logger`, `msg`), or for people.
 *
 *   logger.info(fields, message) ─► pino ─► (console form) ─► bounded buffer ─► write, off this thread
 *
 * A reader that does not read must not hold the picker: lines beyond the buffer are dropped and counted
 * (`LogLosses`), and what is buffered at the end of the program is written then.
 */
import { type Logger, type LoggerOptions as PinoOptions, pino } from "pino";
import { type Clock, systemClock } from "../base/clock.ts";
import type { LogFlags } from "../platform/log-flags.ts";
import { consoleLine, formatTime, LEVEL_NAMES } from "./log-format.ts";
import type { LogLosses } from "./log-losses.ts";

export type { Logger };

/** Bytes of lines that wait to be written; some 5,000 lines. */
const BUFFER_SIZE_MAX = 1024 * 1024;

/** pino's levels and one between info and debug. */
const VERBOSE_LEVEL = 25;

export interface LoggerOptions extends Partial<LogFlags> {
  readonly level: LogFlags["level"];
  /** File descriptor. */
  readonly destination?: number;
  readonly clock?: Clock;
  readonly losses?: LogLosses;
}

export function createLogger(options: LoggerOptions): Logger {
  const { level, encoder = "json", destination = 2, losses } = options;
  const file = pino.destination({ dest: destination, sync: false, maxLength: BUFFER_SIZE_MAX });
  file.on("drop", () => losses?.count());
  // A full disk must not end the picker.
  file.on("error", () => losses?.count());
  const forPeople = { write: (line: string): void => void file.write(consoleLine(line)) };
  return pino(pinoOptions(options, level), encoder === "json" ? file : forPeople) as unknown as Logger;
}

function pinoOptions(options: LoggerOptions, level: LogFlags["level"]): PinoOptions<"verbose"> {
  const { clock = systemClock, timeEncoding = "iso8601", stacktraceLevel = "error" } = options;
  const traced =
    pino.levels.values[stacktraceLevel === "panic" ? "fatal" : stacktraceLevel] ?? Number.POSITIVE_INFINITY;
  return {
    level,
    customLevels: { verbose: VERBOSE_LEVEL },
    base: null,
    errorKey: "error",
    timestamp: () => `,"ts":${formatTime(clock.wallMs(), timeEncoding)}`,
    formatters: { level: (name) => ({ level: LEVEL_NAMES[name] ?? name }) },
    serializers: { error: (error: unknown) => (error instanceof Error ? error.message : error) },
    mixin: (fields, number) => {
      const { error } = fields as { readonly error?: unknown };
      return number >= traced && error instanceof Error ? { stacktrace: error.stack } : {};
    },
  };
}
