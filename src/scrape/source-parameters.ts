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
const pemFile = (what: string): z.ZodOptional<z.ZodString> =>
  z.string().optional().describe(`Path of a PEM file with ${what}; none when absent.`);

export function sourceParameters(pathDefault: string, intervalDefault: string): z.ZodType<SourceParameters> {
  return z.strictObject({
    scheme: z.enum(["http", "https"]).default("http").describe("How the server is spoken to."),
    path: z
      .string()
      .regex(/^\/[\x21-\x7e]*$/, 'must begin with "/" and have no blanks')
      .default(pathDefault)
      .describe("Path of the request."),
    port: portNumber.optional().describe("The endpoint's own port when absent or 0."),
    insecureSkipVerify: z.boolean().default(true).describe("Take any certificate, whatever `caCertPath` says."),
    caCertPath: pemFile("the CA that the server's certificate is checked against"),
    clientCertPath: pemFile("the certificate that is shown to the server"),
    clientKeyPath: pemFile("its key"),
    interval: positiveDurationMs.optional().describe(`Time between two requests; ${intervalDefault} when absent.`),
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
