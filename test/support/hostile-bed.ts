/**
 * A picker for hostile clients, and what must hold of it afterwards: nothing charged, no stream open, every stream
 * window free, and requests served.
 */
import { expect } from "vitest";
import type { EppOptions } from "../../src/epp-options.ts";
import { layout } from "../../src/wasm/layout.ts";
import { closeEpps, startTestEpp, type TestEpp } from "./epp.ts";
import { type Conversing, ExtProcClient } from "./ext-proc-client.ts";
import { bodyMessages, chatBody, requestHeaders } from "./ext-proc-messages.ts";
import { readMetric } from "./metrics.ts";
import { connectRaw, type RawConnection } from "./raw-ext-proc.ts";
import { until } from "./until.ts";
import { closeUpstreams, startUpstream } from "./upstream.ts";

export const WINDOW_COUNT = 64;

const connections: RawConnection[] = [];
const clients: ExtProcClient[] = [];

/** A picker of three endpoints. */
export async function startHostileBed(options: Partial<EppOptions> = {}): Promise<TestEpp> {
  const upstreams = await Promise.all([startUpstream(), startUpstream(), startUpstream()]);
  const endpoints = upstreams.map(({ port }, index) => ({ name: `server-${index}`, port }));
  return await startTestEpp(endpoints, { streamWindowCount: WINDOW_COUNT, ...options });
}

export async function closeHostileBeds(): Promise<void> {
  for (const client of clients.splice(0)) client.close();
  for (const { socket } of connections.splice(0)) socket.destroy();
  await closeEpps();
  await closeUpstreams();
}

/** A bare connection, closed after the test. */
export async function connectHostile(epp: TestEpp): Promise<RawConnection> {
  const connection = await connectRaw(epp.grpcPort);
  connections.push(connection);
  return connection;
}

/** A well-behaved client, closed after the test. */
export function connectPolite(epp: TestEpp): ExtProcClient {
  const client = new ExtProcClient(epp.grpcPort);
  clients.push(client);
  return client;
}

/** A request whose body is half there: it holds a stream window until it ends. */
export function beginRequest(client: ExtProcClient): Conversing {
  const stream = client.open();
  const [start] = bodyMessages("requestBody", chatBody("x".repeat(1_000)), { pieceSize: 500 });
  if (start === undefined) throw new Error("the body has a first piece");
  stream.send(requestHeaders(), start);
  return stream;
}

export function streamsOpen({ counters }: TestEpp): number {
  return counters.shards(layout.SHARD_COUNTER_STREAMS_OPENED) - counters.shards(layout.SHARD_COUNTER_STREAMS_CLOSED);
}

export function inFlight({ endpoints, counters }: TestEpp): { requests: number; tokens: number } {
  let [requests, tokens] = [0, 0];
  for (const { slot } of endpoints.endpoints) {
    requests += counters.inFlightRequests(slot);
    tokens += counters.inFlightTokens(slot);
  }
  return { requests, tokens };
}

/** Checks all of it. Takes every stream window for a moment. */
export async function expectUnharmed(epp: TestEpp): Promise<void> {
  await until("all streams are closed", () => streamsOpen(epp) === 0);
  expect(inFlight(epp)).toEqual({ requests: 0, tokens: 0 });
  expect(await readMetric(epp.metricsPort, "endpoint_picker_streams_inflight")).toBe(0);
  expect(await readMetric(epp.metricsPort, "endpoint_picker_thread_restarts_total", { thread: "shard" })).toBe(0);
  const client = connectPolite(epp);
  const holders = Array.from({ length: WINDOW_COUNT }, () => beginRequest(client));
  await until("all windows are taken", () => streamsOpen(epp) === WINDOW_COUNT);
  // A window that was lost would have cost one of the holders its request.
  const rest = bodyMessages("requestBody", chatBody("x".repeat(1_000)), { pieceSize: 500 }).slice(1);
  for (const holder of holders) holder.send(...rest);
  for (const holder of holders) await holder.answered((answers) => answers.length > 0);
  expect(new Set(holders.map(({ answers }) => answers[0]?.kind))).toEqual(new Set(["requestHeaders"]));
  for (const holder of holders) holder.cancel();
  await until("all streams are closed again", () => streamsOpen(epp) === 0);
  expect(inFlight(epp)).toEqual({ requests: 0, tokens: 0 });
}
