import { afterEach, describe, expect, it } from "vitest";
import { freePortRun, freePorts, occupyPort } from "../support/free-ports.ts";
import { getHttp, postChat } from "../support/http-client.ts";
import { endPrograms, isAlive, runProgram, type TestProgram } from "../support/programs.ts";
import { until } from "../support/until.ts";

afterEach(endPrograms);

const SERVER_COUNT = 2;
const LONG_PROMPT = "You know everything about birds. ".repeat(60);

interface Ports {
  readonly port: number;
  readonly server: number;
  readonly grpc: number;
  readonly health: number;
  readonly metrics: number;
}

async function choosePorts(): Promise<Ports> {
  const server = await freePortRun(SERVER_COUNT);
  const [port, grpc, health, metrics] = (await freePorts(4)) as [number, number, number, number];
  return { port, server, grpc, health, metrics };
}

function start(ports: Ports): TestProgram {
  return runProgram("start/main.js", [
    ...["--port", String(ports.port), "--servers", String(SERVER_COUNT), "--server-port", String(ports.server)],
    ...["--grpc-port", String(ports.grpc), "--grpc-health-port", String(ports.health)],
    ...["--metrics-port", String(ports.metrics)],
  ]);
}

/** The process ids of the model servers, which the introduction tells. */
function serverPids({ output }: TestProgram): number[] {
  return output.flatMap((line) => {
    const match = /^model server .*\(pid (\d+);/.exec(line);
    return match === null ? [] : [Number(match[1])];
  });
}

describe("npm start", () => {
  it("introduces itself, explains decisions, reports a killed server, and ends all it started", async () => {
    const ports = await choosePorts();
    const program = start(ports);
    await program.line("One line per decision follows");
    const introduction = program.output.join("\n");
    expect(introduction).toContain(`curl -s http://127.0.0.1:${ports.port}/v1/chat/completions`);
    expect(introduction).toContain(`ext_proc 127.0.0.1:${ports.grpc}`);
    expect((await getHttp(ports.metrics, "/metrics")).status).toBe(200);
    const pids = serverPids(program);
    expect(pids).toHaveLength(SERVER_COUNT);

    const first = await postChat(ports.port, LONG_PROMPT, { max_tokens: 4 });
    await program.line("is new to it");
    const second = await postChat(ports.port, LONG_PROMPT, { max_tokens: 4 });
    expect([first.status, second.status]).toEqual([200, 200]);
    const name = String(first.headers["x-simulator"]);
    expect(second.headers["x-simulator"]).toBe(name);
    expect(await program.line("| holds ")).toContain(`${name} 127.0.0.1:`);

    const killed = Number(name.slice("sim-".length));
    process.kill(pids[killed] ?? 0, "SIGKILL");
    await program.line(`${name} ended (SIGKILL)`);
    await program.line("endpoint cannot be scraped and is left out");
    const third = await postChat(ports.port, LONG_PROMPT, { max_tokens: 4 });
    expect([third.status, third.headers["x-simulator"]]).toEqual([200, `sim-${1 - killed}`]);

    program.signal("SIGINT");
    expect(await program.ended).toBe(0);
    expect(pids.map((pid) => isAlive(pid))).toEqual(pids.map(() => false));
    // Whoever still ran would hold its port.
    const all = [ports.port, ports.grpc, ports.health, ports.metrics, ports.server, ports.server + 1];
    for (const port of all) await (await occupyPort(port)).release();
  });

  it("that finds a port taken says which one and which flag, and leaves nothing behind", async () => {
    const ports = await choosePorts();
    const taken = await occupyPort(ports.grpc);
    const program = start(ports);
    expect(await program.ended).toBe(2);
    expect(program.errors).toEqual([
      `start: port ${ports.grpc} on 127.0.0.1 is taken by another program; choose another one with --grpc-port`,
    ]);
    await taken.release();
  });

  it("that is told to end while it starts ends all it has started", async () => {
    const ports = await choosePorts();
    const program = start(ports);
    await until("the first server listens", async () => {
      return (await getHttp(ports.server, "/health").catch(() => undefined))?.status === 200;
    });
    program.signal("SIGTERM");
    await program.ended;
    for (const port of [ports.port, ports.grpc, ports.health, ports.metrics, ports.server, ports.server + 1]) {
      const occupied = await occupyPort(port);
      expect(occupied.port).toBe(port);
      await occupied.release();
    }
  });
});
