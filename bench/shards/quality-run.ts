/**
 * How well a picker with so many shards picks: the same requests at the same times over a few connections, model
 * servers that take time, and what came of it as the servers saw it.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Clock } from "../../src/base/clock.ts";
import { Prng } from "../../src/base/prng.ts";
import { INDEX_SLOTS_LOG2, REQUEST_BODY_SIZE_MAX, SCRAPE_INTERVAL_MS } from "../../src/config/defaults.ts";
import { type Epp, startEpp } from "../../src/epp.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { ExtProcClient } from "../../test/support/ext-proc-client.ts";
import { until } from "../../test/support/until.ts";
import { ModelFleet, type ModelServer } from "./model-fleet.ts";
import { type Quality, qualityOf } from "./quality.ts";
import { bodyOf, type PlannedRequest } from "./workload.ts";

export interface QualityOptions {
  readonly shardCount: number;
  readonly endpointCount: number;
  readonly connectionCount: number;
  readonly requests: readonly PlannedRequest[];
  readonly seed: number;
  readonly clock: Clock;
}

const HOST = "127.0.0.1";
const MODEL = "simulated-8b";
const WINDOW_COUNT = 512;

/** Rejects when any request is not routed and answered. */
export async function measureQuality(options: QualityOptions): Promise<Quality> {
  const { endpointCount, connectionCount, requests, clock } = options;
  const fleet = await ModelFleet.start(endpointCount, clock);
  const folder = mkdtempSync(path.join(tmpdir(), "magpie-bench-"));
  const endpointsFile = path.join(folder, "endpoints.json");
  const endpoints = fleet.servers.map(({ name, port }) => ({ name, port, address: HOST }));
  writeFileSync(endpointsFile, JSON.stringify({ endpoints }));
  const epp = await startPicker(options, endpointsFile);
  const clients = Array.from({ length: connectionCount }, () => new ExtProcClient(epp.grpcPort));
  try {
    await until("the picker knows all servers", () => epp.degraded.list().length === 0);
    const byAddress = new Map(fleet.servers.map((server) => [`${HOST}:${server.port}`, server]));
    const startMs = clock.nowMs();
    const asked = requests.map(async (request, index) => {
      await new Promise<void>((resolve) =>
        clock.setTimeout(resolve, Math.max(0, request.atMs + startMs - clock.nowMs())),
      );
      await ask(clients[index % connectionCount] as ExtProcClient, request, byAddress);
    });
    await Promise.all(asked);
    const tallies = fleet.servers.map(({ tally }) => tally);
    return qualityOf(tallies, epp.counters);
  } finally {
    for (const client of clients) client.close();
    await epp.close(0);
    await fleet.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function startPicker({ shardCount, seed, clock }: QualityOptions, endpointsFile: string): Promise<Epp> {
  return await startEpp({
    host: HOST,
    grpcPort: 0,
    healthPort: 0,
    metricsPort: 0,
    endpointsFile,
    scrapeIntervalMs: SCRAPE_INTERVAL_MS,
    shardCount,
    streamWindowCount: WINDOW_COUNT,
    indexSlotsLog2: INDEX_SLOTS_LOG2,
    requestBodySizeMax: REQUEST_BODY_SIZE_MAX,
    honoursSubsetHint: true,
    emitEndpointScores: false,
    logsRequests: false,
    logger: createLogger({ level: "silent" }),
    clock,
    prng: new Prng(seed),
  });
}

/** One exchange: asks, waits as long as the picked server takes, and has the answer observed. */
async function ask(
  client: ExtProcClient,
  request: PlannedRequest,
  byAddress: ReadonlyMap<string, ModelServer>,
): Promise<void> {
  const stream = client.open();
  const answer = await stream.ask(bodyOf(request, MODEL));
  const server = answer.kind === "routed" ? byAddress.get(answer.destination) : undefined;
  if (server === undefined) throw new Error(`not routed: ${JSON.stringify({ ...answer, body: undefined })}`);
  await server.serve(request);
  stream.send({ kind: "responseHeaders", headers: [{ name: ":status", value: "200" }], endOfStream: true });
  await stream.answered((answers) => answers.at(-1)?.kind === "responseHeaders");
  stream.halfClose();
  await stream.ended;
}
