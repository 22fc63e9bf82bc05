/**
 * The subset hint: a proxy may name the endpoints that a request may go to, in the metadata namespace
 * `envoy.lb.subset_hint`. Only addresses count, not ports, as in the Go picker.
 */
import { readFilterMetadata } from "../wire/ext-proc/request-context.ts";
import type { ProcessingRequest } from "../wire/ext-proc/request-decoder.ts";

const NAMESPACE = "envoy.lb.subset_hint";
const KEY = "x-gateway-destination-endpoint-subset";

/**
 * The addresses of the hint, without brackets and ports; undefined when the message has no hint. An empty list allows
 * no endpoint. The Go picker ignores a text; here it is read as a comma-separated list, since ignoring it would send
 * the request where it must not go.
 */
export function readSubsetHint(message: ProcessingRequest): string[] | undefined {
  const hint = readFilterMetadata(message, NAMESPACE)?.[KEY];
  if (hint === undefined || hint === null) return undefined;
  const entries = typeof hint === "string" ? hint.split(",") : Array.isArray(hint) ? hint : [];
  return entries.filter((entry) => typeof entry === "string").map((entry) => addressOf(entry.trim()));
}

/** `10.0.0.1:8000`, `[fd00::1]:8000`, `10.0.0.1` and `fd00::1` to the address alone. */
function addressOf(hostPort: string): string {
  if (hostPort.startsWith("[")) return hostPort.slice(1, Math.max(1, hostPort.indexOf("]")));
  const colon = hostPort.lastIndexOf(":");
  const isAddressOnly = colon < 0 || hostPort.indexOf(":") < colon;
  return isAddressOnly ? hostPort : hostPort.slice(0, colon);
}
