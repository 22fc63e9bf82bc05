/** Scraping over https: who is trusted, and what is shown. */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type ServerOptions } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { ConfigError } from "../../../src/base/errors.ts";
import type { SourceTls } from "../../../src/framework/data-sources.ts";
import type { ScrapePlan } from "../../../src/scrape/scrape-plan.ts";
import { CA, CLIENT, SERVER, STRANGER } from "../../support/certificates.ts";
import { closeScrapes, endpointAt, exposition, INTERVAL_MS, outcome, PLAN, servers, setUp } from "./support.ts";

const folder = mkdtempSync(path.join(tmpdir(), "magpie-scrape-tls-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(closeScrapes);

function file(name: string, text: string): string {
  const full = path.join(folder, name);
  writeFileSync(full, text);
  return full;
}

const files = {
  ca: file("ca.pem", CA),
  certificate: file("client.pem", CLIENT.certificate),
  key: file("client.key", CLIENT.key),
  strange: file("stranger.pem", STRANGER.certificate),
  strangeKey: file("stranger.key", STRANGER.key),
};

const NOTHING: SourceTls = {
  insecureSkipVerify: false,
  caCertPath: undefined,
  clientCertPath: undefined,
  clientKeyPath: undefined,
};

function planWith(tls: Partial<SourceTls>): ScrapePlan {
  return {
    ...PLAN,
    metrics: PLAN.metrics && { ...PLAN.metrics, scheme: "https", tls: { ...NOTHING, ...tls } },
  };
}

/** An https server; how many connections it has had. */
async function serveTls(options: ServerOptions = {}): Promise<{ port: number; connections: () => number }> {
  let connections = 0;
  const server = createServer({ key: SERVER.key, cert: SERVER.certificate, ...options }, (_request, response) => {
    response.end(exposition(6));
  });
  server.on("secureConnection", (socket: Socket) => {
    connections++;
    // A client that goes away in the middle of a handshake is no fault of the test.
    socket.on("error", () => undefined);
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, connections: () => connections };
}

describe("a server that speaks https", () => {
  it.each([
    { name: "any certificate will do", tls: { insecureSkipVerify: true }, kind: "scraped" },
    { name: "its CA is given", tls: { caCertPath: files.ca }, kind: "scraped" },
    { name: "its CA is not known", tls: {}, kind: "failed" },
    { name: "another CA is given", tls: { caCertPath: files.strange }, kind: "failed" },
  ])("is $kind where $name", async ({ tls, kind }) => {
    const { port } = await serveTls();
    const { scraper, outcomes } = setUp(planWith(tls));
    scraper.add(endpointAt(port));
    expect(await outcome(outcomes, 1)).toMatchObject({ kind });
  });

  it("is asked again over the same connection", async () => {
    const { port, connections } = await serveTls();
    const { clock, scraper, outcomes } = setUp(planWith({ caCertPath: files.ca }));
    scraper.add(endpointAt(port));
    for (let scrape = 1; scrape <= 3; scrape++) {
      expect(await outcome(outcomes, scrape)).toMatchObject({ metrics: { queueDepthRequests: 6 } });
      clock.advance(INTERVAL_MS);
    }
    await outcome(outcomes, 4);
    expect(connections()).toBe(1);
  });

  it.each([
    { name: "shown", tls: { clientCertPath: files.certificate, clientKeyPath: files.key }, kind: "scraped" },
    { name: "not shown", tls: {}, kind: "failed" },
    { name: "of another CA", tls: { clientCertPath: files.strange, clientKeyPath: files.strangeKey }, kind: "failed" },
  ])("and wants a certificate of its clients, which is $name: $kind", async ({ tls, kind }) => {
    const { port } = await serveTls({ ca: CA, requestCert: true, rejectUnauthorized: true });
    const { scraper, outcomes } = setUp(planWith({ caCertPath: files.ca, ...tls }));
    scraper.add(endpointAt(port));
    expect(await outcome(outcomes, 1)).toMatchObject({ kind });
  });
});

describe("certificates of a source", () => {
  it.each([
    { tls: { caCertPath: path.join(folder, "none.pem") }, fault: /^caCertPath: .*none\.pem cannot be read: ENOENT/ },
    { tls: { clientKeyPath: files.key }, fault: "clientCertPath and clientKeyPath go together" },
  ])("that cannot be used are faults at start: $fault", ({ tls, fault }) => {
    expect(() => setUp(planWith(tls))).toThrow(ConfigError);
    expect(() => setUp(planWith(tls))).toThrow(fault);
  });
});
