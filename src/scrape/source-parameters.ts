/** Parameters that all polled data sources share, the Go picker's. */
import { z } from "zod";
import type { DataSource } from "../framework/data-sources.ts";
import { positiveDurationMs } from "../framework/parameters.ts";

export interface SourceParameters {
  readonly scheme: "http" | "https";
  readonly path: string;
  readonly port?: number | undefined;
  readonly insecureSkipVerify: boolean;
  readonly caCertPath?: string | undefined;
  readonly clientCertPath?: string | undefined;
  readonly clientKeyPath?: string | undefined;
  readonly interval?: number | undefined;
}

const portNumber = z.int().min(0, "must be a port, 1 to 65535").max(65_535, "must be a port, 1 to 65535");
const filePath = z.string().optional().describe("Path of a PEM file.");

export function sourceParameters(pathDefault: string, intervalDefault: string): z.ZodType<SourceParameters> {
  return z.strictObject({
    scheme: z.enum(["http", "https"]).default("http"),
    path: z
      .string()
      .regex(/^\/[\x21-\x7e]*$/, 'must begin with "/" and have no blanks')
      .default(pathDefault),
    port: portNumber.optional().describe("The endpoint's own port when absent or 0."),
    insecureSkipVerify: z.boolean().default(true).describe("Take any certificate, whatever `caCertPath` says."),
    caCertPath: filePath,
    clientCertPath: filePath,
    clientKeyPath: filePath,
    interval: positiveDurationMs.optional().describe(intervalDefault),
  });
}

export function describeSource(
  kind: DataSource["kind"],
  parameters: SourceParameters,
  intervalMs: number | undefined,
): DataSource {
  const { scheme, path, port, insecureSkipVerify, caCertPath, clientCertPath, clientKeyPath } = parameters;
  return {
    kind,
    scheme,
    path,
    port: port === 0 ? undefined : port,
    tls: {
      insecureSkipVerify,
      caCertPath: given(caCertPath),
      clientCertPath: given(clientCertPath),
      clientKeyPath: given(clientKeyPath),
    },
    intervalMs: parameters.interval ?? intervalMs,
  };
}

/** An empty path is none, as in the Go picker. */
function given(path: string | undefined): string | undefined {
  return path === "" ? undefined : path;
}
