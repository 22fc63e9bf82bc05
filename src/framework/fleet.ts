/**
 * The fleet as plugins see it on a shard: identities and labels, told by the control thread when the fleet changes, and
 * the load at the moment of a decision.
 */
import type { Slot } from "./endpoint.ts";

export type Labels = Readonly<Record<string, string>>;

export interface FleetEndpoint {
  /** `namespace/name`. */
  readonly id: string;
  readonly slot: Slot;
  readonly generation: number;
  /** IP address without brackets. */
  readonly address: string;
  /** `ip:port` or `[ip]:port`. */
  readonly hostPort: string;
  readonly labels: Labels;
}

export interface FleetView {
  /** Raised when anything here changes; what is derived from it can be kept until then. */
  readonly version: number;
  readonly endpoints: readonly FleetEndpoint[];
  byId(id: string): FleetEndpoint | undefined;
  bySlot(slot: number): FleetEndpoint | undefined;
}

/** One endpoint that is still in play for a request. Unknown numbers are undefined. */
export interface Candidate {
  readonly endpoint: FleetEndpoint;
  readonly queueDepthRequests: number | undefined;
  readonly runningRequests: number | undefined;
  /** 0 to 1. */
  readonly kvCacheUsageFraction: number | undefined;
  /** Of all shards. */
  readonly inFlightRequests: number;
  readonly inFlightTokens: number;
  /** Leading blocks of the prompt that it holds, and blocks of the prompt. */
  readonly matchedBlocks: number;
  readonly blockCount: number;
}

/** The candidates of one request at one stage; valid during the call that gets them. */
export interface Candidates {
  readonly count: number;
  /** `position`: 0 … count − 1. */
  at(position: number): Candidate;
}

/** The pool of a request before scheduling: what admission is decided by. */
export interface PoolView {
  readonly endpointCount: number;
  /**
   * Mean over the candidates of max(queue / queueThreshold, KV usage / kvThreshold); an endpoint with unknown load
   * counts as 1. 1 for an empty pool.
   */
  meanUtilization(queueThreshold: number, kvThreshold: number): number;
}
