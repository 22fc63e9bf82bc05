/**
 * TLS on the metrics port: certificate and key from a folder, the CA of clients from a file. A changed certificate is
 * used without a restart; one that cannot be used is a degraded state, and the one before stays.
 */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Clock } from "../base/clock.ts";
import { ConfigError, messageOf } from "../base/errors.ts";
import { CertificateWatch } from "../platform/certificate-watch.ts";
import { describeCertificate, readKeyPair } from "../platform/key-pair-files.ts";
import type { KeyPair } from "../platform/tls.ts";
import type { DegradationReporter } from "../telemetry/health-details.ts";
import type { Logger } from "../telemetry/logger.ts";
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
  const keyPair = naming("--metrics-cert-dir", () => readKeyPair(certDir));
  const clientCa = clientCaFile === "" ? undefined : naming("--metrics-client-ca-file", () => readCa(clientCaFile));
  return { keyPair, clientCa };
}

/** Uses each new certificate of the folder. Returns what ends that. */
export function watchAdminCertificate(options: {
  readonly certDir: string;
  readonly current: KeyPair;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly degraded: DegradationReporter;
  readonly use: (keyPair: KeyPair) => void;
}): () => void {
  const { certDir, current, clock, logger, degraded, use } = options;
  const watch = new CertificateWatch({
    folder: certDir,
    current,
    clock,
    onChanged(keyPair) {
      use(keyPair);
      degraded.clear("certificate-reload-failed", certDir);
      logger.info({ source: certDir, ...describeCertificate(keyPair) }, "certificate of the metrics port reloaded");
    },
    onFault: (message) => degraded.raise("certificate-reload-failed", message, certDir),
    onSound: () => degraded.clear("certificate-reload-failed", certDir),
  });
  return () => watch.close();
}

/** One certificate or several. TLS would take a text that is none in silence, and let nobody in. */
function readCa(file: string): string {
  const text = readFileSync(file, "utf8");
  void new X509Certificate(text);
  return text;
}

function naming<Result>(flag: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw new ConfigError(`${flag}: ${messageOf(error)}`, { cause: error });
  }
}
