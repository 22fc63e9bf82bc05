/** gRPC health over real sockets, asked by a grpc-js client. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { Client, type ClientReadableStream, credentials, type ServiceError, type StatusObject } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import type { AdminServer } from "../../../src/admin/admin-server.ts";
import { WATCHES_MAX } from "../../../src/admin/health-routes.ts";
import { startHealthServer } from "../../../src/admin/health-server.ts";
import { HealthState } from "../../../src/admin/health-state.ts";
import { ConfigError } from "../../../src/base/errors.ts";
import { healthListOracle, healthRequestOracle, healthResponseOracle } from "../../support/ext-proc-oracle.ts";
import { until } from "../../support/until.ts";

const SERVING = 1;
const NOT_SERVING = 2;
const EXT_PROC = "envoy.service.ext_proc.v3.ExternalProcessor";

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start(state = new HealthState(), port = 0): Promise<AdminServer> {
  const server = await startHealthServer({ host: "127.0.0.1", port, state });
  closers.push(() => server.close());
  return server;
}

function connect(port: number): Client {
  const options = { "grpc.use_local_subchannel_pool": 1 };
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), options);
  closers.push(() => client.close());
  return client;
}

type Answer = Record<string, unknown>;

const encode = (message: Answer): Buffer => healthRequestOracle.encode(message);

function requestFor(service: string): Answer {
  return service === "" ? {} : { service };
}

/** One unary call; the decoded answer, or the error. */
function call(port: number, method: "Check" | "List", service = ""): Promise<Answer | ServiceError> {
  const decode = (bytes: Buffer): Answer => (method === "List" ? healthListOracle : healthResponseOracle).decode(bytes);
  return new Promise((resolve) => {
    const path = `/grpc.health.v1.Health/${method}`;
    connect(port).makeUnaryRequest(path, encode, decode, requestFor(service), (error, answer) =>
      resolve(error ?? answer ?? {}),
    );
  });
}

interface Watch {
  readonly statuses: readonly unknown[];
  readonly ended: Promise<StatusObject>;
  readonly stream: ClientReadableStream<Answer>;
}

function watch(client: Client, service = ""): Watch {
  const statuses: unknown[] = [];
  const decode = (bytes: Buffer): Answer => healthResponseOracle.decode(bytes);
  const stream = client.makeServerStreamRequest("/grpc.health.v1.Health/Watch", encode, decode, requestFor(service));
  stream.on("data", ({ status }: Answer) => void statuses.push(status));
  stream.on("error", () => undefined);
  const ended = new Promise<StatusObject>((resolve) => stream.on("status", resolve));
  return { statuses, ended, stream };
}

describe("health server", () => {
  it.each(["", "liveness", "readiness", EXT_PROC, "anything"])(
    "service %j is serving exactly while the picker is",
    async (service) => {
      const state = new HealthState();
      const { port } = await start(state);
      expect(await call(port, "Check", service)).toEqual({ status: NOT_SERVING });
      state.update({ isReady: true });
      expect(await call(port, "Check", service)).toEqual({ status: SERVING });
      state.update({ isReady: false });
      expect(await call(port, "Check", service)).toEqual({ status: NOT_SERVING });
    },
  );

  it("lists the names that proxies and kubelets ask for", async () => {
    const state = new HealthState();
    const { port } = await start(state);
    state.update({ isReady: true, arePluginsReady: false });
    expect(await call(port, "List")).toEqual({
      statuses: {
        "": { status: NOT_SERVING },
        liveness: { status: SERVING },
        readiness: { status: NOT_SERVING },
        [EXT_PROC]: { status: NOT_SERVING },
      },
    });
  });

  it("a watch hears the state at once and each change, until it ends", async () => {
    const state = new HealthState();
    const { port } = await start(state);
    const client = connect(port);
    const [readiness, liveness] = [watch(client, "readiness"), watch(client, "liveness")];
    await until("both have heard", () => readiness.statuses.length === 1 && liveness.statuses.length === 1);
    state.update({ isReady: true });
    await until("both have heard of the change", () => readiness.statuses.length + liveness.statuses.length === 4);
    // No change for liveness, and none at all the second time.
    state.update({ arePluginsReady: false });
    state.update({ arePluginsReady: false });
    await until("readiness has heard", () => readiness.statuses.length === 3);
    liveness.stream.cancel();
    await liveness.ended;
    state.update({ isReady: false, arePluginsReady: true });
    state.update({ isReady: true });
    await until("readiness has heard again", () => readiness.statuses.at(-1) === SERVING);
    expect(readiness.statuses).toEqual([NOT_SERVING, SERVING, NOT_SERVING, SERVING]);
    expect(liveness.statuses).toEqual([NOT_SERVING, SERVING]);
  });

  it(`takes ${WATCHES_MAX} watches and no more, until one ends`, async () => {
    const state = new HealthState();
    const { port } = await start(state);
    const client = connect(port);
    const watches = Array.from({ length: WATCHES_MAX }, () => watch(client));
    await until("all have heard", () => watches.every(({ statuses }) => statuses.length === 1));
    expect(await watch(client).ended).toMatchObject({
      code: 8,
      details: `${WATCHES_MAX} watches are open, no more are taken`,
    });
    watches[0]?.stream.cancel();
    await watches[0]?.ended;
    await until("there is room again", async () => {
      const late = watch(client);
      await Promise.race([late.ended, until("it has heard", () => late.statuses.length === 1)]);
      return late.statuses.length === 1;
    });
  });

  it.each(["Check", "Watch"] as const)("%s refuses a message that is none", async (method) => {
    const { port } = await start();
    const client = connect(port);
    const broken = (): Buffer => Buffer.from([0x0a, 0x05, 0x61]);
    const decode = (bytes: Buffer): Buffer => bytes;
    const stream = client.makeServerStreamRequest(`/grpc.health.v1.Health/${method}`, broken, decode, {});
    stream.on("data", () => undefined);
    stream.on("error", () => undefined);
    expect(await new Promise((resolve) => stream.on("status", resolve))).toMatchObject({ code: 3 });
  });

  it("a request larger than any name is refused", async () => {
    const { port } = await start();
    expect(await call(port, "Check", "x".repeat(5_000))).toMatchObject({ code: 8 });
  });

  it("a port that is taken is a fault with a remedy", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    closers.push(() => other.close());
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const failing = start(new HealthState(), port);
    await expect(failing).rejects.toThrow(ConfigError);
    await expect(failing).rejects.toThrow(
      new RegExp(`^cannot listen on 127\\.0\\.0\\.1:${port}: .*; choose another port with --grpc-health-port$`),
    );
  });

  it("closing it ends its connections, and nobody is answered any more", async () => {
    const server = await start();
    expect(await call(server.port, "Check", "")).toEqual({ status: NOT_SERVING });
    const open = watch(connect(server.port));
    await until("it has heard", () => open.statuses.length === 1);
    await server.close();
    expect((await open.ended).code).not.toBe(0);
    expect(await call(server.port, "Check", "")).toMatchObject({ code: 14 });
  });
});
