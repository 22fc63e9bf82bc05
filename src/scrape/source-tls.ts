/** Reads the certificates of a source that speaks https. */
import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";
import { ConfigError, messageOf } from "../base/errors.ts";
import type { DataSource } from "../framework/data-sources.ts";

/** How its connections are made; undefined for plain http. Throws a ConfigError when a file cannot be read. */
export function readTls({ scheme, tls }: Pick<DataSource, "scheme" | "tls">): ConnectionOptions | undefined {
  if (scheme === "http") return undefined;
  const read = (parameter: string, path: string | undefined): Buffer | undefined => {
    if (path === undefined) return undefined;
    try {
      return readFileSync(path);
    } catch (error) {
      throw new ConfigError(`${parameter}: ${path} cannot be read: ${messageOf(error)}`, { cause: error });
    }
  };
  const ca = read("caCertPath", tls.caCertPath);
  const cert = read("clientCertPath", tls.clientCertPath);
  const key = read("clientKeyPath", tls.clientKeyPath);
  if ((cert === undefined) !== (key === undefined)) {
    throw new ConfigError("clientCertPath and clientKeyPath go together; only one of them is given");
  }
  return {
    rejectUnauthorized: !tls.insecureSkipVerify,
    ALPNProtocols: ["http/1.1"],
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
  };
}
