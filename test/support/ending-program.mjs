/**
 * A program for `signals.test.ts`: says when it can be signalled, and ends quickly, never, or badly, as its argument
 * says.
 */
import { endOnSignal } from "../../dist/src/platform/signals.js";

const [how] = process.argv.slice(2);

endOnSignal(async () => {
  process.stdout.write("ending\n");
  if (how === "badly") throw new Error("a port would not close");
  if (how === "never") await new Promise(() => undefined);
});

setInterval(() => undefined, 60_000);
process.stdout.write("ready\n");
