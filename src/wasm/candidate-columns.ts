/**
 * The candidates of pick record 0 between two steps of a staged decision, read from the shard's scratch. Valid until
 * the next step. Unknown numbers are undefined.
 */
import { layout } from "./layout.ts";

export class CandidateColumns {
  readonly #view: DataView;
  readonly #base: number;
  #hasBlocks = false;
  #count = 0;
  #blockCount = 0;

  constructor(memory: WebAssembly.Memory, base: number) {
    this.#view = new DataView(memory.buffer);
    this.#base = base;
  }

  /** Takes over what the last step has left. */
  refresh(): void {
    const pick = this.#base + layout.SHARD_PICKS;
    this.#count = this.#view.getUint32(pick + layout.PICK_CANDIDATE_COUNT, true);
    this.#blockCount = this.#view.getUint32(pick + layout.PICK_BLOCK_COUNT, true);
    this.#hasBlocks = this.#blockCount > 0;
  }

  get count(): number {
    return this.#count;
  }

  /** Blocks of the request's prompt. */
  get blockCount(): number {
    return this.#blockCount;
  }

  slotAt(position: number): number {
    return this.#view.getUint16(this.#base + layout.CANDIDATE_SLOTS + position * 2, true);
  }

  /** Waiting requests as scraped. */
  queueDepthRequests(position: number): number | undefined {
    return this.#scraped(layout.SNAPSHOT_QUEUE_DEPTH, position);
  }

  runningRequests(position: number): number | undefined {
    return this.#scraped(layout.SNAPSHOT_RUNNING, position);
  }

  kvCacheUsageFraction(position: number): number | undefined {
    return this.#scraped(layout.SNAPSHOT_KV_CACHE_USAGE, position);
  }

  /** Of all shards. */
  inFlightRequests(position: number): number {
    return this.#u32(layout.SNAPSHOT_IN_FLIGHT_REQUESTS, position);
  }

  inFlightTokens(position: number): number {
    return this.#u32(layout.SNAPSHOT_IN_FLIGHT_TOKENS, position);
  }

  /** Leading blocks of the prompt that the candidate holds. */
  matchedBlocks(position: number): number {
    if (!this.#hasBlocks) return 0;
    return this.#view.getUint16(this.#base + layout.DEPTHS + this.slotAt(position) * 2, true);
  }

  /** The candidate's number in an attribute column. */
  attribute(column: number, position: number): number | undefined {
    const at = layout.ATTRIBUTES + column * layout.ATTRIBUTE_STRIDE + this.slotAt(position) * 8;
    return numberOrUnknown(this.#view.getFloat64(at, true));
  }

  #scraped(column: number, position: number): number | undefined {
    return numberOrUnknown(this.#view.getFloat32(this.#base + column + this.slotAt(position) * 4, true));
  }

  #u32(column: number, position: number): number {
    return this.#view.getUint32(this.#base + column + this.slotAt(position) * 4, true);
  }
}

function numberOrUnknown(value: number): number | undefined {
  return Number.isNaN(value) ? undefined : value;
}
