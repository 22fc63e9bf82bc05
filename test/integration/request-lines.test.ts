/** The log lines of requests of a picker that serves: one per request, with what happened to it, and no prompt. */
import { afterEach, describe, expect, it } from "vitest";
import { closeEpps, type LogLine, startTestEpp, type TestEpp } from "../support/epp.ts";
import { ExtProcClient } from "../support/ext-proc-client.ts";
import { chatBody } from "../support/ext-proc-messages.ts";
import { addressesOf, closeSimulators, startSimulators } from "../support/fleet-of-simulators.ts";
import { until } from "../support/until.ts";

const clients: ExtProcClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await closeEpps();
  await closeSimulators();
});

const SECRET = "tell nobody about the birds";

function connect(epp: TestEpp): ExtProcClient {
  const client = new ExtProcClient(epp.grpcPort);
  clients.push(client);
  return client;
}

function requestLines(epp: TestEpp): LogLine[] {
  return epp.logLines.filter((line) => "requestId" in line);
}

describe("the log", () => {
  it("has one line per request, and none of them says what was asked", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(1)));
    const client = connect(epp);
    await client.ask(chatBody(SECRET));
    await client.ask(Buffer.from(`{"model": "sim", "messages": "${SECRET}"`));
    await until("both are told", () => requestLines(epp).length === 2);
    const [served, refused] = requestLines(epp);
    expect(served).toMatchObject({
      logger: "shard-0",
      model: expect.any(String),
      endpoint: "default/sim-0",
      durationMs: expect.any(Number),
      requestSize: chatBody(SECRET).length,
    });
    expect(refused).toMatchObject({
      msg: "request refused",
      code: "BadRequest",
      status: 400,
      reason: expect.stringMatching(/\w/),
    });
    expect(refused).not.toHaveProperty("endpoint");
    expect(JSON.stringify(epp.logLines)).not.toContain("birds");
  });

  it("names the reason when nobody is there", async () => {
    const epp = await startTestEpp([]);
    await connect(epp).ask(chatBody(SECRET));
    await until("it is told", () => requestLines(epp).length === 1);
    expect(requestLines(epp)).toMatchObject([{ code: "ServiceUnavailable", status: 503, cause: "refused" }]);
  });

  it("under load tells some requests and counts the others, so that all are accounted for", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(2)));
    const client = connect(epp);
    const suppressed = (): number =>
      epp.logLines.reduce((sum, line) => sum + Number(line["successes"] ?? 0) + Number(line["failures"] ?? 0), 0);
    let asked = 0;
    await until("some were counted only", async () => {
      asked += 50;
      await Promise.all(Array.from({ length: 50 }, () => client.ask(chatBody("hello"))));
      return suppressed() > 0;
    });
    await until("all are accounted for", () => requestLines(epp).length + suppressed() === asked);
    expect(requestLines(epp).length).toBeGreaterThan(0);
  });

  it("has no lines of requests when they are turned off", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(1)), { logsRequests: false });
    await connect(epp).ask(chatBody("hello"));
    await until("the request is over", () => epp.counters.shards(25) + epp.counters.shards(28) > 0);
    expect(requestLines(epp)).toEqual([]);
  });
});
