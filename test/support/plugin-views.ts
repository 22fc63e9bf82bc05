/** Requests, fleets and pools as plugins see them, for tests of hooks, masks and admitters. */
import type { Slot } from "../../src/framework/endpoint.ts";
import type { FleetEndpoint, FleetView, PoolView } from "../../src/framework/fleet.ts";
import type { PickedEndpoint } from "../../src/framework/plugin.ts";
import type { RequestView } from "../../src/framework/request.ts";

/** A request with these headers (lower case), whose attributes can be set and read. */
export function requestView(
  headers: Readonly<Record<string, string>> = {},
  { priority = 0 }: { readonly priority?: number } = {},
): RequestView {
  const attributes = new Map<string, unknown>();
  return {
    requestId: "request-1",
    path: "/v1/chat/completions",
    model: "test-model",
    isStream: false,
    bodySize: 0,
    promptTokens: 0,
    priority,
    fairnessId: "default-flow",
    receivedAtMs: 0,
    header: (name) => headers[name],
    attribute: ({ name }) => attributes.get(name),
    setAttribute: ({ name }, value) => void attributes.set(name, value),
  };
}

export interface EndpointIdentity {
  readonly id?: string;
  readonly address?: string;
  readonly port?: number;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A fleet of these endpoints, in slots 0, 1, …; what is not given follows from the slot. */
export function fleetView(identities: readonly EndpointIdentity[], version = 1): FleetView {
  const endpoints = identities.map(({ id, address, port = 8000, labels = {} }, slot): FleetEndpoint => {
    const ip = address ?? `10.0.0.${slot}`;
    return {
      id: id ?? `default/server-${slot}`,
      slot: slot as Slot,
      generation: 1,
      address: ip,
      hostPort: ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`,
      labels,
    };
  });
  return {
    version,
    endpoints,
    byId: (id) => endpoints.find((endpoint) => endpoint.id === id),
    bySlot: (slot) => endpoints[slot],
  };
}

/** The pick of an endpoint of a fleet, as hooks are told. */
export function pickOf(endpoint: FleetEndpoint, changes: Partial<PickedEndpoint> = {}): PickedEndpoint {
  const { id, slot, hostPort } = endpoint;
  return { id, slot, hostPort, matchedBlocks: 0, blockCount: 0, ...changes };
}

/** A pool of endpoints with these loads: waiting requests and KV usage, or nothing known. */
export function poolView(loads: readonly (readonly [queue: number, kvUsage: number] | undefined)[]): PoolView {
  return {
    endpointCount: loads.length,
    meanUtilization(queueThreshold, kvThreshold) {
      if (loads.length === 0) return 1;
      const ratios = loads.map((load) =>
        load === undefined ? 1 : Math.max(load[0] / queueThreshold, load[1] / kvThreshold),
      );
      return ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
    },
  };
}
