/**
 * Our programs as processes: their output line by line, their end, and signals. Every process that a test starts is
 * ended by `endPrograms`, after each test.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { until } from "./until.ts";

export interface TestProgram {
  readonly pid: number;
  /** Lines of standard output and standard error in the order in which they came. */
  readonly lines: readonly string[];
  readonly output: readonly string[];
  readonly errors: readonly string[];
  signal(name: NodeJS.Signals): void;
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** The first line that contains the text, once there is one; rejects when the program ends without it. */
  line(text: string, from?: number): Promise<string>;
}

const running: ChildProcess[] = [];

/** Runs a built program, named by its file under `dist/src`. */
export function runProgram(file: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}): TestProgram {
  const entry = fileURLToPath(new URL(`../../dist/src/${file}`, import.meta.url));
  const child = spawn(process.execPath, [entry, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  running.push(child);
  const lines: string[] = [];
  const output: string[] = [];
  const errors: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    output.push(line);
  });
  createInterface({ input: child.stderr }).on("line", (line) => {
    lines.push(line);
    errors.push(line);
  });
  let isOver = false;
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    // "close" comes when the output has been read to its end.
    child.once("close", (code, signal) => {
      isOver = true;
      resolve(code ?? signal ?? "SIGKILL");
    });
  });
  return {
    pid: child.pid ?? 0,
    lines,
    output,
    errors,
    signal: (name) => void child.kill(name),
    ended,
    async line(text, from = 0) {
      return await until(`a line with "${text}" from ${file}`, () => {
        const found = lines.slice(from).find((line) => line.includes(text));
        if (found === undefined && isOver)
          throw new Error(`${file} ended without a line "${text}":\n${lines.join("\n")}`);
        return found;
      });
    },
  };
}

/** Ends what is still running. */
export async function endPrograms(): Promise<void> {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exited = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await exited;
  }
}

/** Whether a process with this id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
