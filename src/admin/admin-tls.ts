/** Reads what TLS on the metrics port needs: `tls.crt` and `tls.key` of a directory, and the CA of its clients. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { createSecureContext } from "node:tls";
import { ConfigError, messageOf } from "../base/errors.ts";
import type { AdminTls } from "./admin-server.ts";

export interface AdminTlsFiles {
  /** `--metrics-cert-dir`; plain HTTP when empty. */
  readonly certDir?: string | undefined;
  /** `--metrics-client-ca-file`; clients need no certificate when empty. */
  readonly clientCaFile?: string | undefined;
}

/** Undefined for plain HTTP. Throws a ConfigError that names the file and the flag. */
export function readAdminTls({ certDir = "", clientCaFile = "" }: AdminTlsFiles): AdminTls | undefined {
  if (certDir === "") {
    if (clientCaFile === "") return undefined;
    throw new ConfigError("--metrics-client-ca-file needs a certificate of the server, too: give --metrics-cert-dir");
  }
  const tls = {
    certificate: readPem(path.join(certDir, "tls.crt"), "--metrics-cert-dir"),
    key: readPem(path.join(certDir, "tls.key"), "--metrics-cert-dir"),
    clientCa: clientCaFile === "" ? undefined : readPem(clientCaFile, "--metrics-client-ca-file"),
  };
  try {
    // A CA that is none is taken in silence there, and would let nobody in.
    if (tls.clientCa !== undefined) void new X509Certificate(tls.clientCa);
    createSecureContext({ cert: tls.certificate, key: tls.key, ca: tls.clientCa });
  } catch (error) {
    const what = `certificate, key and CA of the metrics port cannot be used together: ${messageOf(error)}`;
    throw new ConfigError(`${what}; see --metrics-cert-dir (${certDir}), --metrics-client-ca-file`, { cause: error });
  }
  return tls;
}

function readPem(file: string, flag: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError(`${file}: cannot be read: ${messageOf(error)}; see ${flag}`, { cause: error });
  }
  if (text.includes("-----BEGIN ")) return text;
  throw new ConfigError(`${file}: is not in PEM form (-----BEGIN …); see ${flag}`);
}
