/**
 * A picker in this process, its shards and index writer in threads of their own, on free ports of the loopback
 * interface: for tests of the whole. What it logs and decides is kept. `closeEpps` ends all of them, after each test.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pino } from "pino";
import { systemClock } from "../../src/base/clock.ts";
import { Prng } from "../../src/base/prng.ts";
import { type Epp, startEpp } from "../../src/epp.ts";
import type { EppOptions } from "../../src/epp-options.ts";

export const LOOPBACK = "127.0.0.1";

export interface EndpointAddress {
  readonly name: string;
  readonly port: number;
}

export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface TestEpp extends Epp {
  /** One line per decision and refusal. */
  readonly decisionLines: readonly string[];
  readonly logLines: readonly LogLine[];
}

const running: Epp[] = [];
const folders: string[] = [];

/** Starts a picker for these endpoints. One shard, and small tables, unless told otherwise. */
export async function startTestEpp(
  endpoints: readonly EndpointAddress[],
  options: Partial<EppOptions> = {},
): Promise<TestEpp> {
  const decisionLines: string[] = [];
  const logLines: LogLine[] = [];
  const logger = pino({ base: null }, { write: (line: string) => logLines.push(JSON.parse(line)) });
  const epp = await startEpp({
    host: LOOPBACK,
    grpcPort: 0,
    healthPort: 0,
    metricsPort: 0,
    endpointsFile: writeEndpointsFile(endpoints),
    scrapeIntervalMs: 50,
    shardCount: 1,
    streamWindowCount: 64,
    indexSlotsLog2: 16,
    requestBodySizeMax: 4 * 1024 * 1024,
    honoursSubsetHint: true,
    emitEndpointScores: false,
    enablePprof: true,
    onDecisionLine: (line) => decisionLines.push(line),
    logger,
    clock: systemClock,
    prng: new Prng(1),
    ...options,
  });
  running.push(epp);
  return { ...epp, decisionLines, logLines };
}

/** An endpoints file that is removed after the test; its path. */
export function writeEndpointsFile(endpoints: readonly EndpointAddress[] | string): string {
  const folder = mkdtempSync(path.join(tmpdir(), "magpie-test-"));
  folders.push(folder);
  const file = path.join(folder, "endpoints.yaml");
  const text =
    typeof endpoints === "string"
      ? endpoints
      : JSON.stringify({ endpoints: endpoints.map((endpoint) => ({ address: LOOPBACK, ...endpoint })) });
  writeFileSync(file, text);
  return file;
}

/** Ends the pickers of the test and removes its files. */
export async function closeEpps(): Promise<void> {
  await Promise.all(running.splice(0).map((epp) => epp.close(0)));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}
