/**
 * How long a picker takes from the start of its process until its health says SERVING, with simulated model servers
 * that answer. Run: `npm run bench:start -- [endpoints] [runs]`. The floor, in the same run, is a Node process that
 * does nothing.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { systemClock } from "../src/base/clock.ts";
import { checkHealth } from "../test/support/health-client.ts";
import { saveRecord, surroundings } from "./harness.ts";

const ENDPOINTS = 100;
const RUNS = 10;
const PICKER = ["dist/src/main.js", "--host=127.0.0.1", "--grpc-port=0", "--grpc-health-port=0", "--metrics-port=0"];

interface CaseRecord {
  readonly label: string;
  readonly runs: number;
  readonly minMs: number;
  readonly p50Ms: number;
  readonly maxMs: number;
}

async function main(): Promise<void> {
  const [endpoints, runs] = [Number(process.argv[2] ?? ENDPOINTS), Number(process.argv[3] ?? RUNS)];
  const folder = mkdtempSync(path.join(tmpdir(), "magpie-start-"));
  const file = path.join(folder, "endpoints.yaml");
  const simulator = spawn(process.execPath, ["dist/src/simulator/main.js", "--count", `${endpoints}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const ports = await portsOf(simulator, endpoints);
    const rows = ports.map((port, index) => ({ name: `server-${index}`, address: "127.0.0.1", port }));
    writeFileSync(file, JSON.stringify({ endpoints: rows }));
    const times: { readonly picker: number[]; readonly floor: number[] } = { picker: [], floor: [] };
    for (let run = 0; run < runs; run++) {
      times.floor.push(await timeFloor());
      times.picker.push(await timePicker(file));
    }
    const cases = [
      summary(`start to SERVING, ${endpoints} endpoints, TLS with a certificate of its own`, times.picker),
      summary("a Node process that does nothing", times.floor),
    ];
    console.table(cases);
    const record = { name: "start-up", ...surroundings(), cases };
    console.log(`${saveRecord(record)} written`);
  } finally {
    simulator.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The servers' ports, from the lines that the simulator prints. */
async function portsOf(simulator: ChildProcess, count: number): Promise<number[]> {
  const ports: number[] = [];
  if (simulator.stdout === null) throw new Error("the simulator has no output");
  for await (const line of createInterface(simulator.stdout)) {
    ports.push(Number(/:(\d+) /.exec(line)?.[1]));
    if (ports.length === count) return ports;
  }
  throw new Error(`the simulator ended after ${ports.length} of ${count} servers`);
}

async function timeFloor(): Promise<number> {
  const startMs = systemClock.nowMs();
  await once(spawn(process.execPath, ["-e", ""]), "exit");
  return systemClock.nowMs() - startMs;
}

async function timePicker(file: string): Promise<number> {
  const startMs = systemClock.nowMs();
  const picker = spawn(process.execPath, [...PICKER, `--endpoints-file=${file}`], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  try {
    const { healthPort } = await servingLine(picker);
    if ((await checkHealth(healthPort)) !== "SERVING")
      throw new Error("the picker says that it serves, its health not");
    return systemClock.nowMs() - startMs;
  } finally {
    picker.kill("SIGKILL");
    await once(picker, "exit");
  }
}

/** The log line that says on which ports the picker serves. */
async function servingLine(picker: ChildProcess): Promise<{ readonly healthPort: number }> {
  if (picker.stderr === null) throw new Error("the picker has no log");
  for await (const line of createInterface(picker.stderr)) {
    const entry = JSON.parse(line) as { readonly msg: string; readonly healthPort: number };
    if (entry.msg === "serving") return entry;
  }
  throw new Error("the picker ended before it served");
}

function summary(label: string, times: readonly number[]): CaseRecord {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (fraction: number): number => Math.round(sorted[Math.floor((sorted.length - 1) * fraction)] ?? 0);
  return { label, runs: sorted.length, minMs: at(0), p50Ms: at(0.5), maxMs: at(1) };
}

await main();
