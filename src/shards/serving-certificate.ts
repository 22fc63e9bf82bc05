/**
 * The certificate that shards show to proxies: from a folder or made at start, and a new one when the folder changes.
 * Every change and every fault is a log line; a fault is a degraded state, and the certificate before stays in use.
 */
import type { Clock } from "../base/clock.ts";
import { CertificateWatch } from "../platform/certificate-watch.ts";
import { describeCertificate, readKeyPair } from "../platform/key-pair-files.ts";
import type { KeyPair, TlsOptions, TlsServing } from "../platform/tls.ts";
import type { DegradationReporter } from "../telemetry/health-details.ts";
import type { Logger } from "../telemetry/logger.ts";

export interface SecureServing extends TlsOptions {
  /** Folder with tls.crt and tls.key; empty for a self-signed one. */
  readonly certPath: string;
  /** Use a changed certificate. */
  readonly isReloaded: boolean;
  /** Host names and addresses of a self-signed one. */
  readonly names: readonly string[];
}

export interface ServingCertificateOptions {
  readonly secureServing: SecureServing;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly degraded: DegradationReporter;
  readonly onReloaded: (keyPair: KeyPair) => void;
}

export interface ServingCertificate {
  /** What shards start with. */
  readonly tls: TlsServing;
  close(): void;
}

/** Time before the end of a certificate at which it is said: a day for people, after renewers have had weeks. */
const EXPIRY_WARNING_MS: number = 24 * 3_600_000;
/** How often that is looked at. */
const EXPIRY_CHECK_MS = 60_000;

/** Throws a ConfigError when the folder has no certificate that can be used. */
export async function loadServingCertificate(options: ServingCertificateOptions): Promise<ServingCertificate> {
  const { secureServing, clock, logger, degraded, onReloaded } = options;
  const { certPath, isReloaded, names, ...tls } = secureServing;
  const keyPair = certPath === "" ? await makeSelfSigned(names, clock) : readKeyPair(certPath);
  logger.info({ source: certPath || "self-signed", ...describeCertificate(keyPair) }, "certificate of ext_proc");
  let shown = keyPair;
  const checkExpiry = (): void => {
    const { expires } = describeCertificate(shown);
    const isExpiring = Date.parse(expires) - clock.wallMs() < EXPIRY_WARNING_MS;
    if (isExpiring) degraded.raise("certificate-expiring", `it expires at ${expires}`, certPath);
    else degraded.clear("certificate-expiring", certPath);
  };
  checkExpiry();
  const expiryCheck = clock.setInterval(checkExpiry, EXPIRY_CHECK_MS);
  const watch =
    certPath === "" || !isReloaded
      ? undefined
      : new CertificateWatch({
          folder: certPath,
          current: keyPair,
          clock,
          onChanged(changed) {
            degraded.clear("certificate-reload-failed", certPath);
            logger.info({ source: certPath, ...describeCertificate(changed) }, "certificate of ext_proc reloaded");
            shown = changed;
            checkExpiry();
            onReloaded(changed);
          },
          onFault: (message) => degraded.raise("certificate-reload-failed", message, certPath),
          onSound: () => degraded.clear("certificate-reload-failed", certPath),
        });
  const close = (): void => {
    expiryCheck.cancel();
    watch?.close();
  };
  return { tls: { ...tls, keyPair }, close };
}

/** What encodes it takes as long to load as all else: it is loaded when it is needed. */
async function makeSelfSigned(names: readonly string[], clock: Clock): Promise<KeyPair> {
  const { createSelfSignedCertificate } = await import("../platform/self-signed-certificate.ts");
  return createSelfSignedCertificate(names, clock);
}
