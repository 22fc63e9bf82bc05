import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { ConfigError } from "../../../src/base/errors.ts";
import { describeCertificate, readKeyPair } from "../../../src/platform/key-pair-files.ts";
import type { KeyPair } from "../../../src/platform/tls.ts";
import { newFolder, newKeyPair, removeFolders } from "../../support/certificate-folder.ts";
import { CA, SERVER } from "../../support/certificates.ts";

afterEach(removeFolders);

describe("a key pair in a folder", () => {
  it("is read, a whole chain too", () => {
    const pair = newKeyPair();
    expect(readKeyPair(newFolder(pair))).toEqual(pair);
    const chain = { cert: SERVER.certificate + CA, key: SERVER.key };
    expect(readKeyPair(newFolder(chain))).toEqual(chain);
  });

  const pair = newKeyPair();
  const CASES: readonly { name: string; files: Partial<KeyPair>; file: string; says: RegExp }[] = [
    { name: "without a certificate", files: { key: pair.key }, file: "tls.crt", says: /cannot be read: ENOENT/ },
    { name: "without a key", files: { cert: pair.cert }, file: "tls.key", says: /cannot be read: ENOENT/ },
    { name: "with an empty certificate", files: { ...pair, cert: "" }, file: "tls.crt", says: /is no certificate/ },
    {
      name: "with half a certificate",
      files: { ...pair, cert: pair.cert.slice(0, 300) },
      file: "tls.crt",
      says: /is no c/,
    },
    {
      name: "with a certificate for a key",
      files: { ...pair, key: pair.cert },
      file: "tls.key",
      says: /is no private key/,
    },
    {
      name: "with the key of another certificate",
      files: { ...pair, key: newKeyPair().key },
      file: "tls.key",
      says: /is not the key of the certificate in /,
    },
    {
      name: "with a broken chain",
      files: { ...pair, cert: `${pair.cert}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n` },
      file: "tls.crt",
      says: /cannot be served/,
    },
  ];
  it.each(CASES)("$name is refused, with the file and why", ({ files, file, says }) => {
    const folder = newFolder(files);
    expect(() => readKeyPair(folder)).toThrow(ConfigError);
    expect(() => readKeyPair(folder)).toThrow(says);
    expect(() => readKeyPair(folder)).toThrow(`${path.join(folder, file)}: `);
  });

  it("is described for people", () => {
    expect(describeCertificate(newKeyPair("epp.team.svc"))).toEqual({
      subject: "CN=magpie-epp self-signed",
      names: "DNS:epp.team.svc, IP Address:127.0.0.1",
      expires: expect.stringMatching(/^20\d\d-\d\d-\d\dT/),
    });
  });
});
