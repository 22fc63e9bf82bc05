/** Clients on the port of ext_proc that do not speak what it speaks: what is said of them; others are served. */
import { connect as connectTcp } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { closeEpps, LOOPBACK, startTestEpp, type TestEpp } from "../support/epp.ts";
import { ExtProcClient } from "../support/ext-proc-client.ts";
import { chatBody } from "../support/ext-proc-messages.ts";
import { addressesOf, closeSimulators, startSimulators } from "../support/fleet-of-simulators.ts";
import { readMetric } from "../support/metrics.ts";
import { until } from "../support/until.ts";

const clients: ExtProcClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await closeEpps();
  await closeSimulators();
});

const METRIC = "endpoint_picker_connections_failed_total";
const MESSAGE = "connections of ext_proc were given up for what their client sent";

function connect(epp: TestEpp, isSecure = false): ExtProcClient {
  const client = new ExtProcClient(epp.grpcPort, { isSecure });
  clients.push(client);
  return client;
}

/** Says these bytes on a connection of its own; resolves when the picker has ended that. */
async function say(epp: TestEpp, bytes: Buffer): Promise<void> {
  const socket = connectTcp(epp.grpcPort, LOOPBACK, () => socket.write(bytes));
  await new Promise((resolve) =>
    socket
      .resume()
      .on("error", () => undefined)
      .once("close", resolve),
  );
}

async function expectSaid(epp: TestEpp, reason: string): Promise<void> {
  await until("it is counted", async () => ((await readMetric(epp.metricsPort, METRIC)) ?? 0) > 0);
  const [line] = epp.logLines.filter(({ msg }) => msg === MESSAGE);
  expect(line).toMatchObject({ level: 40, reason: expect.stringContaining(reason) });
}

describe("a client of ext_proc", () => {
  it.each([
    ["HTTP/1.1", Buffer.from("POST / HTTP/1.1\r\nhost: picker\r\n\r\n"), "speaks HTTP/1.1: ext_proc is gRPC"],
    ["random bytes", Buffer.from("00010203040506070809", "hex"), "does not speak HTTP/2"],
    [
      "HTTP/2 with a frame that is not allowed",
      Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0001\0\0\0\0\0", "latin1"),
      "a client opens stream 0",
    ],
  ])("that speaks %s is told of in the log and a metric, and others are served", async (_what, bytes, reason) => {
    const epp = await startTestEpp(addressesOf(await startSimulators(1)));
    const polite = connect(epp);
    expect(await polite.ask(chatBody("hello"))).toMatchObject({ kind: "routed" });
    expect(await readMetric(epp.metricsPort, METRIC)).toBe(0);
    await say(epp, bytes);
    await expectSaid(epp, reason);
    expect(await polite.ask(chatBody("hello"))).toMatchObject({ kind: "routed" });
  });

  it("that speaks TLS to a plaintext port is told of, however often it tries, in one line", async () => {
    const epp = await startTestEpp([]);
    await expect(connect(epp, true).ask(chatBody("hello"))).rejects.toThrow("the stream ended with 14");
    await expectSaid(epp, "--secure-serving=true");
    for (let count = 0; count < 5; count++) await say(epp, Buffer.from("160301", "hex"));
    expect(epp.logLines.filter(({ msg }) => msg === MESSAGE)).toHaveLength(1);
  });

  it("that says nothing is a probe of the port, and no failure", async () => {
    const epp = await startTestEpp([]);
    for (let count = 0; count < 3; count++) {
      const probe = connectTcp(epp.grpcPort, LOOPBACK, () => probe.end());
      await new Promise((resolve) => probe.resume().once("close", resolve));
    }
    await say(epp, Buffer.from("GET / HTTP/1.1\r\n\r\n"));
    await expectSaid(epp, "HTTP/1.1");
    expect(await readMetric(epp.metricsPort, METRIC)).toBe(1);
  });
});
