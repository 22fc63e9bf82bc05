/** gRPC health over real sockets, asked by a grpc-js client. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import type { AdminServer } from "../../../src/admin/admin-server.ts";
import { startHealthServer } from "../../../src/admin/health-server.ts";
import { ConfigError } from "../../../src/base/errors.ts";
import { healthRequestOracle, healthResponseOracle } from "../../support/ext-proc-oracle.ts";

const SERVING = 1;
const NOT_SERVING = 2;

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start(isServing: () => boolean, port = 0): Promise<AdminServer> {
  const server = await startHealthServer({ host: "127.0.0.1", port, isServing });
  closers.push(() => server.close());
  return server;
}

/** One unary call; the decoded answer, or the error. */
function call(port: number, method: string, service: string): Promise<Record<string, unknown> | ServiceError> {
  const options = { "grpc.use_local_subchannel_pool": 1 };
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), options);
  closers.push(() => client.close());
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      `/grpc.health.v1.Health/${method}`,
      (message: Record<string, unknown>) => healthRequestOracle.encode(message),
      (bytes) => healthResponseOracle.decode(bytes),
      service === "" ? {} : { service },
      (error, answer) => resolve(error ?? answer ?? {}),
    );
  });
}

describe("health server", () => {
  it.each(["", "liveness", "readiness", "envoy.service.ext_proc.v3.ExternalProcessor", "anything"])(
    "service %j is serving exactly while the picker is",
    async (service) => {
      let isServing = false;
      const { port } = await start(() => isServing);
      expect(await call(port, "Check", service)).toEqual({ status: NOT_SERVING });
      isServing = true;
      expect(await call(port, "Check", service)).toEqual({ status: SERVING });
      isServing = false;
      expect(await call(port, "Check", service)).toEqual({ status: NOT_SERVING });
    },
  );

  it("other methods are not implemented, and say so", async () => {
    const { port } = await start(() => true);
    expect(await call(port, "Watch", "")).toMatchObject({ code: 12 });
  });

  it("a port that is taken is a fault with a remedy", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    closers.push(() => other.close());
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const failing = start(() => true, port);
    await expect(failing).rejects.toThrow(ConfigError);
    await expect(failing).rejects.toThrow(
      new RegExp(`^cannot listen on 127\\.0\\.0\\.1:${port}: .*; choose another port with --grpc-health-port$`),
    );
  });

  it("closing it ends its connections, and nobody is answered any more", async () => {
    const server = await start(() => true);
    expect(await call(server.port, "Check", "")).toEqual({ status: SERVING });
    await server.close();
    expect(await call(server.port, "Check", "")).toMatchObject({ code: 14 });
  });
});
