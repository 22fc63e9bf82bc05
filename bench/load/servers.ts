/**
 * The servers that are compared, each a process of its own: the bare gRPC server, and our picker with one shard over
 * simulated model servers. Where `taskset` is at hand the servers share one core and the generator has the others.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../src/base/clock.ts";
import { type Program, startProgram } from "../../src/start/program.ts";

export interface ServerUnderTest {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
  readonly isTls: boolean;
  end(): Promise<void>;
}

export interface PickerUnderTest extends ServerUnderTest {
  readonly metricsPort: number;
  /** Model servers that run. All of them are in the file at first. */
  readonly endpoints: readonly EndpointRow[];
  /** Puts these endpoints into the picker's file. */
  replaceEndpoints(endpoints: readonly EndpointRow[]): void;
}

/** A row of an endpoints file. */
export interface EndpointRow {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

const running = new Set<Program>();

// They have process groups of their own: a bench that ends by an error nobody caught would leave them behind.
process.once("exit", () => {
  for (const { pid } of running) {
    try {
      if (pid > 0) process.kill(pid, "SIGKILL");
    } catch {
      // It is gone already.
    }
  }
});

/** Ends every process that was started here and still runs: for signals, which reach this process only. */
export async function endServers(): Promise<void> {
  await Promise.all([...running].map((program) => program.end()));
}

/** Cores by use; undefined where nothing can be pinned. */
export interface Pinning {
  readonly server: string;
  readonly generator: string;
}

/** Pins this process, and tells where servers go. */
export function pinGenerator(): Pinning | undefined {
  const cores = availableParallelism();
  if (cores < 2) return undefined;
  const pinning = { server: String(cores - 1), generator: `0-${cores - 2}` };
  try {
    execFileSync("taskset", ["-a", "-c", "-p", pinning.generator, String(process.pid)], { stdio: "ignore" });
    return pinning;
  } catch {
    return undefined;
  }
}

export interface ServerOptions {
  readonly pinning: Pinning | undefined;
  /** For instance `--cpu-prof`. */
  readonly nodeArguments?: readonly string[];
}

export interface BareOptions extends ServerOptions {
  readonly name?: string;
  readonly args?: readonly string[];
}

/** Resolves when it listens. */
export async function startBareProcess(options: BareOptions): Promise<ServerUnderTest> {
  const { pinning, nodeArguments, name = "bare server", args = [] } = options;
  const script = fileURLToPath(new URL("./bare-server-main.js", import.meta.url));
  const { program, line } = await startNode(name, [script, ...args], {
    cores: pinning?.server,
    nodeArguments,
    isReady: (text) => text.includes('"port"'),
  });
  const { port } = JSON.parse(line) as { readonly port: number };
  return { name, port, pid: program.pid, isTls: false, end: () => program.end() };
}

export interface PickerOptions extends ServerOptions {
  readonly endpointCount: number;
  readonly shardCount: number;
  readonly name?: string;
  /** With a certificate that the picker makes itself. */
  readonly isTls?: boolean;
  /** Further flags; they win over those that every bench sets. */
  readonly args?: readonly string[];
}

/** Our picker as it comes: prefix, queue and KV cache scorers. It scrapes once: that is not to be in the figures. */
export async function startPickerProcess(options: PickerOptions): Promise<PickerUnderTest> {
  const { pinning, nodeArguments, endpointCount, shardCount, name = "picker", isTls = false } = options;
  const simulators = await startSimulators(endpointCount, pinning);
  const folder = mkdtempSync(path.join(tmpdir(), "magpie-bench-"));
  const file = path.join(folder, "endpoints.json");
  const replaceEndpoints = (endpoints: readonly EndpointRow[]): void => {
    writeFileSync(file, JSON.stringify({ endpoints }));
  };
  replaceEndpoints(simulators.endpoints);
  const end = async (program?: Program): Promise<void> => {
    await program?.end();
    await simulators.program.end();
    rmSync(folder, { recursive: true, force: true });
  };
  const args = [
    ...["--endpoints-file", file, "--host", "127.0.0.1", "--shards", String(shardCount)],
    ...["--grpc-port", "0", "--grpc-health-port", "0", "--metrics-port", "0"],
    ...["--refresh-metrics-interval", NEVER, "--metrics-staleness-threshold", NEVER, "--scrape-backoff=false"],
    ...[`--secure-serving=${isTls}`, "--tracing=false", ...(options.args ?? [])],
  ];
  try {
    const { program, line } = await startNode(name, [sourceProgram("main.js"), ...args], {
      cores: pinning?.server,
      nodeArguments,
      isReady: (text) => text.includes('"msg":"serving"'),
    });
    const { grpcPort: port, metricsPort } = JSON.parse(line) as Readonly<Record<"grpcPort" | "metricsPort", number>>;
    const { endpoints } = simulators;
    return { name, port, metricsPort, pid: program.pid, isTls, endpoints, replaceEndpoints, end: () => end(program) };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Longer than any bench. */
const NEVER = "20h";

interface Simulators {
  readonly program: Program;
  readonly endpoints: readonly EndpointRow[];
}

async function startSimulators(count: number, pinning: Pinning | undefined): Promise<Simulators> {
  const lines: string[] = [];
  const { program } = await startNode("simulators", [sourceProgram("simulator/main.js"), "--count", String(count)], {
    cores: pinning?.generator,
    nodeArguments: undefined,
    isReady: (text) => lines.push(text) === count,
  });
  const endpoints = lines.map((line) => {
    const [, name = "", address = "", port] = /^(\S+) http:\/\/([\d.]+):(\d+) /.exec(line) ?? [];
    return { name, address, port: Number(port) };
  });
  return { program, endpoints };
}

/** A program of `src`, built: compiled benches lie beside it. */
function sourceProgram(file: string): string {
  return fileURLToPath(new URL(`../../src/${file}`, import.meta.url));
}

interface NodeProgramOptions {
  readonly cores: string | undefined;
  readonly nodeArguments: readonly string[] | undefined;
  /** Whether this line, of either output, says that the program is ready. */
  readonly isReady: (line: string) => boolean;
}

/** Resolves with the line that says that it is ready; rejects with its last words when it ends before, or too late. */
async function startNode(
  name: string,
  args: readonly string[],
  { cores, nodeArguments = [], isReady }: NodeProgramOptions,
): Promise<{ readonly program: Program; readonly line: string }> {
  const words: string[] = [];
  const node = [process.execPath, ...nodeArguments, ...args];
  const [command = "", ...rest] = cores === undefined ? node : ["taskset", "-c", cores, ...node];
  return await new Promise((resolve, reject) => {
    const take = (line: string): void => {
      words.push(line);
      if (words.length > LAST_WORDS_MAX) words.shift();
      if (!isReady(line)) return;
      timer.cancel();
      resolve({ program, line });
    };
    const program = startProgram({
      name,
      command,
      args: rest,
      onOutputLine: take,
      onErrorLine: take,
    });
    running.add(program);
    const timer = systemClock.setTimeout(() => void program.end(), START_MS_MAX);
    void program.ended.then((sentence) => {
      running.delete(program);
      timer.cancel();
      reject(new Error(`${sentence}\n${words.join("\n")}`));
    });
  });
}

const LAST_WORDS_MAX = 20;
/** A program that is not ready by then is ended, which is reported with its last words. */
const START_MS_MAX = 30_000;
