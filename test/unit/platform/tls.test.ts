/** Names are checked against Node's own list of ciphers, and by handshakes between Node's client and server. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer, getCiphers } from "node:tls";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../src/base/clock.ts";
import { ConfigError } from "../../../src/base/errors.ts";
import { createSelfSignedCertificate } from "../../../src/platform/self-signed-certificate.ts";
import { readTlsOptions } from "../../../src/platform/tls.ts";

const KEY_PAIR = createSelfSignedCertificate(["localhost"], systemClock);

function read(tlsMinVersion: string, ...tlsCipherSuites: string[]) {
  return readTlsOptions({ tlsMinVersion, tlsCipherSuites });
}

/** Protocol and cipher that such a client gets; undefined when there is no handshake. */
async function shake(
  options: ReturnType<typeof read>,
  client: { maxVersion?: "TLSv1.2"; ciphers?: string } = {},
): Promise<string | undefined> {
  const server = createServer({ ...KEY_PAIR, ...options });
  server.on("tlsClientError", () => undefined);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ...client });
  const result = await new Promise<string | undefined>((resolve) => {
    socket.on("secureConnect", () => resolve(`${socket.getProtocol()} ${socket.getCipher().standardName}`));
    socket.on("error", () => resolve(undefined));
  });
  socket.destroy();
  server.close();
  return result;
}

describe("the least version of TLS", () => {
  it.each([
    ["", "TLSv1.2"],
    ["VersionTLS12", "TLSv1.2"],
    ["1.2", "TLSv1.2"],
    ["VersionTLS13", "TLSv1.3"],
    ["1.3", "TLSv1.3"],
  ])("%j is %s", (text, minVersion) => {
    expect(read(text)).toEqual({ minVersion });
  });

  it.each(["VersionTLS10", "VersionTLS11", "TLSv1.2", "2"])("%s is refused with those that are known", (text) => {
    expect(() => read(text)).toThrow(ConfigError);
    expect(() => read(text)).toThrow(`--tls-min-version: "${text}" is none of VersionTLS12, VersionTLS13, 1.2, 1.3`);
  });

  it("keeps older clients out", async () => {
    expect(await shake(read("1.3"), { maxVersion: "TLSv1.2" })).toBeUndefined();
    expect(await shake(read("1.2"), { maxVersion: "TLSv1.2" })).toMatch(/^TLSv1\.2 /);
    expect(await shake(read("1.3"))).toMatch(/^TLSv1\.3 /);
  });
});

describe("cipher suites", () => {
  it("are OpenSSL's own choice where none is named", () => {
    expect(read("1.2").ciphers).toBeUndefined();
  });

  it("of TLS 1.2 are what OpenSSL calls them, in their order, each once; those of TLS 1.3 stay", () => {
    const { ciphers } = read(
      "1.2",
      "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
      "TLS_AES_128_GCM_SHA256",
      "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
      "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    );
    expect(ciphers?.split(":")).toEqual([
      ...["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"],
      ...["ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"],
    ]);
  });

  it("that are named in the error of an unknown one are all known to OpenSSL", () => {
    let message = "";
    try {
      read("1.2", "TLS_RSA_WITH_RC4_128_SHA");
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toMatch(/^--tls-cipher-suites: "TLS_RSA_WITH_RC4_128_SHA" is none of TLS_/);
    const known = message.split(" is none of ")[1]?.split(", ") ?? [];
    expect(known.length).toBeGreaterThan(20);
    for (const name of known) {
      const openSsl = read("1.2", name).ciphers?.split(":").slice(3) ?? [];
      for (const cipher of openSsl) expect(getCiphers()).toContain(cipher.toLowerCase());
    }
  });

  it("leave only what was named for TLS 1.2, and TLS 1.3 as it is", async () => {
    const options = read("1.2", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
    expect(await shake(options, { maxVersion: "TLSv1.2" })).toBe("TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
    const other = { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" } as const;
    expect(await shake(options, other)).toBeUndefined();
    expect(await shake(options)).toMatch(/^TLSv1\.3 /);
  });
});
