/** A child program of `npm start`: its output line by line, its end, and how to end it. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { systemClock } from "../base/clock.ts";

/** How long a program may take to end when asked to; then it is killed. */
const END_MS_MAX = 3_000;

export interface Program {
  readonly name: string;
  readonly pid: number;
  /** Resolves with a sentence when the program has ended, for whatever reason. */
  readonly ended: Promise<string>;
  /** Asks it to end, then kills it; resolves when it is gone. */
  end(): Promise<void>;
}

export interface ProgramOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly onOutputLine: (line: string) => void;
  readonly onErrorLine: (line: string) => void;
}

export function startProgram({ name, command, args, onOutputLine, onErrorLine }: ProgramOptions): Program {
  // Its own process group: Ctrl-C reaches it through `end` only, so that the order of ending is ours.
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], detached: true });
  createInterface({ input: child.stdout }).on("line", onOutputLine);
  createInterface({ input: child.stderr }).on("line", onErrorLine);
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`${name} could not be started: ${error.message}`));
    // Not at "exit": its last words may not have been read then.
    child.once("close", (code, signal) => resolve(`${name} ended (${signal ?? `exit code ${code}`})`));
  });
  return { name, pid: child.pid ?? 0, ended, end: () => endChild(child, ended) };
}

async function endChild(child: ChildProcess, ended: Promise<string>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  child.kill("SIGTERM");
  const timer = systemClock.setTimeout(() => child.kill("SIGKILL"), END_MS_MAX);
  await ended;
  timer.cancel();
}
