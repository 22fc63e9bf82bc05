/**
 * The endpoints file: `{endpoints: [{name, namespace?, address, port, labels?}]}`, YAML or JSON, the Go picker's
 * format. Ours also takes IPv6 and a port as a number. Unknown fields are ignored, as there.
 */
import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";
import { z } from "zod";
import { ConfigError, messageOf } from "../../base/errors.ts";
import { readLocatedDocument } from "../../config/located-document.ts";
import { type EndpointSpec, endpointId, hostPort } from "../../framework/endpoint.ts";
import { layout } from "../../wasm/layout.ts";

/** The Go picker's limit. 1,024 endpoints with labels take about 200 KiB. */
const FILE_SIZE_MAX = 1024 * 1024;

const PORT_RULE = "must be a port, 1 to 65535";
const TEXT_RULE = "must be a non-empty text";
/** Bytes, as Kubernetes has them for the names of pods and namespaces. */
const NAME_SIZE_MAX = 253;
const NAMESPACE_SIZE_MAX = 63;
const LABELS_RULE = "must be a map from label to text";

const portSchema = z
  .union(
    [
      z.int(),
      z
        .string()
        .regex(/^\d{1,5}$/)
        .transform(Number),
    ],
    { error: PORT_RULE },
  )
  .refine((port) => port >= 1 && port <= 65_535, PORT_RULE);

const nameSchema = (sizeMax: number): z.ZodString =>
  z
    .string({ error: TEXT_RULE })
    .min(1, TEXT_RULE)
    .refine((name) => Buffer.byteLength(name) <= sizeMax, `must have at most ${sizeMax} bytes`);

const endpointSchema = z.object({
  name: nameSchema(NAME_SIZE_MAX),
  namespace: nameSchema(NAMESPACE_SIZE_MAX).default("default"),
  address: z
    .string({ error: "must be an IP address" })
    .refine(
      // A zone (`%eth0`) has no place in a destination header.
      (address) => isIP(address) !== 0 && !address.includes("%"),
      "must be an IPv4 or IPv6 address; host names are not resolved, because one name may stand for many servers",
    )
    .transform(canonicalAddress),
  port: portSchema,
  labels: z
    .record(z.string(), z.string({ error: "must be a text; put it in quotes" }), { error: LABELS_RULE })
    .default({}),
});

const fileSchema: z.ZodType<{ endpoints: EndpointSpec[] }> = z.object(
  {
    endpoints: z
      .array(endpointSchema, { error: "must be a list of endpoints" })
      .max(layout.ENDPOINTS_MAX, `must have at most ${layout.ENDPOINTS_MAX} entries`)
      .superRefine((endpoints, context) => {
        for (const { at, message } of sharedAddresses(endpoints)) {
          context.addIssue({ code: "custom", path: [at], message });
        }
      }),
  },
  { error: 'must be a document with a list "endpoints"' },
);

/** IPv6 in the one way to write it in which proxies name their subsets: `2001:db8::1`. */
function canonicalAddress(address: string): string {
  return isIP(address) === 6 ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}

/**
 * Two endpoints at one address would share a server's load and prefixes, each knowing half: both entries are told. An
 * entry that a later one with the same namespace and name replaces does not count.
 */
function sharedAddresses(endpoints: readonly EndpointSpec[]): { at: number; message: string }[] {
  const lastOf = new Map(endpoints.map((spec, at) => [endpointId(spec), at]));
  const byAddress = new Map<string, number[]>();
  for (const at of lastOf.values()) {
    const address = hostPort(endpoints[at] as EndpointSpec);
    byAddress.set(address, [...(byAddress.get(address) ?? []), at]);
  }
  return [...byAddress].flatMap(([address, entries]) => {
    if (entries.length < 2) return [];
    return entries.map((at) => {
      const others = entries.filter((other) => other !== at).map((other) => `endpoints[${other}]`);
      return { at, message: `${address} is also the address of ${others.join(", ")}; each server is listed once` };
    });
  });
}

/** Gets what works in a file and should be changed. */
export type Warn = (text: string) => void;

/** Reads and checks the file. Throws a ConfigError with file, line and remedy. */
export function readEndpointsFile(path: string, warn: Warn = () => undefined): EndpointSpec[] {
  return parseEndpoints(readText(path), path, warn);
}

/** The endpoints of a document. Of two with the same namespace and name the last one counts. */
export function parseEndpoints(text: string, fileName: string, warn: Warn = () => undefined): EndpointSpec[] {
  const { endpoints } = readLocatedDocument(text, fileName, fileSchema);
  const lastOf = new Map(endpoints.map((spec, at) => [endpointId(spec), at]));
  for (const [at, spec] of endpoints.entries()) {
    const last = lastOf.get(endpointId(spec));
    if (last === at) continue;
    warn(`${fileName}: endpoints[${at}], ${endpointId(spec)}, is replaced by endpoints[${last}] of the same name`);
  }
  return [...new Map(endpoints.map((spec) => [endpointId(spec), spec])).values()];
}

function readText(path: string): string {
  const remedy =
    'write one like "endpoints: [{name: sim-0, address: 127.0.0.1, port: 8000}]" and name it with --endpoints-file';
  try {
    const { size } = statSync(path);
    if (size > FILE_SIZE_MAX)
      throw new ConfigError(`${path}: has ${size} bytes; an endpoints file has at most ${FILE_SIZE_MAX}`);
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`${path}: cannot be read: ${messageOf(error)}; ${remedy}`, { cause: error });
  }
}
