/**
 * Logs: JSON lines on standard error by pino, so that standard output stays for what a program was asked to print.
 * Never a prompt.
 */
import { type Logger, pino } from "pino";

export type { Logger };

export interface LoggerOptions {
  readonly level: "debug" | "info" | "warn" | "error" | "silent";
  /** File descriptor. */
  readonly destination?: number;
}

export function createLogger({ level, destination = 2 }: LoggerOptions): Logger {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: destination, sync: true }),
  );
}
