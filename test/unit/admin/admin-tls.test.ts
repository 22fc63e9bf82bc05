import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readAdminTls, watchAdminCertificate } from "../../../src/admin/admin-tls.ts";
import { ManualClock } from "../../../src/base/clock.ts";
import { ConfigError } from "../../../src/base/errors.ts";
import type { KeyPair } from "../../../src/platform/tls.ts";
import { HealthDetails } from "../../../src/telemetry/health-details.ts";
import { createLogger } from "../../../src/telemetry/logger.ts";
import { CA, CLIENT, SERVER } from "../../support/certificates.ts";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "magpie-test-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

const keyPair: KeyPair = { cert: SERVER.certificate, key: SERVER.key };

describe("TLS files of the metrics port", () => {
  it("none of them is plain HTTP", () => {
    expect(readAdminTls({})).toBeUndefined();
    expect(readAdminTls({ certDir: "", clientCaFile: "" })).toBeUndefined();
  });

  it("a folder gives certificate and key, a CA file the clients' CA", () => {
    write("tls.crt", SERVER.certificate);
    write("tls.key", SERVER.key);
    expect(readAdminTls({ certDir: folder })).toEqual({ keyPair, clientCa: undefined });
    expect(readAdminTls({ certDir: folder, clientCaFile: write("ca.pem", CA) })).toEqual({ keyPair, clientCa: CA });
  });

  it("a CA without a certificate of the server is a fault that says what to do", () => {
    const read = (): unknown => readAdminTls({ clientCaFile: write("ca.pem", CA) });
    expect(read).toThrow(ConfigError);
    expect(read).toThrow("give --metrics-cert-dir");
  });

  const sound = { "tls.crt": SERVER.certificate, "tls.key": SERVER.key };
  it.each([
    { what: "an empty folder", files: {}, fault: /^--metrics-cert-dir: .*tls.crt: cannot be read: ENOENT/ },
    {
      what: "no key",
      files: { "tls.crt": SERVER.certificate },
      fault: /^--metrics-cert-dir: .*tls.key: cannot be read/,
    },
    {
      what: "a key of another certificate",
      files: { ...sound, "tls.key": CLIENT.key },
      fault: /^--metrics-cert-dir: .*tls.key: is not the key of the certificate/,
    },
    { what: "a CA that is none", files: { ...sound, "ca.pem": "nothing" }, fault: /^--metrics-client-ca-file: / },
    { what: "a CA that is not there", files: { ...sound, other: "" }, fault: /^--metrics-client-ca-file: .*ENOENT/ },
  ])("$what is a fault that names the flag", ({ files, fault }) => {
    for (const [name, text] of Object.entries(files)) write(name, text);
    const read = (): unknown => readAdminTls({ certDir: folder, clientCaFile: path.join(folder, "ca.pem") });
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(fault);
  });

  it("a changed certificate is used; one that cannot be used is a degraded state until it is mended", () => {
    write("tls.crt", SERVER.certificate);
    write("tls.key", SERVER.key);
    const clock = new ManualClock();
    const logger = createLogger({ level: "silent" });
    const degraded = new HealthDetails({ clock, logger });
    const used: KeyPair[] = [];
    const use = (given: KeyPair): void => void used.push(given);
    const end = watchAdminCertificate({ certDir: folder, current: keyPair, clock, logger, degraded, use });
    // Each minute the files are looked at, also where nobody tells of changes.
    write("tls.crt", "half a file");
    clock.advance(60_000);
    expect(degraded.list()).toMatchObject([{ code: "certificate-reload-failed", subject: folder }]);
    expect(used).toEqual([]);
    write("tls.crt", CLIENT.certificate);
    write("tls.key", CLIENT.key);
    clock.advance(60_000);
    expect(degraded.list()).toEqual([]);
    expect(used).toEqual([{ cert: CLIENT.certificate, key: CLIENT.key }]);
    end();
    expect(clock.pendingCount).toBe(0);
  });
});
