/**
 * `npm start`: four simulated model servers, the picker and a proxy in front of it, each a process of its own, so that
 * what is seen here is what a cluster does. Prints the addresses, a request to paste, and one line per decision.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "../base/clock.ts";
import { ConfigError, messageOf } from "../base/errors.ts";
import { EXIT_CODES } from "../platform/exit-codes.ts";
import { choiceFlag, integerFlag, portFlag } from "../platform/flag-kinds.ts";
import { formatHelp, parseFlags } from "../platform/flags.ts";
import { endOnSignal } from "../platform/signals.ts";
import { envoyConfig } from "./envoy-config.ts";
import { type Program, startProgram } from "./program.ts";

const HOST = "127.0.0.1";
const MODEL = "simulated-8b";
const CONNECT_PAUSE_MS = 50;

const FLAGS = {
  proxy: choiceFlag("proxy", "Which proxy stands in front of the picker; envoy is $ENVOY_BIN or envoy on the PATH.", [
    "dev",
    "envoy",
  ]),
  port: portFlag("port", "Port of the proxy.", 8080),
  servers: integerFlag({
    name: "servers",
    valueName: "count",
    help: "Simulated model servers.",
    byDefault: 4,
    min: 1,
    max: 64,
  }),
  serverPort: portFlag("server-port", "Port of the first model server, the others follow.", 18_000),
  grpcPort: portFlag("grpc-port", "Port of the picker's ext_proc.", 9002),
  healthPort: portFlag("grpc-health-port", "Port of the picker's gRPC health.", 9003),
  metricsPort: portFlag("metrics-port", "Port of the picker's metrics.", 9090),
};

type StartFlags = NonNullable<ReturnType<typeof parseFlags<typeof FLAGS>>>;

/** Everything that runs, in the order in which it was started. */
const programs: Program[] = [];
const folder = mkdtempSync(path.join(tmpdir(), "magpie-"));

async function main(args: readonly string[]): Promise<void> {
  const flags = parseFlags(FLAGS, args);
  if (flags === undefined) {
    const about = "Runs simulated model servers, the picker and a proxy on this machine, and prints every decision.";
    process.stdout.write(
      formatHelp({ usage: "npm start -- [flags]", about, groups: [{ title: "Flags", flags: FLAGS }] }),
    );
    return;
  }
  endOnSignal(endAll);
  await checkPorts(flags);
  const servers = await startServers(flags);
  await startPicker(flags);
  await startProxy(flags);
  print(introduction(flags, servers));
}

async function checkPorts({ port, servers, serverPort, grpcPort, healthPort, metricsPort }: StartFlags): Promise<void> {
  const wanted: (readonly [flag: string, port: number])[] = [
    ["port", port],
    ["grpc-port", grpcPort],
    ["grpc-health-port", healthPort],
    ["metrics-port", metricsPort],
  ];
  for (let index = 0; index < servers; index++) wanted.push(["server-port", serverPort + index]);
  for (const [flag, candidate] of wanted) {
    if (await isTaken(candidate)) {
      throw new ConfigError(
        `port ${candidate} on ${HOST} is taken by another program; choose another one with --${flag}`,
      );
    }
  }
}

async function startServers({ servers, serverPort }: StartFlags): Promise<Program[]> {
  const started: Program[] = [];
  for (let index = 0; index < servers; index++) {
    const port = String(serverPort + index);
    const program = await startNode(
      `sim-${index}`,
      "simulator/main.js",
      ["--name", `sim-${index}`, "--host", HOST, "--port", port, "--model", MODEL],
      () => undefined,
    );
    void program.ended.then((sentence) =>
      print(`${sentence}; the picker leaves it out while another one is reachable`),
    );
    started.push(program);
  }
  return started;
}

async function startPicker(flags: StartFlags): Promise<void> {
  const { proxy, servers, serverPort, grpcPort, healthPort, metricsPort } = flags;
  const endpoints = Array.from({ length: servers }, (_, index) => ({
    name: `sim-${index}`,
    address: HOST,
    port: serverPort + index,
  }));
  const endpointsFile = path.join(folder, "endpoints.yaml");
  writeFileSync(endpointsFile, JSON.stringify({ endpoints }, undefined, 2));
  const ports = ["--grpc-port", grpcPort, "--grpc-health-port", healthPort, "--metrics-port", metricsPort].map(String);
  // The development proxy speaks plaintext. Nobody here asks for health: nothing waits for a notice of the end.
  const local = [`--secure-serving=${proxy === "envoy"}`, "--drain-notice=0s"];
  const args = ["--endpoints-file", endpointsFile, "--host", HOST, "--log-decisions", ...local, ...ports];
  mustRun(await startNode("picker", "main.js", args, print));
}

async function startProxy(flags: StartFlags): Promise<void> {
  if (flags.proxy === "dev") {
    const args = ["--listen", `${HOST}:${flags.port}`, "--picker", `${HOST}:${flags.grpcPort}`];
    mustRun(await startNode("proxy", "devproxy/main.js", args, () => undefined));
    return;
  }
  const configFile = path.join(folder, "envoy.json");
  const picker = { host: HOST, port: flags.grpcPort };
  const config = envoyConfig({ host: HOST, port: flags.port, adminPort: 0, picker, isPickerSecure: true });
  writeFileSync(configFile, JSON.stringify(config));
  const command = process.env["ENVOY_BIN"] ?? "envoy";
  const args = ["-c", configFile, "--concurrency", "1", "--use-dynamic-base-id", "-l", "warning"];
  const envoy = startProgram({ name: "envoy", command, args, onOutputLine: print, onErrorLine: print });
  programs.push(envoy);
  const failed = envoy.ended.then((sentence): never => {
    throw new ConfigError(`${sentence}; set ENVOY_BIN to an Envoy binary, or use --proxy dev`);
  });
  await Promise.race([untilListening(flags.port), failed]);
  mustRun(envoy);
}

/** Starts one of our own programs; resolves with its first line of output, which says that it is ready. */
function startNode(
  name: string,
  file: string,
  args: readonly string[],
  onOutputLine: (line: string) => void,
): Promise<Program> {
  const entry = fileURLToPath(new URL(`../${file}`, import.meta.url));
  return new Promise((resolve, reject) => {
    const errors: string[] = [];
    const program = startProgram({
      name,
      command: process.execPath,
      args: [entry, ...args],
      onOutputLine(line) {
        resolve(program);
        onOutputLine(line);
      },
      onErrorLine(line) {
        const { text, isReady } = readLogLine(line);
        if (isReady) resolve(program);
        if (text === undefined) return;
        errors.push(text);
        print(`${name}: ${text}`);
      },
    });
    programs.push(program);
    void program.ended.then((sentence) => reject(new ConfigError([sentence, ...errors].join(": "))));
  });
}

/** A line of a program's log, for people: the message of warnings and errors; other lines as they are. */
function readLogLine(line: string): { text: string | undefined; isReady: boolean } {
  if (!line.startsWith("{")) return { text: line, isReady: false };
  const { level, msg, ts, ...details } = JSON.parse(line) as { level: string; msg: string; ts: string };
  const isReady = msg === "serving";
  const isWorthShowing = ["warn", "error", "panic"].includes(level) || msg.includes("reachable");
  return { text: isWorthShowing ? `${msg} ${JSON.stringify(details)}` : undefined, isReady };
}

/** Ends everything when a program ends that the rest cannot do without. */
function mustRun(program: Program): void {
  void program.ended.then((sentence) => {
    if (isEnding) return;
    print(`${sentence}; ending the rest`);
    void endAll().then(() => process.exit(1));
  });
}

let isEnding = false;

async function endAll(): Promise<void> {
  isEnding = true;
  for (const program of programs.splice(0).reverse()) await program.end();
  rmSync(folder, { recursive: true, force: true });
}

function introduction(flags: StartFlags, servers: readonly Program[]): string {
  const url = `http://${HOST}:${flags.port}`;
  const prompt = "You are a helpful assistant that answers questions about birds. ".repeat(40);
  const body = JSON.stringify({
    model: MODEL,
    messages: [
      { role: "system", content: prompt },
      { role: "user", content: "Which bird likes shiny things?" },
    ],
    max_tokens: 24,
  });
  const lines = [
    "",
    ...servers.map(({ name, pid }, index) => {
      const address = `http://${HOST}:${flags.serverPort + index}`;
      return `model server  ${name}  ${address}  (pid ${pid}; kill it to see it left out)`;
    }),
    `picker        ext_proc ${HOST}:${flags.grpcPort}, gRPC health ${HOST}:${flags.healthPort}`,
    `metrics       http://${HOST}:${flags.metricsPort}/metrics`,
    `proxy         ${url} (${flags.proxy === "dev" ? "development proxy" : "Envoy"})`,
    "",
    "Paste this twice; the second time the server that holds the prompt's prefix is picked:",
    "",
    `curl -s ${url}/v1/chat/completions -H 'content-type: application/json' -d '${body}'`,
    "",
    "One line per decision follows. Ctrl-C ends everything.",
  ];
  return lines.join("\n");
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function isTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(true));
    server.listen(port, HOST, () => server.close(() => resolve(false)));
  });
}

/** Envoy has no line that says it listens; somebody has to try. */
async function untilListening(port: number): Promise<void> {
  while (!(await canConnect(port)))
    await new Promise<void>((resolve) => systemClock.setTimeout(resolve, CONNECT_PAUSE_MS));
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: HOST, port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

main(process.argv.slice(2)).catch(async (error: unknown) => {
  await endAll();
  process.stderr.write(`start: ${messageOf(error)}\n`);
  process.exit(EXIT_CODES.usage.code);
});
