/**
 * The generator checked by another one: h2load, which is written in C on nghttp2, sends the same bytes to the bare
 * server, and the server's CPU time per exchange is compared. h2load waits for nothing, so here the generator does not
 * either: all messages of an exchange leave at once.
 */
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import type { ExchangeScript } from "./exchange-script.ts";
import { readProcessUsage } from "./process-usage.ts";

export type H2loadResult =
  | { readonly kind: "measured"; readonly ratePerSecond: number; readonly cpuPerExchangeUs: number }
  | { readonly kind: "not installed" };

export interface H2loadOptions {
  readonly port: number;
  readonly pid: number;
  readonly script: ExchangeScript;
  readonly exchangeCount: number;
  readonly connectionCount: number;
  readonly concurrency: number;
}

const PROCESS_PATH = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";

/** Rejects when h2load fails or any of its requests does. */
export async function runH2load(options: H2loadOptions): Promise<H2loadResult> {
  if (!isInstalled()) return { kind: "not installed" };
  const folder = mkdtempSync(path.join(tmpdir(), "magpie-h2load-"));
  const file = path.join(folder, "exchange");
  writeFileSync(file, Buffer.concat(options.script.messages.map(({ bytes }) => bytes)));
  const { port, pid, exchangeCount, connectionCount, concurrency } = options;
  const streams = Math.max(1, Math.round(concurrency / connectionCount));
  const counts = ["-n", String(exchangeCount), "-c", String(connectionCount), "-m", String(streams)];
  const headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"];
  try {
    const before = readProcessUsage(pid);
    const { stdout } = await run("h2load", [
      ...counts,
      ...["-w", "24", "-W", "25", "-d", file],
      ...headers,
      `http://127.0.0.1:${port}${PROCESS_PATH}`,
    ]);
    const cpuSeconds = readProcessUsage(pid).cpuSeconds - before.cpuSeconds;
    const { ratePerSecond, succeededCount } = parseH2load(stdout);
    if (succeededCount !== exchangeCount) throw new Error(`h2load: ${succeededCount} of ${exchangeCount} succeeded`);
    return { kind: "measured", ratePerSecond, cpuPerExchangeUs: (cpuSeconds * 1e6) / exchangeCount };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const run = promisify(execFile);

export function parseH2load(output: string): { readonly ratePerSecond: number; readonly succeededCount: number } {
  const rate = /^finished in [^,]+, ([\d.]+) req\/s/m.exec(output)?.[1];
  const succeeded = /^requests: .* (\d+) succeeded/m.exec(output)?.[1];
  if (rate === undefined || succeeded === undefined) throw new Error(`h2load said:\n${output}`);
  return { ratePerSecond: Number(rate), succeededCount: Number(succeeded) };
}

function isInstalled(): boolean {
  try {
    execFileSync("h2load", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
