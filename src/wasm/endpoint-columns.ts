/**
 * The writer of the endpoint columns, for the control thread. Every change stands between an odd and an even version,
 * so a shard's snapshot never mixes two states of the table (M2). Addresses are written before a slot becomes present.
 */
import { assert } from "../base/assert.ts";
import { layout } from "./layout.ts";

export interface ScrapedColumns {
  readonly queueDepthRequests: number | undefined;
  readonly runningRequests: number | undefined;
  readonly kvCacheUsageFraction: number | undefined;
  /** Requests in flight over all shards when the scrape was sent. */
  readonly inFlightAtScrape: number;
  /** When the scrape was sent, on the clock that decisions use. */
  readonly scrapedAtMs: number;
}

export class EndpointColumns {
  readonly #version: Int32Array;
  readonly #slotCount: Uint32Array;
  readonly #fleet: Int32Array;
  readonly #state: Uint32Array;
  readonly #generation: Uint32Array;
  readonly #queueDepth: Float32Array;
  readonly #running: Float32Array;
  readonly #kvCacheUsage: Float32Array;
  readonly #inFlightAtScrape: Uint32Array;
  readonly #scrapedAtMs: Float64Array;
  readonly #addresses: Uint8Array;
  readonly #laneLimit: Int32Array;
  readonly #attributes: Float64Array;
  readonly #coldPicks: BigUint64Array;
  readonly #namesVersion: Int32Array;
  readonly #names: readonly Int32Array[];

  constructor(memory: WebAssembly.Memory) {
    const { buffer } = memory;
    const slots = layout.ENDPOINTS_MAX;
    this.#version = new Int32Array(buffer, layout.ENDPOINTS + layout.ENDPOINTS_VERSION, 1);
    this.#slotCount = new Uint32Array(buffer, layout.ENDPOINTS + layout.ENDPOINTS_SLOT_COUNT, 1);
    this.#fleet = new Int32Array(buffer, layout.ENDPOINTS + layout.ENDPOINTS_FLEET, 1);
    this.#state = new Uint32Array(buffer, layout.COLUMN_STATE, slots);
    this.#generation = new Uint32Array(buffer, layout.COLUMN_GENERATION, slots);
    this.#queueDepth = new Float32Array(buffer, layout.COLUMN_QUEUE_DEPTH, slots);
    this.#running = new Float32Array(buffer, layout.COLUMN_RUNNING, slots);
    this.#kvCacheUsage = new Float32Array(buffer, layout.COLUMN_KV_CACHE_USAGE, slots);
    this.#inFlightAtScrape = new Uint32Array(buffer, layout.COLUMN_IN_FLIGHT_AT_SCRAPE, slots);
    this.#scrapedAtMs = new Float64Array(buffer, layout.COLUMN_SCRAPED_AT_MS, slots);
    this.#addresses = new Uint8Array(buffer, layout.COLUMN_ADDRESS, slots * layout.ADDRESS_STRIDE);
    this.#laneLimit = new Int32Array(buffer, layout.COLUMN_LANE_LIMIT, slots);
    this.#attributes = new Float64Array(buffer, layout.ATTRIBUTES, slots * layout.ATTRIBUTES_MAX);
    this.#coldPicks = new BigUint64Array(buffer, layout.COLD_PICK_NUMBERS, slots);
    this.#namesVersion = new Int32Array(buffer, layout.ENDPOINT_NAMES_VERSION, 1);
    this.#names = [layout.ADAPTERS, layout.SERVED_MODELS].map(
      (tables) => new Int32Array(buffer, tables, (slots * layout.ENDPOINT_NAMES_STRIDE) / 4),
    );
  }

  /**
   * Gives the slot to a new endpoint: nothing known of it yet, taken to be reachable. Returns the slot's new
   * generation.
   */
  add(slot: number, hostPort: string): number {
    assert(slot >= 0 && slot < layout.ENDPOINTS_MAX, `slot ${slot} is not in 0 … ${layout.ENDPOINTS_MAX - 1}`);
    const address = new TextEncoder().encode(hostPort);
    assert(
      address.length <= layout.ADDRESS_SIZE_MAX,
      `address ${hostPort} is longer than ${layout.ADDRESS_SIZE_MAX} bytes`,
    );
    const generation = (this.#generation[slot] ?? 0) + 1;
    this.#forget(slot);
    this.#change(() => {
      this.#generation[slot] = generation;
      this.#queueDepth[slot] = Number.NaN;
      this.#running[slot] = Number.NaN;
      this.#kvCacheUsage[slot] = Number.NaN;
      this.#inFlightAtScrape[slot] = 0;
      this.#scrapedAtMs[slot] = 0;
      this.#addresses[slot * layout.ADDRESS_STRIDE] = address.length;
      this.#addresses.set(address, slot * layout.ADDRESS_STRIDE + 1);
      this.#state[slot] = layout.ENDPOINT_PRESENT | layout.ENDPOINT_REACHABLE;
      if (slot >= (this.#slotCount[0] ?? 0)) this.#slotCount[0] = slot + 1;
      // Last: who sees the new number reads all of the new endpoint.
      Atomics.add(this.#fleet, 0, 1);
    });
    return generation;
  }

  /** Takes the slot out of every later snapshot. Its address stays, for picks that were just made. */
  remove(slot: number): void {
    this.#change(() => {
      this.#state[slot] = 0;
      Atomics.add(this.#fleet, 0, 1);
    });
  }

  setReachable(slot: number, isReachable: boolean): void {
    this.#change(() => {
      const state = this.#state[slot] ?? 0;
      this.#state[slot] = isReachable ? state | layout.ENDPOINT_REACHABLE : state & ~layout.ENDPOINT_REACHABLE;
    });
  }

  /** Says that the endpoint is idle and scraped rarely: its values count as fresh for BACKED_OFF_MS longer. */
  setBackedOff(slot: number, isBackedOff: boolean): void {
    this.#change(() => {
      const state = this.#state[slot] ?? 0;
      this.#state[slot] = isBackedOff ? state | layout.ENDPOINT_BACKED_OFF : state & ~layout.ENDPOINT_BACKED_OFF;
    });
  }

  /** Blocks that the index takes the endpoint to hold at most; undefined: the common limit. */
  setLaneLimit(slot: number, blocks: number | undefined): void {
    assert(blocks === undefined || blocks >= 1, `lane limit ${blocks}`);
    Atomics.store(this.#laneLimit, slot, Math.min(blocks ?? 0, 2 ** 31 - 1));
  }

  setScraped(slot: number, scraped: ScrapedColumns): void {
    this.#change(() => {
      this.#queueDepth[slot] = scraped.queueDepthRequests ?? Number.NaN;
      this.#running[slot] = scraped.runningRequests ?? Number.NaN;
      this.#kvCacheUsage[slot] = scraped.kvCacheUsageFraction ?? Number.NaN;
      this.#inFlightAtScrape[slot] = scraped.inFlightAtScrape;
      this.#scrapedAtMs[slot] = scraped.scrapedAtMs;
    });
  }

  /** What stands outside the version: nothing of the endpoint that had the slot before may be seen of the new one. */
  #forget(slot: number): void {
    Atomics.store(this.#laneLimit, slot, 0);
    Atomics.store(this.#coldPicks, slot, 0n);
    for (let column = 0; column < layout.ATTRIBUTES_MAX; column++) {
      this.#attributes[column * layout.ENDPOINTS_MAX + slot] = Number.NaN;
    }
    const head = (slot * layout.ENDPOINT_NAMES_STRIDE) / 4;
    Atomics.add(this.#namesVersion, 0, 1);
    for (const names of this.#names) names[head + layout.ENDPOINT_NAMES_FLAGS / 4] = 0;
    Atomics.add(this.#namesVersion, 0, 1);
  }

  #change(write: () => void): void {
    Atomics.add(this.#version, 0, 1);
    write();
    Atomics.add(this.#version, 0, 1);
  }
}
