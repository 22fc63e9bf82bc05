/** The metrics port over real sockets on the loopback interface. */

import { once } from "node:events";
import { Agent, createServer, get, type IncomingMessage, request } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { Registry } from "prom-client";
import { afterEach, describe, expect, it } from "vitest";
import { type AdminServer, startMetricsServer } from "../../../src/admin/metrics-server.ts";
import { ConfigError } from "../../../src/base/errors.ts";

const started: AdminServer[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((server) => server.close()));
});

/** A registry with the one metric `picks_total 3`, or one that cannot be read. */
function registryOf(read: () => Promise<number> = async () => 3): Registry {
  const registry = new Registry();
  const metric = {
    name: "picks_total",
    get: async () => ({
      name: "picks_total",
      help: "Picks.",
      type: "counter",
      aggregator: "sum",
      values: [{ labels: {}, value: await read() }],
    }),
  };
  registry.registerMetric(metric as never);
  return registry;
}

async function start(registry = registryOf(), port = 0): Promise<AdminServer> {
  const server = await startMetricsServer({ host: "127.0.0.1", port, registry });
  started.push(server);
  return server;
}

async function ask(
  port: number,
  path: string,
  method = "GET",
): Promise<{ status?: number; type?: string; text: string }> {
  const call = request({ host: "127.0.0.1", port, path, method, agent: false }).end();
  const [response] = (await once(call, "response")) as [IncomingMessage];
  let text = "";
  for await (const piece of response) text += String(piece);
  const { statusCode: status, headers } = response;
  return {
    ...(status !== undefined && { status }),
    ...(headers["content-type"] && { type: headers["content-type"] }),
    text,
  };
}

describe("metrics server", () => {
  it.each(["/metrics", "/metrics?name[]=picks_total"])("GET %s gives the exposition", async (path) => {
    const { port } = await start();
    expect(await ask(port, path)).toEqual({
      status: 200,
      type: "text/plain; version=0.0.4; charset=utf-8",
      text: "# HELP picks_total Picks.\n# TYPE picks_total counter\npicks_total 3\n",
    });
  });

  it.each([
    { method: "GET", path: "/", status: 404, text: "not found; served here: /metrics\n" },
    { method: "GET", path: "/metrics/", status: 404, text: "not found; served here: /metrics\n" },
    { method: "GET", path: "/debug?x=/metrics", status: 404, text: "not found; served here: /metrics\n" },
    { method: "POST", path: "/metrics", status: 405, text: "only GET is served here\n" },
    { method: "DELETE", path: "/", status: 405, text: "only GET is served here\n" },
  ])("$method $path is answered $status with what would be right", async ({ method, path, status, text }) => {
    const { port } = await start();
    expect(await ask(port, path, method)).toEqual({ status, type: "text/plain; charset=utf-8", text });
  });

  it("metrics that cannot be read are an error that says so, and the server lives on", async () => {
    let isBroken = true;
    const read = async (): Promise<number> => {
      if (isBroken) throw new Error("counters are gone");
      return 4;
    };
    const { port } = await start(registryOf(read));
    expect(await ask(port, "/metrics")).toMatchObject({ status: 500, text: "counters are gone\n" });
    isBroken = false;
    expect(await ask(port, "/metrics")).toMatchObject({ status: 200, text: expect.stringContaining("picks_total 4") });
  });

  it("a port that is taken is a fault with a remedy, and so is a host that is not here", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    try {
      const failing = start(registryOf(), port);
      await expect(failing).rejects.toThrow(ConfigError);
      await expect(failing).rejects.toThrow(
        `port ${port} on 127.0.0.1 is taken by another program; choose another one with --metrics-port`,
      );
    } finally {
      other.close();
    }
    // 192.0.2.0/24 is for documentation: no machine has it.
    await expect(startMetricsServer({ host: "192.0.2.1", port: 0, registry: registryOf() })).rejects.toThrow(
      /^port 0 on 192\.0\.2\.1 cannot be listened on: .*EADDRNOTAVAIL.*--metrics-port$/,
    );
  });

  it("closing ends idle and half-sent connections, and nobody is served any more", async () => {
    const server = await start();
    const agent = new Agent({ keepAlive: true });
    const [response] = (await once(
      get({ host: "127.0.0.1", port: server.port, path: "/metrics", agent }),
      "response",
    )) as [IncomingMessage];
    response.resume();
    await once(response, "end");
    const halfSent = connect(server.port, "127.0.0.1");
    await once(halfSent, "connect");
    halfSent.write("GET /metrics HT");
    // Whether the end comes as an end or as a reset does not matter.
    halfSent.on("error", () => undefined);
    const closed = new Promise((resolve) => halfSent.once("close", resolve));
    await server.close();
    await closed;
    await expect(ask(server.port, "/metrics")).rejects.toThrow("ECONNREFUSED");
    agent.destroy();
  });
});
