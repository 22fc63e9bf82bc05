/**
 * Looks at a picker from inside, without a line in the picker: loaded by `node --import` into each of its threads, it
 * appends a line per tenth of a second to a file of its own thread: what the thread's heap holds, and the longest turn
 * of its event loop. `readInsideWatch` reads the lines; which thread is a shard shows in that it listens.
 */
import { appendFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { isMainThread, threadId } from "node:worker_threads";
import { systemClock } from "../../src/base/clock.ts";
import { threadCpuClock } from "./thread-cpu-clock.ts";

export interface InsideLine {
  readonly role: "control" | "shard" | "other";
  readonly wallMs: number;
  readonly heapBytes: number;
  /** Buffers and memory shared with other threads. */
  readonly externalBytes: number;
  /** Longest turn of the event loop since the line before, without the time in which it waited. */
  readonly turnMsMax: number;
  /** Most CPU time that the thread itself spent in a turn: what others on its core took is not in it. */
  readonly workMsMax: number;
}

const PERIOD_MS = 100;
/** The arguments of Node that load this file into a program, whose threads then write into the folder. */
export function insideWatchArguments(folder: string): string[] {
  const url = new URL(import.meta.url);
  url.searchParams.set("folder", folder);
  return ["--import", url.href, "--disable-warning=ExperimentalWarning"];
}

/** What the threads have written so far, thread by thread, oldest line first. */
export function readInsideWatch(folder: string): InsideLine[] {
  return readdirSync(folder).flatMap((file) => {
    const lines = readFileSync(path.join(folder, file), "utf8").split("\n");
    // Behind the last line end stands nothing, or a line that is being written.
    return lines.slice(0, -1).map((line) => JSON.parse(line) as InsideLine);
  });
}

function watchThread(folder: string): void {
  const file = path.join(folder, `${threadId}.jsonl`);
  const loop = watchLoop();
  const timer = systemClock.setInterval(() => {
    if (!existsSync(folder)) {
      loop.end();
      return timer.cancel();
    }
    const { heapUsed, external } = process.memoryUsage();
    const line: InsideLine = {
      role: isMainThread ? "control" : roleOfThread(),
      wallMs: systemClock.wallMs(),
      heapBytes: heapUsed,
      externalBytes: external,
      ...loop.take(),
    };
    appendFileSync(file, `${JSON.stringify(line)}\n`);
  }, PERIOD_MS);
}

interface LoopWatch {
  /** The longest since the call before. */
  take(): Pick<InsideLine, "turnMsMax" | "workMsMax">;
  end(): void;
}

/** Looks once per turn of the loop, and at no other time: an immediate that is not waited for runs when others do. */
function watchLoop(): LoopWatch {
  const cpuMs = threadCpuClock();
  const activeMs = (): number => performance.eventLoopUtilization().active;
  let [seenMs, seenCpuMs] = [activeMs(), cpuMs()];
  let longest = { turnMsMax: 0, workMsMax: 0 };
  let isOver = false;
  const look = (): void => {
    if (isOver) return;
    const [nowMs, nowCpuMs] = [activeMs(), cpuMs()];
    longest.turnMsMax = Math.max(longest.turnMsMax, nowMs - seenMs);
    longest.workMsMax = Math.max(longest.workMsMax, nowCpuMs - seenCpuMs);
    [seenMs, seenCpuMs] = [nowMs, nowCpuMs];
    setImmediate(look).unref();
  };
  look();
  return {
    take() {
      const taken = longest;
      longest = { turnMsMax: 0, workMsMax: 0 };
      return taken;
    },
    end() {
      isOver = true;
    },
  };
}

function roleOfThread(): InsideLine["role"] {
  return process.getActiveResourcesInfo().some((name) => name.startsWith("TCPServer")) ? "shard" : "other";
}

const folder = new URL(import.meta.url).searchParams.get("folder");
if (folder !== null) watchThread(folder);
