import { afterEach, describe, expect, it } from "vitest";
import { ConfigError } from "../../src/base/errors.ts";
import { layout } from "../../src/wasm/layout.ts";
import { closeEpps, startTestEpp, type TestEpp, writeEndpointsFile } from "../support/epp.ts";
import { ExtProcClient } from "../support/ext-proc-client.ts";
import { bodyMessages, chatBody, readRequestAnswer, requestHeaders } from "../support/ext-proc-messages.ts";
import { addressesOf, closeSimulators, startSimulators } from "../support/fleet-of-simulators.ts";
import { freePorts, occupyPort } from "../support/free-ports.ts";
import { checkHealth } from "../support/health-client.ts";
import { getHttp } from "../support/http-client.ts";
import { until } from "../support/until.ts";

/** Long enough that no test reaches it. */
const GRACE_MS = 10_000;

const clients: ExtProcClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await closeEpps();
  await closeSimulators();
});

function connect(port: number): ExtProcClient {
  const client = new ExtProcClient(port);
  clients.push(client);
  return client;
}

/** Waits until the picker has seen so many streams begin. */
async function untilOpened(epp: TestEpp, count: number): Promise<void> {
  await until(`${count} streams were opened`, () => epp.counters.shards(layout.SHARD_COUNTER_STREAMS_OPENED) === count);
}

describe("starting", () => {
  it("is over when requests are served and health says so", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(1)));
    expect(await checkHealth(epp.healthPort)).toBe("SERVING");
    expect(await connect(epp.grpcPort).ask(chatBody("hello"))).toMatchObject({ kind: "routed" });
  });

  it.each([
    { option: "grpcPort", flag: "--grpc-port" },
    { option: "healthPort", flag: "--grpc-health-port" },
    { option: "metricsPort", flag: "--metrics-port" },
  ] as const)(
    "on a taken port fails with a ConfigError that names $flag, and leaves nothing behind",
    async ({ option, flag }) => {
      const endpoints = addressesOf(await startSimulators(1));
      const [grpcPort, healthPort, metricsPort] = (await freePorts(3)) as [number, number, number];
      const ports = { grpcPort, healthPort, metricsPort };
      const taken = await occupyPort(ports[option]);
      const failure = await startTestEpp(endpoints, ports).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(ConfigError);
      expect((failure as Error).message).toContain(String(taken.port));
      expect((failure as Error).message).toContain(flag);
      await taken.release();
      // Would fail if anything of the first start still listened.
      const epp = await startTestEpp(endpoints, ports);
      expect([epp.grpcPort, epp.healthPort, epp.metricsPort]).toEqual([grpcPort, healthPort, metricsPort]);
      expect(await connect(epp.grpcPort).ask(chatBody("hello"))).toMatchObject({ kind: "routed" });
    },
  );

  it.each([
    { name: "that is missing", file: "/nowhere/endpoints.yaml", says: "/nowhere/endpoints.yaml: cannot be read" },
    { name: "that is not YAML", file: () => writeEndpointsFile("{endpoints: ["), says: "endpoints.yaml:1" },
    {
      name: "with a host name",
      file: () => writeEndpointsFile("endpoints:\n  - {name: a, address: localhost, port: 80}"),
      says: "endpoints[0].address",
    },
  ])("with an endpoints file $name fails with a ConfigError that says where", async ({ file, says }) => {
    const endpointsFile = typeof file === "string" ? file : file();
    const failure = await startTestEpp([], { endpointsFile }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ConfigError);
    expect((failure as Error).message).toContain(says);
  });

  it("without endpoints serves, and refuses requests with 503", async () => {
    const epp = await startTestEpp([]);
    expect(await checkHealth(epp.healthPort)).toBe("SERVING");
    expect(await connect(epp.grpcPort).ask(chatBody("hello"))).toMatchObject({
      status: 503,
      headers: { "x-llm-d-request-dropped-reason": "rejected-no-endpoints" },
    });
  });
});

describe("draining", () => {
  it("finishes open streams, takes no new ones, says NOT_SERVING, and then ends everything", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(1)));
    const client = connect(epp.grpcPort);
    const body = chatBody("x".repeat(200_000));
    const pieces = bodyMessages("requestBody", body, { pieceSize: 50_000 });
    const stream = client.open();
    stream.send(requestHeaders(), ...pieces.slice(0, 1));
    const idle = connect(epp.grpcPort);
    await idle.ask(chatBody("hello"));
    await untilOpened(epp, 2);

    const closed = epp.close(GRACE_MS);
    await until("health says NOT_SERVING", async () => (await checkHealth(epp.healthPort)) === "NOT_SERVING");
    expect((await getHttp(epp.metricsPort, "/metrics")).status).toBe(200);
    await until("new connections are refused", async () => {
      const late = new ExtProcClient(epp.grpcPort);
      const result = await late.ask(chatBody("hello")).catch((error: Error) => error);
      late.close();
      return result instanceof Error && result.message.includes("14");
    });

    stream.send(...pieces.slice(1));
    const answers = await stream.answered((all) => all.length === 5);
    const answer = readRequestAnswer(answers);
    expect(answer.kind === "routed" && answer.body.equals(body)).toBe(true);
    // The response goes on, too.
    stream.send({ kind: "responseHeaders", headers: [{ name: ":status", value: "200" }] });
    await stream.answered((all) => all.length === 6);
    stream.halfClose();
    expect(await stream.ended).toMatchObject({ code: 0 });
    await closed;
    expect(await checkHealth(epp.healthPort)).toContain("ECONNREFUSED");
  });

  it("delivers a large last answer whole, although its stream is the last", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(1)));
    const stream = connect(epp.grpcPort).open();
    const body = chatBody("x".repeat(3_000_000));
    const pieces = bodyMessages("requestBody", body);
    stream.send(requestHeaders(), ...pieces.slice(0, -1));
    await untilOpened(epp, 1);
    const closed = epp.close(GRACE_MS);
    await until("health says NOT_SERVING", async () => (await checkHealth(epp.healthPort)) === "NOT_SERVING");
    stream.send(...pieces.slice(-1));
    // Half-closed at once: the answer itself ends the stream, and with it the drain.
    stream.halfClose();
    const { code } = await stream.ended;
    const answer = readRequestAnswer(stream.answers);
    expect([code, answer.kind === "routed" && answer.body.equals(body)]).toEqual([0, true]);
    await closed;
  });

  it("that takes longer than it may breaks open streams off", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(1)));
    const stream = connect(epp.grpcPort).open();
    await stream.ask(chatBody("hello"));
    await epp.close(100);
    expect((await stream.ended).code).not.toBe(0);
  });

  it("is over at once when no stream is open", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(1)));
    const client = connect(epp.grpcPort);
    await client.ask(chatBody("hello"));
    // Reaching the grace period would let the test run out of time.
    await epp.close(60_000);
    expect(await checkHealth(epp.healthPort)).toContain("ECONNREFUSED");
  });
});
