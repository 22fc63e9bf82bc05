import { afterEach, describe, expect, it } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { supportsReusePort } from "../../src/shards/pool.ts";
import { layout } from "../../src/wasm/layout.ts";
import { closeEpps, startTestEpp, type TestEpp } from "../support/epp.ts";
import { type Conversing, ExtProcClient } from "../support/ext-proc-client.ts";
import { bodyMessages, chatBody, requestHeaders } from "../support/ext-proc-messages.ts";
import { addressesOf, closeSimulators, startSimulators } from "../support/fleet-of-simulators.ts";
import { readMetric } from "../support/metrics.ts";
import { drawPlan } from "../support/request-plans.ts";
import { until } from "../support/until.ts";

const clients: ExtProcClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await closeEpps();
  await closeSimulators();
});

function connect(epp: TestEpp): ExtProcClient {
  const client = new ExtProcClient(epp.grpcPort);
  clients.push(client);
  return client;
}

const LONG_PROMPT = "Tell me a story about birds. ".repeat(100);

function inFlightRequests(epp: TestEpp): number {
  return epp.endpoints.endpoints.reduce((sum, { slot }) => sum + epp.counters.inFlightRequests(slot), 0);
}

function inFlightTokens(epp: TestEpp): number {
  return epp.endpoints.endpoints.reduce((sum, { slot }) => sum + epp.counters.inFlightTokens(slot), 0);
}

function streamsOpen(epp: TestEpp): number {
  const { counters } = epp;
  return counters.shards(layout.SHARD_COUNTER_STREAMS_OPENED) - counters.shards(layout.SHARD_COUNTER_STREAMS_CLOSED);
}

async function untilRestarted(epp: TestEpp, thread: string): Promise<void> {
  await until(`the ${thread} was replaced`, async () => {
    return (await readMetric(epp.metricsPort, "endpoint_picker_thread_restarts_total", { thread })) === 1;
  });
}

function statesOf(epp: TestEpp): string[] {
  return epp.degraded.list().map(({ code }) => code);
}

/** Asks until the picker answers: a thread that has just died takes a moment to be replaced. */
async function untilServed(epp: TestEpp, prompt: string): Promise<void> {
  await until("a request is served", async () => {
    const client = new ExtProcClient(epp.grpcPort);
    const answer = await client.ask(chatBody(prompt)).catch(() => undefined);
    client.close();
    return answer?.kind === "routed";
  });
}

describe("a shard whose thread dies", () => {
  it("is replaced: its charges and streams are gone, its port serves again, the prefix index is still there", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(3)));
    const client = connect(epp);
    await client.ask(chatBody(LONG_PROMPT));
    const streams = [1, 2, 3].map(() => client.open());
    for (const stream of streams) await stream.ask(chatBody(LONG_PROMPT));
    expect([inFlightRequests(epp), streamsOpen(epp)]).toEqual([3, 3]);
    await until("the prompt is in the index", () => epp.counters.indexKeyCount > 0);

    await epp.shards.kill(0);
    for (const stream of streams) expect((await stream.ended).code).not.toBe(0);
    await untilRestarted(epp, "shard");
    expect([inFlightRequests(epp), inFlightTokens(epp), streamsOpen(epp)]).toEqual([0, 0, 0]);
    expect(epp.logLines).toContainEqual(
      expect.objectContaining({
        level: 50,
        state: "shard-down",
        subject: "shard 0",
        detail: expect.stringContaining("shard 0 died"),
      }),
    );
    await until("the shard is up again", () => statesOf(epp).length === 0);

    const linesBefore = epp.decisionLines.length;
    await untilServed(epp, LONG_PROMPT);
    expect(epp.decisionLines.slice(linesBefore)).toEqual([expect.stringContaining("holds 12 of 12 prompt blocks")]);
    await until("nothing is charged", () => inFlightRequests(epp) === 0);
  });

  // Needs two threads on one port.
  it.runIf(supportsReusePort())("does not disturb the others", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(3)), { shardCount: 2 });
    // Each client has a connection of its own; the system spreads them over the shards by a hash of their ports.
    const streams: Conversing[] = [];
    for (let index = 0; index < 24; index++) {
      const stream = connect(epp).open();
      await stream.ask(chatBody(`Question ${index}`));
      streams.push(stream);
    }
    expect(inFlightRequests(epp)).toBe(streams.length);
    const isOver = new Set<Conversing>();
    for (const stream of streams) void stream.ended.then(() => isOver.add(stream));

    await epp.shards.kill(0);
    await untilRestarted(epp, "shard");
    const survivors = streams.filter((stream) => !isOver.has(stream));
    expect(survivors.length).toBeGreaterThan(0);
    expect(survivors.length).toBeLessThan(streams.length);
    expect([inFlightRequests(epp), streamsOpen(epp)]).toEqual([survivors.length, survivors.length]);
    for (const stream of survivors) {
      stream.send({ kind: "responseHeaders", headers: [{ name: ":status", value: "200" }], endOfStream: true });
      await stream.answered((answers) => answers.at(-1)?.kind === "responseHeaders");
      stream.halfClose();
      expect((await stream.ended).code).toBe(0);
    }
    await until("nothing is charged", () => inFlightRequests(epp) === 0);
    await untilRestarted(epp, "shard");
    await untilServed(epp, "hello");
  });
});

describe("an index writer that takes long to begin", () => {
  it("is waited for, so that the first prompts are not lost", async () => {
    // 64 million slots, each of which a writer looks at before it begins.
    const epp = await startTestEpp(addressesOf(await startSimulators(3)), { indexSlotsLog2: 26 });
    const client = connect(epp);
    await client.ask(chatBody(LONG_PROMPT));
    await until("the prompt is in the index", () => epp.counters.indexKeyCount === 12);
    await client.ask(chatBody(LONG_PROMPT));
    expect(epp.decisionLines.at(-1)).toContain("holds 12 of 12 prompt blocks");
  });
});

describe("an index writer whose thread dies", () => {
  it("is replaced and learns again; requests are served meanwhile", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(3)));
    const client = connect(epp);
    await client.ask(chatBody(LONG_PROMPT));
    await until("the prompt is in the index", () => epp.counters.indexKeyCount === 12);

    await epp.killIndexWriter();
    expect(await client.ask(chatBody("hello"))).toMatchObject({ kind: "routed" });
    await untilRestarted(epp, "index-writer");
    expect(epp.logLines).toContainEqual(
      expect.objectContaining({ state: "index-writer-down", detail: expect.stringContaining("the index writer died") }),
    );
    await until("the new writer has emptied the index", () => epp.counters.indexKeyCount === 0);
    await until("the writer is up, its index new", () => String(statesOf(epp)) === "prefix-index-emptied");

    // What is picked before it is done with that is skipped.
    await until("the prompt is in the index again", async () => {
      await client.ask(chatBody(LONG_PROMPT));
      return epp.counters.indexKeyCount === 12;
    });
    await client.ask(chatBody(LONG_PROMPT));
    expect(epp.decisionLines.at(-1)).toContain("holds 12 of 12 prompt blocks");
  });
});

describe("conversations that break off", () => {
  const CONVERSATIONS_COUNT = 300;
  const WINDOW_COUNT = 32;
  const SEED = 7;

  // Strategy: random requests (good, bad, cut, unread) over four connections, each cancelled, half-closed or answered
  // to its end at a random point. Invariant: at the end nothing is charged, no stream is open, and every window is
  // free.
  it(`leave nothing behind (${CONVERSATIONS_COUNT} of them, seed ${SEED})`, async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(3)), { streamWindowCount: WINDOW_COUNT });
    const prng = new Prng(SEED);
    const connections = [1, 2, 3, 4].map(() => connect(epp));
    const conversations = Array.from({ length: CONVERSATIONS_COUNT }, async (_, index) => {
      const stream = (connections[index % connections.length] as ExtProcClient).open();
      const { path, body } = drawPlan(prng, 10_000);
      const pieces = (body?.pieces ?? []).map((piece, position, all) => {
        return { kind: "requestBody", body: piece, endOfStream: position === all.length - 1 } as const;
      });
      const messages = [requestHeaders({ path, endOfStream: body === undefined }), ...pieces];
      stream.send(...messages.slice(0, prng.nextBelow(messages.length + 1)));
      const way = prng.nextBelow(3);
      if (way === 0) stream.cancel();
      if (way === 1) stream.sendBytes(Buffer.alloc(8, 0xff));
      stream.halfClose();
      await stream.ended;
    });
    await Promise.all(conversations);
    await until("all streams are closed", () => streamsOpen(epp) === 0);
    expect([inFlightRequests(epp), inFlightTokens(epp)]).toEqual([0, 0]);
    expect(epp.counters.shards(layout.SHARD_COUNTER_PICKS)).toBeGreaterThan(20);

    const [start] = bodyMessages("requestBody", chatBody("hello"), { pieceSize: 20 });
    if (start === undefined) throw new Error("the body has a first piece");
    const holders = Array.from({ length: WINDOW_COUNT }, () => connect(epp).open());
    for (const holder of holders) holder.send(requestHeaders(), start);
    await until("all windows are taken", () => streamsOpen(epp) === WINDOW_COUNT);
    const oneMore = connect(epp).open();
    expect(await oneMore.ask(chatBody("hello"))).toMatchObject({ kind: "refused", status: 429 });
    expect(holders.map(({ answers }) => answers.length)).toEqual(holders.map(() => 0));
  });
});
