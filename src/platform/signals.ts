/** Ends a program on SIGINT and SIGTERM: the first signal asks it to end, a second one ends it at once. */
import { messageOf } from "../base/errors.ts";

/** Exit code of a program that a second signal ended: 128 + SIGINT, as shells have it. */
const EXIT_CODE_FORCED = 130;

/**
 * Calls `end` at the first signal and exits with 0 when it resolves, with 1 and a word on standard error when it
 * rejects.
 */
export function endOnSignal(end: () => Promise<void>): void {
  let isEnding = false;
  const onSignal = (): void => {
    if (isEnding) process.exit(EXIT_CODE_FORCED);
    isEnding = true;
    end().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`the program did not end cleanly: ${messageOf(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
}
