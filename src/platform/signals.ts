/** Ends a program on SIGINT and SIGTERM: the first signal asks it to end, a second one ends it at once. */
import { messageOf } from "../base/errors.ts";
import { EXIT_CODES, type ExitReason } from "./exit-codes.ts";

/**
 * Calls `end` at the first signal and exits when it resolves, with the code of what it resolves with, or with that of a
 * failure and a word on standard error when it rejects.
 */
export function endOnSignal(end: () => Promise<ExitReason | void>): void {
  let isEnding = false;
  const exit = (reason: ExitReason): never => process.exit(EXIT_CODES[reason].code);
  const onSignal = (): void => {
    if (isEnding) exit("forced");
    isEnding = true;
    end().then(
      (reason) => exit(reason ?? "done"),
      (error: unknown) => {
        process.stderr.write(`the program did not end cleanly: ${messageOf(error)}\n`);
        exit("failed");
      },
    );
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
}
