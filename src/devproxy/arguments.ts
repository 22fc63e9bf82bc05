/** The command line of the development proxy. */
import { parseArgs } from "node:util";
import type { HostPort } from "./http-headers.ts";

export const HELP = `Usage: devproxy [options]

An HTTP proxy for development that asks an endpoint picker where each request goes, as Envoy does.

  --listen <[host:]port>    where clients connect                          (default 127.0.0.1:8080)
  --picker <[host:]port>    the picker's ext_proc port, without TLS        (default 127.0.0.1:9002)
  --fallback <host:port>    a model server for requests without a pick     (default: they get 503)
  --failure-mode-allow      go on without a picker that fails
  --quiet                   no line for each exchange
  --help                    this text
`;

const LOOPBACK = "127.0.0.1";

export interface Arguments {
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
