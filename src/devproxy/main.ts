/**
 * The development proxy as a program: `node dist/src/devproxy/main.js --listen 8080 --picker 9002`. Prints a line for each
 * exchange, and ends with SIGINT or SIGTERM.
 */
import { parseArgs } from "node:util";
import { startDevproxy } from "./devproxy.ts";
import type { ExchangeRecord } from "./exchange.ts";
import type { HostPort } from "./http-headers.ts";

const HELP = `Usage: devproxy [options]

An HTTP proxy for development that asks an endpoint picker where each request goes, as Envoy does.

  --listen <[host:]port>    where clients connect                          (default 127.0.0.1:8080)
  --picker <[host:]port>    the picker's ext_proc port, without TLS        (default 127.0.0.1:9002)
  --fallback <host:port>    a model server for requests without a pick     (default: they get 503)
  --failure-mode-allow      go on without a picker that fails
  --quiet                   no line for each exchange
  --help                    this text
`;

const LOOPBACK = "127.0.0.1";

interface Arguments {
  readonly listen: HostPort;
  readonly picker: HostPort;
  readonly fallback: HostPort | undefined;
  readonly failureModeAllow: boolean;
  readonly isQuiet: boolean;
}

/** Reads the command line; undefined when it asks for help. Throws an Error whose message says what is wrong. */
export function parseArguments(args: readonly string[]): Arguments | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      listen: { type: "string", default: `${LOOPBACK}:8080` },
      picker: { type: "string", default: `${LOOPBACK}:9002` },
      fallback: { type: "string" },
      "failure-mode-allow": { type: "boolean", default: false },
      quiet: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  return {
    listen: parseHostPort("--listen", values.listen, 0),
    picker: parseHostPort("--picker", values.picker, 1),
    fallback: values.fallback === undefined ? undefined : parseHostPort("--fallback", values.fallback, 1),
    failureModeAllow: values["failure-mode-allow"],
    isQuiet: values.quiet,
  };
}

/** `host:port`, `[v6]:port` or a port alone, which is one of this machine. */
function parseHostPort(flag: string, text: string, portMin: 0 | 1): HostPort {
  const match = /^(?:(?:\[([^\]]+)\]|([^:[\]]+)):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port < portMin || port > 65_535) {
    throw new Error(`${flag}: "${text}" is not [host:]port with a port in ${portMin} … 65535`);
  }
  return { host: match[1] ?? match[2] ?? LOOPBACK, port };
}

/** One line: what came, where it went, what came of it. */
export function describeExchange(record: ExchangeRecord): string {
  const pick = record.pickMs === undefined ? "" : ` (picked in ${record.pickMs.toFixed(1)} ms)`;
  const detail = record.detail === undefined ? "" : `: ${record.detail}`;
  return (
    `${record.method} ${record.path} -> ${record.destination ?? "nowhere"}${pick} ` +
    `${record.status ?? "no status"} ${record.outcome} in ${record.totalMs.toFixed(1)} ms${detail}`
  );
}

/** Runs until a signal. Returns the exit code. */
async function main(): Promise<number> {
  let parsed: Arguments | undefined;
  try {
    parsed = parseArguments(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`devproxy: ${(error as Error).message}\nTry --help.\n`);
    return 2;
  }
  if (parsed === undefined) {
    process.stdout.write(HELP);
    return 0;
  }
  const { listen, picker, fallback, failureModeAllow, isQuiet } = parsed;
  try {
    const proxy = await startDevproxy({
      ...listen,
      picker,
      failureModeAllow,
      ...(fallback && { fallback }),
      ...(!isQuiet && { onExchange: (record) => process.stdout.write(`${describeExchange(record)}\n`) }),
    });
    process.stdout.write(`devproxy: listening on ${listen.host}:${proxy.port}, picker ${picker.host}:${picker.port}\n`);
    await signalled();
    await proxy.close();
    return 0;
  } catch (error) {
    process.stderr.write(`devproxy: ${explainListenError(error as NodeJS.ErrnoException, listen)}\n`);
    return 1;
  }
}

function explainListenError(error: NodeJS.ErrnoException, { host, port }: HostPort): string {
  if (error.code === "EADDRINUSE")
    return `port ${port} of ${host} is taken by another program; choose one with --listen`;
  if (error.code === "EACCES") return `port ${port} needs more rights than this user has; choose one with --listen`;
  return error.message;
}

function signalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
}

if (process.argv[1] !== undefined && import.meta.url === new URL(`file://${process.argv[1]}`).href) {
  process.exitCode = await main();
}
