/**
 * What TLS is served with, and its flags: the least version and the cipher suites by the names that Go and Kubernetes
 * use, as what Node and OpenSSL call them.
 */
import { ConfigError } from "../base/errors.ts";

/** A certificate chain and its key, both PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface TlsOptions {
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  /** OpenSSL's list; its own choice when absent. */
  readonly ciphers?: string;
}

/** Everything that a listener needs. Plain data: it goes to other threads. */
export interface TlsServing extends TlsOptions {
  readonly keyPair: KeyPair;
}

/** Throws a ConfigError that names the flag and what is known. */
export function readTlsOptions(flags: {
  readonly tlsMinVersion: string;
  readonly tlsCipherSuites: readonly string[];
}): TlsOptions {
  const ciphers = cipherList(flags.tlsCipherSuites);
  return { minVersion: readVersion(flags.tlsMinVersion), ...(ciphers !== undefined && { ciphers }) };
}

function readVersion(text: string): TlsOptions["minVersion"] {
  if (text === "" || text === "VersionTLS12" || text === "1.2") return "TLSv1.2";
  if (text === "VersionTLS13" || text === "1.3") return "TLSv1.3";
  throw new ConfigError(`--tls-min-version: "${text}" is none of VersionTLS12, VersionTLS13, 1.2, 1.3`);
}

/** Suites of TLS 1.3 have one name everywhere. */
const TLS13_SUITES: readonly string[] = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
];

/** Go's name, and OpenSSL's. What OpenSSL 3 has switched off (RC4, 3DES) is left out. */
const TLS12_SUITES: Readonly<Record<string, string>> = {
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: "ECDHE-ECDSA-AES128-GCM-SHA256",
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: "ECDHE-ECDSA-AES256-GCM-SHA384",
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305: "ECDHE-ECDSA-CHACHA20-POLY1305",
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: "ECDHE-RSA-AES128-GCM-SHA256",
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: "ECDHE-RSA-AES256-GCM-SHA384",
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-RSA-CHACHA20-POLY1305",
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305: "ECDHE-RSA-CHACHA20-POLY1305",
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: "ECDHE-ECDSA-AES128-SHA",
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: "ECDHE-ECDSA-AES256-SHA",
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256: "ECDHE-ECDSA-AES128-SHA256",
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: "ECDHE-RSA-AES128-SHA",
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: "ECDHE-RSA-AES256-SHA",
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256: "ECDHE-RSA-AES128-SHA256",
  TLS_RSA_WITH_AES_128_GCM_SHA256: "AES128-GCM-SHA256",
  TLS_RSA_WITH_AES_256_GCM_SHA384: "AES256-GCM-SHA384",
  TLS_RSA_WITH_AES_128_CBC_SHA: "AES128-SHA",
  TLS_RSA_WITH_AES_256_CBC_SHA: "AES256-SHA",
  TLS_RSA_WITH_AES_128_CBC_SHA256: "AES128-SHA256",
};

/** Those of TLS 1.3 cannot be chosen in Go and are always there; Node would switch TLS 1.3 off without one of them. */
function cipherList(names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined;
  const tls12 = names
    .filter((name) => !TLS13_SUITES.includes(name))
    .map((name) => {
      const cipher = TLS12_SUITES[name];
      if (cipher !== undefined) return cipher;
      const known = [...Object.keys(TLS12_SUITES), ...TLS13_SUITES].join(", ");
      throw new ConfigError(`--tls-cipher-suites: "${name}" is none of ${known}`);
    });
  return [...TLS13_SUITES, ...new Set(tls12)].join(":");
}
