/**
 * The development proxy as a program: `node dist/src/devproxy/main.js --listen 8080 --picker 9002`. Prints a line for
 * each exchange, and ends with SIGINT or SIGTERM.
 */
import { runDevproxy } from "./run-devproxy.ts";

const stopped = new Promise((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, resolve);
});

process.exitCode = await runDevproxy({
  args: process.argv.slice(2),
  print: (line) => process.stdout.write(`${line}\n`),
  printError: (line) => process.stderr.write(`${line}\n`),
  stopped,
});
