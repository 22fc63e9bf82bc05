import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readAdminTls } from "../../../src/admin/admin-tls.ts";
import { ConfigError } from "../../../src/base/errors.ts";
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

describe("TLS files of the metrics port", () => {
  it("none of them is plain HTTP", () => {
    expect(readAdminTls({})).toBeUndefined();
    expect(readAdminTls({ certDir: "", clientCaFile: "" })).toBeUndefined();
  });

  it("a directory gives certificate and key, a CA file the clients' CA", () => {
    write("tls.crt", SERVER.certificate);
    write("tls.key", SERVER.key);
    expect(readAdminTls({ certDir: folder })).toEqual({ ...SERVER, clientCa: undefined });
    expect(readAdminTls({ certDir: folder, clientCaFile: write("ca.pem", CA) })).toEqual({ ...SERVER, clientCa: CA });
  });

  it.each([
    {
      what: "a CA without a directory",
      files: {},
      given: { clientCaFile: "ca.pem" },
      fault: "give --metrics-cert-dir",
    },
    { what: "an empty directory", files: {}, given: {}, fault: "tls.crt: cannot be read: ENOENT" },
    { what: "no key", files: { "tls.crt": SERVER.certificate }, given: {}, fault: "tls.key: cannot be read: ENOENT" },
    {
      what: "a key that is none",
      files: { "tls.crt": SERVER.certificate, "tls.key": "secret" },
      given: {},
      fault: "tls.key: is not in PEM form (-----BEGIN …); see --metrics-cert-dir",
    },
    {
      what: "a key of another certificate",
      files: { "tls.crt": SERVER.certificate, "tls.key": CLIENT.key },
      given: {},
      fault: "cannot be used together",
    },
    {
      what: "a CA that is none",
      files: { "tls.crt": SERVER.certificate, "tls.key": SERVER.key, "ca.pem": "-----BEGIN NOTHING-----" },
      given: { clientCaFile: "ca.pem" },
      fault: "cannot be used together",
    },
  ])("$what is a fault that says what to do", ({ what, files, given, fault }) => {
    for (const [name, text] of Object.entries(files)) write(name, text);
    const inFolder = given.clientCaFile === undefined ? {} : { clientCaFile: path.join(folder, given.clientCaFile) };
    const read = (): unknown =>
      readAdminTls({ ...(what !== "a CA without a directory" && { certDir: folder }), ...inFolder });
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(fault);
  });
});
