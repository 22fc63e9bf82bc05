/** The development proxy from its command line to its exit code, with what it says on the way. */
import { type Arguments, HELP, parseArguments } from "./arguments.ts";
import { startDevproxy } from "./devproxy.ts";
import type { ExchangeRecord } from "./exchange-record.ts";
import type { HostPort } from "./http-headers.ts";

/** What the program has of its process. */
export interface Surroundings {
  readonly args: readonly string[];
  readonly print: (line: string) => void;
  readonly printError: (line: string) => void;
  /** Resolves when the program is asked to end. */
  readonly stopped: Promise<unknown>;
}

/** Runs until `stopped`. 0: ended as asked, 1: cannot listen, 2: wrong arguments. */
export async function runDevproxy({ args, print, printError, stopped }: Surroundings): Promise<number> {
  let parsed: Arguments | undefined;
  try {
    parsed = parseArguments(args);
  } catch (error) {
    printError(`devproxy: ${(error as Error).message}\nTry --help.`);
    return 2;
  }
  if (parsed === undefined) {
    print(HELP);
    return 0;
  }
  const { listen, picker, fallback, failureModeAllow, isQuiet } = parsed;
  try {
    const proxy = await startDevproxy({
      ...listen,
      picker,
      failureModeAllow,
      ...(fallback && { fallback }),
      ...(!isQuiet && { onExchange: (record) => print(describeExchange(record)) }),
    });
    print(`devproxy: listening on ${listen.host}:${proxy.port}, picker ${picker.host}:${picker.port}`);
    await stopped;
    await proxy.close();
    return 0;
  } catch (error) {
    printError(`devproxy: ${explainListenError(error as NodeJS.ErrnoException, listen)}`);
    return 1;
  }
}

/** One line: what came, where it went, what came of it. */
function describeExchange(record: ExchangeRecord): string {
  const pick = record.pickMs === undefined ? "" : ` (picked in ${record.pickMs.toFixed(1)} ms)`;
  const detail = record.detail === undefined ? "" : `: ${record.detail}`;
  return (
    `${record.method} ${record.path} -> ${record.destination ?? "nowhere"}${pick} ` +
    `${record.status ?? "no status"} ${record.outcome} in ${record.totalMs.toFixed(1)} ms${detail}`
  );
}

function explainListenError(error: NodeJS.ErrnoException, { host, port }: HostPort): string {
  if (error.code === "EADDRINUSE")
    return `port ${port} of ${host} is taken by another program; choose one with --listen`;
  if (error.code === "EACCES") return `port ${port} needs more rights than this user has; choose one with --listen`;
  return error.message;
}
