/**
 * Data keys that are not fixed: those that configurations name themselves. Producer and consumer make the same key from
 * the same name; the fixed ones are in `attributes.ts`.
 */
import { agentIdentity, type DataKey, sessionId } from "./attributes.ts";

/** A scraped custom metric of an endpoint, or a column that a user's plugin shares. */
export function endpointAttribute(attribute: string): DataKey {
  return {
    name: `endpointAttribute:${attribute}`,
    unit: "any",
    source: "A custom metric of the engine, or a user's plugin. Unknown when never set or stale.",
  };
}

/** Request attributes by the names that the Go picker gives them. */
const REQUEST_ATTRIBUTES: ReadonlyMap<string, DataKey> = new Map([
  ["SessionID", sessionId],
  ["agent-identity", agentIdentity],
]);

/** A request attribute by its name in configuration files; one that is not built in is a user's plugin's own. */
export function requestAttribute(name: string): DataKey {
  return REQUEST_ATTRIBUTES.get(name) ?? { name, unit: "any", source: "A user's plugin." };
}

/**
 * Where a producer keeps its value of a request attribute: several instances of one type may read different headers.
 * Load-time checks go by `key` itself.
 */
export function producedBy(key: DataKey, producer: string): DataKey {
  return { ...key, name: `${key.name}/${producer}` };
}
