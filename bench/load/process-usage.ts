/** What a process has used, from Linux' /proc: CPU time of all its threads, and memory. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

export interface ProcessUsage {
  /** User and system time, in steps of a clock tick (10 ms). */
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
  /** The most that it ever had. */
  readonly memoryBytesMax: number;
}

/** Throws when there is no such process, or no /proc. */
export function readProcessUsage(pid: number): ProcessUsage {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return {
    cpuSeconds: parseCpuTicks(readFileSync(`/proc/${pid}/stat`, "latin1")) / ticksPerSecond(),
    memoryBytes: parseSize(status, "VmRSS"),
    memoryBytesMax: parseSize(status, "VmHWM"),
  };
}

/** utime and stime. The fields before them contain the program's name, which may contain anything but stands in (). */
export function parseCpuTicks(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[UTIME]) + Number(fields[UTIME + 1]);
}

/** Field 14 of proc(5); the first field behind the name is the third. */
const UTIME: number = 14 - 3;

export function parseSize(status: string, name: string): number {
  const kilobytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
  if (kilobytes === undefined) throw new Error(`/proc says no ${name}`);
  return Number(kilobytes) * 1024;
}

let knownTicksPerSecond = 0;

function ticksPerSecond(): number {
  knownTicksPerSecond ||= Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
  return knownTicksPerSecond;
}
