/**
 * Several shards are one picker: one prefix index, one view of load, one set of metrics, and connections that spread.
 * Two threads on one port need Node 22.12 or later; elsewhere there is one shard, and nothing of this to test.
 */
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { loadConfiguration } from "../../src/configuration.ts";
import type { EppOptions } from "../../src/epp-options.ts";
import { supportsReusePort } from "../../src/shards/pool.ts";
import { layout } from "../../src/wasm/layout.ts";
import { closeEpps, startTestEpp, type TestEpp } from "../support/epp.ts";
import { type Conversing, ExtProcClient } from "../support/ext-proc-client.ts";
import { chatBody } from "../support/ext-proc-messages.ts";
import { addressesOf, closeSimulators, startSimulators } from "../support/fleet-of-simulators.ts";
import { readMetrics } from "../support/metrics.ts";
import { until } from "../support/until.ts";

const SHARDS = [0, 1] as const;
type Shard = (typeof SHARDS)[number];

const clients: ExtProcClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await closeEpps();
  await closeSimulators();
});

async function startTwo(endpointCount: number, options: Partial<EppOptions> = {}): Promise<TestEpp> {
  return await startTestEpp(addressesOf(await startSimulators(endpointCount)), { shardCount: 2, ...options });
}

/** Far more than are needed: each connection has even chances. */
const ATTEMPTS_MAX = 64;

/** A client whose connection is with this shard. */
async function connectTo(epp: TestEpp, shard: Shard): Promise<ExtProcClient> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const before = streamsOf(epp, shard);
    const client = new ExtProcClient(epp.grpcPort);
    clients.push(client);
    // A body of no blocks leaves no trace in the index.
    await client.ask(chatBody(""));
    if (streamsOf(epp, shard) > before) return client;
  }
  throw new Error(`${ATTEMPTS_MAX} connections, and none is with shard ${shard}`);
}

function streamsOf({ counters }: TestEpp, shard: number): number {
  return counters.ofShard(shard, layout.SHARD_COUNTER_STREAMS_OPENED);
}

const LONG_PROMPT = "Tell me a story about birds. ".repeat(100);

describe.skipIf(!supportsReusePort())("two shards (skipped where a port cannot be shared: before Node 22.12)", () => {
  it.each(SHARDS)("have one index: a prompt that shard %i has routed is a hit for the other", async (first) => {
    const epp = await startTwo(3);
    const other = first === 0 ? 1 : 0;
    const [here, there] = [await connectTo(epp, first), await connectTo(epp, other)];
    await here.ask(chatBody(LONG_PROMPT));
    const chosen = epp.decisionLines.at(-1)?.split(" ")[0];
    await until("the prompt is in the index", () => epp.counters.indexKeyCount > 0);
    const before = streamsOf(epp, other);
    await there.ask(chatBody(LONG_PROMPT));
    expect(streamsOf(epp, other)).toBe(before + 1);
    expect(epp.decisionLines.at(-1)).toMatch(new RegExp(`^${chosen} .* holds 12 of 12 prompt blocks`));
  });

  it("have one view of load: each sees what the other has in flight", async () => {
    const document = {
      plugins: [{ type: "active-request-scorer" }],
      schedulingProfiles: [{ name: "default", plugins: [{ pluginRef: "active-request-scorer" }] }],
    };
    const config = await loadConfiguration(
      { kind: "text", text: JSON.stringify(document), name: "test" },
      { pluginPaths: [], allowExperimental: false },
    );
    const epp = await startTwo(4, { config });
    const [here, there] = [await connectTo(epp, 0), await connectTo(epp, 1)];
    // In turn, eight requests that stay open: two for each of four endpoints, only if both shards count all of them.
    const open: Conversing[] = [];
    for (let index = 0; index < 8; index++) {
      const stream = (index % 2 === 0 ? here : there).open();
      open.push(stream);
      await stream.ask(chatBody(`Question ${index}`));
    }
    const { endpoints } = epp.endpoints;
    expect(endpoints.map(({ slot }) => epp.counters.inFlightRequests(slot))).toEqual([2, 2, 2, 2]);
    expect(SHARDS.map((shard) => epp.counters.inFlightOfShard(shard))).toEqual([4, 4]);
    for (const stream of open) stream.halfClose();
    await until("nothing is charged", () => SHARDS.every((shard) => epp.counters.inFlightOfShard(shard) === 0));
  });

  it("have one set of metrics: totals are sums, and what is told by shard adds up to them", async () => {
    const epp = await startTwo(2);
    const connected = [await connectTo(epp, 0), await connectTo(epp, 1)] as const;
    for (const [shard, client] of connected.entries()) {
      for (let index = 0; index <= shard; index++) await client.ask(chatBody(LONG_PROMPT));
    }
    const streams = SHARDS.map((shard) => streamsOf(epp, shard));
    const total = streams.reduce((sum, count) => sum + count, 0);
    await until("all streams are over, and connections counted", async () => {
      const page = await readMetrics(epp.metricsPort);
      const counted = SHARDS.every((shard) => (page.value(...ofShard("connections", shard)) ?? 0) > 0);
      return counted && page.value("endpoint_picker_streams_inflight") === 0;
    });
    const page = await readMetrics(epp.metricsPort);
    expect(SHARDS.map((shard) => page.value(...ofShard("streams_total", shard)))).toEqual(streams);
    expect(page.value("endpoint_picker_streams_total")).toBe(total);
    expect(page.value("endpoint_picker_picks_total")).toBe(total);
    expect(page.value("llm_d_epp_scheduler_e2e_duration_seconds_count")).toBe(total);
    const connections = SHARDS.map((shard) => page.value(...ofShard("connections", shard)) ?? 0);
    expect(connections.reduce((sum, count) => sum + count, 0)).toBe(clients.length);
  });

  it("have a dead one's charges returned, which the living one sees", async () => {
    const epp = await startTwo(1);
    const [here, there] = [await connectTo(epp, 0), await connectTo(epp, 1)];
    const [lost, kept] = [here.open(), there.open()];
    for (const stream of [lost, kept]) await stream.ask(chatBody(LONG_PROMPT));
    const [endpoint] = epp.endpoints.endpoints;
    expect(endpoint && epp.counters.inFlightRequests(endpoint.slot)).toBe(2);
    await epp.shards.kill(0);
    await lost.ended;
    await until("its charges are returned", () => epp.counters.inFlightOfShard(0) === 0);
    expect(endpoint && epp.counters.inFlightRequests(endpoint.slot)).toBe(1);
    kept.halfClose();
    expect((await kept.ended).code).toBe(0);
  });

  it("spread connections: of three that are all with one shard, one comes to the other, and no request fails", async () => {
    const epp = await startTwo(2, { clock: FAST_CLOCK });
    const fuller = [await connectTo(epp, 0), await connectTo(epp, 0), await connectTo(epp, 0)];
    const spare = clients.filter((client) => !fuller.includes(client));
    for (const client of spare) client.close();
    const before = streamsOf(epp, 1);
    let isOver = false;
    const asking = fuller.flatMap((client) =>
      Array.from({ length: STREAMS_AT_ONCE }, async () => {
        while (!isOver) expect((await client.ask(chatBody("Which bird?"))).kind).toBe("routed");
      }),
    );
    await until("the other shard has streams", () => streamsOf(epp, 1) > before + STREAMS_AT_ONCE);
    isOver = true;
    await Promise.all(asking);
    const page = await readMetrics(epp.metricsPort);
    expect(page.value("endpoint_picker_connections_shed_total")).toBeGreaterThan(0);
    expect(epp.logLines).toContainEqual(
      expect.objectContaining({ msg: expect.stringContaining("shard 0 has a proxy replace a connection") }),
    );
  });
});

const STREAMS_AT_ONCE = 4;

function ofShard(name: string, shard: number): [name: string, labels: Record<string, string>] {
  return [`endpoint_picker_shard_${name}`, { shard: String(shard) }];
}

/** How much faster the control thread's time goes by, so that seconds of watching take less. */
const HASTE = 10;

const FAST_CLOCK: EppOptions["clock"] = {
  nowMs: () => HASTE * systemClock.nowMs(),
  wallMs: () => systemClock.wallMs(),
  setTimeout: (task, delayMs) => systemClock.setTimeout(task, delayMs / HASTE),
  setInterval: (task, periodMs) => systemClock.setInterval(task, Math.max(1, periodMs / HASTE)),
};
