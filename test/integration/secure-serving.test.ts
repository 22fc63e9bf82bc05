/** The picker over TLS, its shards in threads of their own: certificates, what is refused, what is said about it. */
import { X509Certificate } from "node:crypto";
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { ConfigError } from "../../src/base/errors.ts";
import type { KeyPair } from "../../src/platform/tls.ts";
import { supportsReusePort } from "../../src/shards/pool.ts";
import type { SecureServing } from "../../src/shards/serving-certificate.ts";
import { mountSecret, newFolder, newKeyPair, removeFolders, type SecretFolder } from "../support/certificate-folder.ts";
import { closeEpps, LOOPBACK, startTestEpp, type TestEpp } from "../support/epp.ts";
import { ExtProcClient } from "../support/ext-proc-client.ts";
import { bodyMessages, chatBody, requestHeaders } from "../support/ext-proc-messages.ts";
import { addressesOf, closeSimulators, startSimulators } from "../support/fleet-of-simulators.ts";
import { checkHealth } from "../support/health-client.ts";
import { readMetric } from "../support/metrics.ts";
import { until } from "../support/until.ts";

const clients: ExtProcClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await closeEpps();
  await closeSimulators();
  removeFolders();
});

const SELF_SIGNED: SecureServing = { minVersion: "TLSv1.2", certPath: "", isReloaded: false, names: ["localhost"] };

function fromFolder({ path }: SecretFolder): SecureServing {
  return { ...SELF_SIGNED, certPath: path, isReloaded: true };
}

function connect(port: number, isSecure = true): ExtProcClient {
  const client = new ExtProcClient(port, { isSecure });
  clients.push(client);
  return client;
}

/** What a new connection is shown. */
async function shownCertificate(port: number): Promise<string> {
  return await new Promise((resolve, reject) => {
    const options = { host: LOOPBACK, port, ALPNProtocols: ["h2"], rejectUnauthorized: false };
    const socket = connectTls(options, () => {
      const { raw } = socket.getPeerCertificate();
      socket.destroy();
      resolve(fingerprint(raw));
    });
    socket.on("error", reject);
  });
}

function fingerprint(certificate: Buffer | string): string {
  return new X509Certificate(certificate).fingerprint256;
}

async function untilShown(port: number, { cert }: KeyPair): Promise<void> {
  await until("the new certificate is shown", async () => (await shownCertificate(port)) === fingerprint(cert));
}

/** Connections are spread over the shards: so many at once meet each of them. */
async function untilShownByAll(port: number, { cert }: KeyPair): Promise<void> {
  await until("every shard shows the new certificate", async () => {
    const shown = await Promise.all(Array.from({ length: 16 }, () => shownCertificate(port)));
    return shown.every((certificate) => certificate === fingerprint(cert));
  });
}

function logged({ logLines }: TestEpp, message: string): boolean {
  return logLines.some(({ msg }) => msg.includes(message));
}

describe("a picker over TLS", () => {
  it("serves with a certificate of its own, by HTTP/2 alone", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(1)), { tls: SELF_SIGNED });
    expect(await connect(epp.grpcPort).ask(chatBody("hello"))).toMatchObject({ kind: "routed" });
    expect(logged(epp, "certificate of ext_proc")).toBe(true);
    const socket = connectTls({ host: LOOPBACK, port: epp.grpcPort, ALPNProtocols: ["h2"], rejectUnauthorized: false });
    await new Promise((resolve) => socket.once("secureConnect", resolve));
    expect([socket.alpnProtocol, socket.getProtocol()]).toEqual(["h2", "TLSv1.3"]);
    socket.destroy();
  });

  it("passes bodies of megabytes whole, both ways", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(1)), { tls: SELF_SIGNED });
    const body = chatBody("x".repeat(3_000_000));
    const answer = await connect(epp.grpcPort).ask(body);
    expect(answer.kind === "routed" && answer.body.equals(body)).toBe(true);
  });

  it("does not speak plaintext, and says so in the log and a metric, however often it is tried", async () => {
    const epp = await startTestEpp([], { tls: SELF_SIGNED });
    await expect(connect(epp.grpcPort, false).ask(chatBody("hello"))).rejects.toThrow("the stream ended with 14");
    const failed = "clients did not come through the TLS handshake of ext_proc";
    await until("it is logged", () => logged(epp, failed));
    const [line] = epp.logLines.filter(({ msg }) => msg === failed);
    expect(line).toMatchObject({ level: 40, reason: expect.stringContaining("--secure-serving=false") });
    expect(await readMetric(epp.metricsPort, "endpoint_picker_tls_handshakes_failed_total")).toBeGreaterThanOrEqual(1);
    expect(epp.logLines.filter(({ msg }) => msg === failed)).toHaveLength(1);
  });

  it("takes no probe of the port for a failed handshake, but a client that speaks HTTP/1", async () => {
    const epp = await startTestEpp([], { tls: SELF_SIGNED });
    for (let count = 0; count < 3; count++) {
      const probe = connectTcp(epp.grpcPort, LOOPBACK, () => probe.end());
      await new Promise((resolve) => probe.resume().once("close", resolve));
    }
    const plain = connectTcp(epp.grpcPort, LOOPBACK, () => plain.write("GET / HTTP/1.1\r\n\r\n"));
    await new Promise((resolve) => plain.resume().on("error", resolve).once("close", resolve));
    const failed = async (): Promise<number> =>
      (await readMetric(epp.metricsPort, "endpoint_picker_tls_handshakes_failed_total")) ?? 0;
    await until("the failed handshake is counted", async () => (await failed()) > 0);
    expect(await failed()).toBe(1);
  });

  it("answers health on its own port, too, where that is wanted; the other port stays plaintext", async () => {
    const epp = await startTestEpp([], { tls: SELF_SIGNED, healthOnGrpcPort: true });
    expect(await checkHealth(epp.healthPort)).toBe("SERVING");
    await until("a shard has heard of it", async () => {
      return (await checkHealth(epp.grpcPort, { isSecure: true })) === "SERVING";
    });
  });

  it("has no health on the port of ext_proc unless told so", async () => {
    const epp = await startTestEpp([]);
    expect(await checkHealth(epp.grpcPort)).toContain("UNIMPLEMENTED");
  });

  it("drains: an open stream goes on, and nothing is cut that ends in time", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(1)), { tls: SELF_SIGNED });
    const stream = connect(epp.grpcPort).open();
    await stream.ask(chatBody("hello"));
    const closed = epp.close(10_000);
    await until("health says so", async () => (await checkHealth(epp.healthPort)) === "NOT_SERVING");
    stream.send({ kind: "responseHeaders", headers: [{ name: ":status", value: "200" }] });
    await stream.answered((answers) => answers.at(-1)?.kind === "responseHeaders");
    stream.halfClose();
    expect([(await stream.ended).code, await closed]).toEqual([0, { streamsCut: 0 }]);
  });

  it("that has to end counts the streams that it cuts", async () => {
    const epp = await startTestEpp(addressesOf(await startSimulators(1)), { tls: SELF_SIGNED });
    const client = connect(epp.grpcPort);
    await Promise.all([client.open().ask(chatBody("hello")), client.open().ask(chatBody("you"))]);
    expect(await epp.close(100)).toEqual({ streamsCut: 2 });
  });

  it.each([
    { name: "no folder", folder: () => "/nowhere/tls", says: "/nowhere/tls/tls.crt: cannot be read" },
    { name: "no key", folder: () => newFolder({ cert: newKeyPair().cert }), says: "tls.key: cannot be read" },
    {
      name: "another's key",
      folder: () => newFolder({ ...newKeyPair(), key: newKeyPair().key }),
      says: "is not the key",
    },
  ])("with $name does not start, and says why", async ({ folder, says }) => {
    const starting = startTestEpp([], { tls: { ...SELF_SIGNED, certPath: folder() } });
    await expect(starting).rejects.toThrow(ConfigError);
    await expect(starting).rejects.toThrow(says);
  });
});

describe("a certificate that is replaced", () => {
  const SHARDS = supportsReusePort() ? [1, 2] : [1];

  it.each(SHARDS)("is shown to new connections of %d shards, while an open stream goes on", async (shardCount) => {
    const [first, second, third] = [newKeyPair(), newKeyPair(), newKeyPair()];
    const secret = mountSecret(first);
    const endpoints = addressesOf(await startSimulators(1));
    const epp = await startTestEpp(endpoints, { tls: fromFolder(secret), shardCount });
    expect(await shownCertificate(epp.grpcPort)).toBe(fingerprint(first.cert));
    const stream = connect(epp.grpcPort).open();
    await stream.ask(chatBody("hello"));
    for (const next of [second, third]) {
      secret.replace(next);
      await untilShownByAll(epp.grpcPort, next);
    }
    stream.send({ kind: "responseHeaders", headers: [{ name: ":status", value: "200" }] });
    await stream.answered((answers) => answers.at(-1)?.kind === "responseHeaders");
    expect(await connect(epp.grpcPort).ask(chatBody("hello"))).toMatchObject({ kind: "routed" });
    expect(logged(epp, "certificate of ext_proc reloaded")).toBe(true);
  });

  it("changes nothing else: versions and cipher suites that were kept out stay out", async () => {
    const [first, second] = [newKeyPair(), newKeyPair()];
    const secret = mountSecret(first);
    const epp = await startTestEpp([], { tls: { ...fromFolder(secret), minVersion: "TLSv1.3" } });
    secret.replace(second);
    await untilShown(epp.grpcPort, second);
    const old = connectTls({ host: LOOPBACK, port: epp.grpcPort, maxVersion: "TLSv1.2", rejectUnauthorized: false });
    const outcome = await new Promise((resolve) => {
      old.once("secureConnect", () => resolve("shaken hands")).once("error", () => resolve("refused"));
    });
    old.destroy();
    expect(outcome).toBe("refused");
  });

  it("is what a shard shows that starts again afterwards", async () => {
    const [first, second] = [newKeyPair(), newKeyPair()];
    const secret = mountSecret(first);
    const epp = await startTestEpp([], { tls: fromFolder(secret) });
    secret.replace(second);
    await untilShown(epp.grpcPort, second);
    await epp.shards.kill(0);
    await until("the shard is back", () => shownCertificate(epp.grpcPort).catch(() => undefined));
    expect(await shownCertificate(epp.grpcPort)).toBe(fingerprint(second.cert));
  });

  it("by one that cannot be used leaves the one before, as a degraded state, until a good one comes", async () => {
    const [first, second] = [newKeyPair(), newKeyPair()];
    const secret = mountSecret(first);
    const epp = await startTestEpp([], { tls: fromFolder(secret) });
    const isDegraded = (): boolean => epp.degraded.list().some(({ code }) => code === "certificate-reload-failed");
    secret.replace({ cert: second.cert, key: first.key });
    await until("the fault is known", isDegraded);
    const state = epp.degraded.list().find(({ code }) => code === "certificate-reload-failed");
    expect(state).toMatchObject({ subject: secret.path, detail: expect.stringContaining("tls.key") });
    expect(await shownCertificate(epp.grpcPort)).toBe(fingerprint(first.cert));
    const labels = { state: "certificate-reload-failed" };
    expect(await readMetric(epp.metricsPort, "endpoint_picker_degraded", labels)).toBe(1);
    secret.replace(second);
    await until("the fault is over", () => !isDegraded());
    await untilShown(epp.grpcPort, second);
  });

  it("is not looked at unless told so", async () => {
    const [first, second] = [newKeyPair(), newKeyPair()];
    const [watched, fixed] = [mountSecret(first), mountSecret(first)];
    const epp = await startTestEpp([], { tls: { ...fromFolder(fixed), isReloaded: false } });
    const other = await startTestEpp([], { tls: fromFolder(watched) });
    fixed.replace(second);
    watched.replace(second);
    await untilShown(other.grpcPort, second);
    expect(await shownCertificate(epp.grpcPort)).toBe(fingerprint(first.cert));
  });
});

describe("bounds of messages", () => {
  it("a message from the proxy that is larger than it may be ends its stream; a smaller one does not", async () => {
    const endpoints = addressesOf(await startSimulators(1));
    const epp = await startTestEpp(endpoints, { messageReceiveSizeMax: 20_000 });
    expect(await connect(epp.grpcPort, false).ask(chatBody("x".repeat(10_000)))).toMatchObject({ kind: "routed" });
    const stream = connect(epp.grpcPort, false).open();
    stream.send(requestHeaders(), ...bodyMessages("requestBody", chatBody("x".repeat(30_000)), { pieceSize: 40_000 }));
    expect(await stream.ended).toMatchObject({ code: 8 });
  });

  it("a message to the proxy that is larger than it may be ends its stream", async () => {
    const endpoints = addressesOf(await startSimulators(1));
    const epp = await startTestEpp(endpoints, { messageSendSizeMax: 20_000 });
    expect(await connect(epp.grpcPort, false).ask(chatBody("x".repeat(10_000)))).toMatchObject({ kind: "routed" });
    const stream = connect(epp.grpcPort, false).open();
    stream.send(requestHeaders(), ...bodyMessages("requestBody", chatBody("x".repeat(30_000)), { pieceSize: 40_000 }));
    expect(await stream.ended).toMatchObject({ code: 8 });
    await until("nothing is charged", () =>
      epp.endpoints.endpoints.every(({ slot }) => epp.counters.inFlightRequests(slot) === 0),
    );
  });

  it("a socket that says nothing does not keep the picker from ending", async () => {
    const epp = await startTestEpp([], { tls: SELF_SIGNED });
    const socket = connectTcp(epp.grpcPort, LOOPBACK).on("error", () => undefined);
    await new Promise((resolve) => socket.once("connect", resolve));
    const closed = new Promise((resolve) => socket.once("close", resolve));
    expect(await epp.close(10_000)).toEqual({ streamsCut: 0 });
    await closed;
  });
});
