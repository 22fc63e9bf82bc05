/**
 * The policies of a shard: the one that new requests get, and earlier ones that requests in flight still finish on. A
 * policy's number in the shared memory is held from the moment the shard is told of it until its last request is over,
 * so that the control thread does not give the number to another policy meanwhile.
 *
 *   told ─► active ─replaced─► draining ─last request over─► released
 */
import { assert } from "../base/assert.ts";
import type { ParserDefinition } from "../parsing/parser.ts";
import type { CompiledPolicy } from "../scheduling/compiled-policy.ts";

/** A policy as a shard runs it. */
export interface ShardPolicy {
  /** In the shared memory. */
  readonly number: number;
  readonly compiled: CompiledPolicy;
  readonly parsers: readonly ParserDefinition[];
}

/** A policy and the requests that are on it. */
export interface HeldPolicy extends ShardPolicy {
  requestCount: number;
}

export interface PolicyHolds {
  hold(number: number): void;
  release(number: number): void;
}

export class PolicySet {
  readonly #holds: PolicyHolds;
  #active: HeldPolicy;

  constructor(first: ShardPolicy, holds: PolicyHolds) {
    this.#holds = holds;
    this.#active = this.#take(first);
  }

  /** The policy of requests that begin now. */
  get active(): ShardPolicy {
    return this.#active;
  }

  /** The active policy, for one request; `release` it when the request is over. */
  acquire(): HeldPolicy {
    this.#active.requestCount++;
    return this.#active;
  }

  release(policy: HeldPolicy): void {
    // Not in the call: this is done for each request, and so would be the text.
    if (policy.requestCount <= 0) assert(false, `policy ${policy.number} is released but not held`);
    policy.requestCount--;
    this.#releaseIfDrained(policy);
  }

  /** New requests get this policy from now on. */
  replace(next: ShardPolicy): void {
    const last = this.#active;
    this.#active = this.#take(next);
    this.#releaseIfDrained(last);
  }

  #take(policy: ShardPolicy): HeldPolicy {
    this.#holds.hold(policy.number);
    return { ...policy, requestCount: 0 };
  }

  #releaseIfDrained(policy: HeldPolicy): void {
    if (policy !== this.#active && policy.requestCount === 0) this.#holds.release(policy.number);
  }
}
