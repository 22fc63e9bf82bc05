/** A certificate and its key from a folder, in the files that Kubernetes gives a TLS secret. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { createSecureContext } from "node:tls";
import { ConfigError, messageOf } from "../base/errors.ts";
import type { KeyPair } from "./tls.ts";

const CERTIFICATE_FILE = "tls.crt";
const KEY_FILE = "tls.key";

/** The pair of a folder. Throws a ConfigError when a file is missing or not PEM, or the two do not belong together. */
export function readKeyPair(folder: string): KeyPair {
  const [certFile, keyFile] = [path.join(folder, CERTIFICATE_FILE), path.join(folder, KEY_FILE)];
  const [cert, key] = [readPem(certFile), readPem(keyFile)];
  const certificate = explain(certFile, "is no certificate in PEM", () => new X509Certificate(cert));
  const privateKey: KeyObject = explain(keyFile, "is no private key in PEM", () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new ConfigError(`${keyFile}: is not the key of the certificate in ${certFile}`);
  }
  // What a listener will do with them: finds a broken chain behind a sound first certificate.
  explain(certFile, "cannot be served", () => createSecureContext({ cert, key }));
  return { cert, key };
}

/** What people want to know of a certificate: for log lines. */
export function describeCertificate({ cert }: KeyPair): {
  readonly subject: string;
  readonly names: string;
  readonly expires: string;
} {
  const { subject, subjectAltName = "", validTo } = new X509Certificate(cert);
  return { subject: subject.replaceAll("\n", ", "), names: subjectAltName, expires: new Date(validTo).toISOString() };
}

function readPem(file: string): string {
  return explain(file, "cannot be read", () => readFileSync(file, "utf8"));
}

function explain<Result>(file: string, what: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw new ConfigError(`${file}: ${what}: ${messageOf(error)}`, { cause: error });
  }
}
