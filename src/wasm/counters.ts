/** Reads what shards and index writer count in the shared memory, for the control thread. Nothing here writes. */
import type { Kernel } from "./kernel.ts";
import { layout } from "./layout.ts";

export class SharedCounters {
  readonly #kernel: Kernel;
  readonly #shards: BigUint64Array[];
  readonly #nameRequests: Uint32Array[];
  readonly #inFlightRequests: Uint32Array[];
  readonly #inFlightTokens: Uint32Array[];
  readonly #index: BigUint64Array;
  readonly #indexKeyCount: Uint32Array;

  constructor(memory: WebAssembly.Memory, kernel: Kernel) {
    const { buffer } = memory;
    const header = new DataView(buffer, layout.HEADER, layout.HEADER_SIZE);
    const base = header.getUint32(layout.HEADER_SHARDS_BASE, true);
    const stride = header.getUint32(layout.HEADER_SHARD_STRIDE, true);
    const bases = Array.from(
      { length: header.getUint32(layout.HEADER_SHARD_COUNT, true) },
      (_, shard) => base + shard * stride,
    );
    this.#kernel = kernel;
    this.#shards = bases.map(
      (at) => new BigUint64Array(buffer, at + layout.SHARD_COUNTERS, layout.SHARD_COUNTERS_COUNT),
    );
    this.#nameRequests = bases.map((at) => new Uint32Array(buffer, at + layout.SHARD_NAME_REQUESTS, layout.NAMES_MAX));
    this.#inFlightRequests = bases.map(
      (at) => new Uint32Array(buffer, at + layout.SHARD_IN_FLIGHT_REQUESTS, layout.ENDPOINTS_MAX),
    );
    this.#inFlightTokens = bases.map(
      (at) => new Uint32Array(buffer, at + layout.SHARD_IN_FLIGHT_TOKENS, layout.ENDPOINTS_MAX),
    );
    this.#index = new BigUint64Array(buffer, layout.INDEX + layout.INDEX_COUNTERS, layout.INDEX_COUNTERS_COUNT);
    this.#indexKeyCount = new Uint32Array(buffer, layout.INDEX + layout.INDEX_KEY_COUNT, 1);
  }

  /** Sum of `layout.SHARD_COUNTER_…` over the shards. */
  shards(counter: number): number {
    return sum(this.#shards.map((counters) => Number(counters[counter] ?? 0n)));
  }

  get shardCount(): number {
    return this.#shards.length;
  }

  /** `layout.SHARD_COUNTER_…` of one shard. */
  ofShard(shard: number, counter: number): number {
    return Number(this.#shards[shard]?.[counter] ?? 0n);
  }

  /** Requests that one shard has in flight, to all endpoints. */
  inFlightOfShard(shard: number): number {
    return sum([...(this.#inFlightRequests[shard] ?? [])]);
  }

  /** `layout.INDEX_COUNTER_…` */
  index(counter: number): number {
    return Number(this.#index[counter] ?? 0n);
  }

  /** Distinct blocks in the index. */
  get indexKeyCount(): number {
    return this.#indexKeyCount[0] ?? 0;
  }

  /** Requests that were picked for a name number. */
  nameRequests(number: number): number {
    return sum(this.#nameRequests.map((counts) => counts[number] ?? 0));
  }

  inFlightRequests(slot: number): number {
    return this.#kernel.inFlightRequests(slot);
  }

  inFlightTokens(slot: number): number {
    return sum(this.#inFlightTokens.map((tokens) => tokens[slot] ?? 0));
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
