/** An endpoint: one schedulable model server. Names live on the control thread only; a shard knows slots. */
import type { Brand } from "../base/units.ts";

/** Dense index of an endpoint, 0 … ENDPOINTS_MAX − 1. Given again only after nothing refers to it any more. */
export type Slot = Brand<number, "Slot">;

export interface EndpointSpec {
  /** Unique within the namespace. */
  readonly name: string;
  readonly namespace: string;
  /** IPv4 or IPv6 literal, without brackets. */
  readonly address: string;
  /** 1 … 65535. */
  readonly port: number;
  readonly labels: Readonly<Record<string, string>>;
}

/** `namespace/name`, the identity of an endpoint. */
export function endpointId(spec: Pick<EndpointSpec, "name" | "namespace">): string {
  return `${spec.namespace}/${spec.name}`;
}

/** `ip:port` or `[ip]:port`, as it goes into the destination header. */
export function hostPort(spec: Pick<EndpointSpec, "address" | "port">): string {
  return spec.address.includes(":") ? `[${spec.address}]:${spec.port}` : `${spec.address}:${spec.port}`;
}

/** What a scrape of an endpoint found. A value that the exposition lacks is undefined. */
export interface EndpointMetrics {
  /** Waiting requests. */
  readonly queueDepthRequests: number | undefined;
  readonly runningRequests: number | undefined;
  /** Fraction of KV cache blocks in use, 0 to 1. */
  readonly kvCacheUsageFraction: number | undefined;
  /** LoRA adapters; undefined for an engine that tells nothing of them. The same object while they stay the same. */
  readonly adapters?: AdapterMetrics | undefined;
  readonly cacheBlockSizeTokens?: number | undefined;
  /** Blocks of the KV cache. */
  readonly cacheBlockCount?: number | undefined;
  /** Custom metrics by the names that plugins know them by; those that were found. */
  readonly attributes?: ReadonlyMap<string, number> | undefined;
  /**
   * Models that the server lists, adapters included; undefined while they are not asked for or not known. The same
   * array while they stay the same.
   */
  readonly servedModels?: readonly string[] | undefined;
}

export interface AdapterMetrics {
  readonly running: readonly string[];
  readonly waiting: readonly string[];
  /** Adapters that the server runs at once. */
  readonly max: number | undefined;
}
