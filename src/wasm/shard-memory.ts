/**
 * A shard's side of the memory: its stream windows, the chunk through which bodies pass, its pick records, and what it
 * charged. One per shard; nothing outside `wasm/` touches the bytes.
 *
 * A window's life: acquire → feed … feed → (pick) → release. Windows are few enough to be named up front, so a shard that
 * has none left refuses the request instead of growing.
 */
import { assert } from "../base/assert.ts";
import type { Kernel } from "./kernel.ts";
import { layout } from "./layout.ts";

/** What the scanner found in a body. */
export interface BodyFacts {
  readonly model: string | undefined;
  /** The client asked for a stream of events. */
  readonly isStream: boolean;
  readonly hasPrompt: boolean;
  readonly messageCount: number;
}

/** Why a body cannot be used, and at which of its bytes that was seen. */
export interface ScanFault {
  readonly result: number;
  readonly offset: number;
}

export interface PickRequest {
  /** Stream window with the scanned body; undefined for a request without one. */
  readonly window: number | undefined;
  readonly policy: number;
  readonly seedLow: number;
  readonly seedHigh: number;
}

export interface Pick {
  readonly slot: number;
  readonly generation: number;
  /** `ip:port`. */
  readonly hostPort: string;
  readonly matchedBlocks: number;
  readonly blockCount: number;
  readonly candidateCount: number;
  readonly tieCount: number;
  /** Charged to the endpoint until `release`. */
  readonly tokens: number;
  readonly total: number;
  /** Unweighted scores of the picked endpoint, in the policy's order. Empty unless asked for. */
  readonly scores: readonly number[];
  /** Number of the model's name, 0 when the control thread has not named it yet. */
  readonly nameNumber: number;
}

export class ShardMemory {
  readonly #kernel: Kernel;
  readonly #shard: number;
  readonly #base: number;
  readonly #bytes: Buffer;
  readonly #chunk: Buffer;
  readonly #view: DataView;
  readonly #picks: DataView;
  readonly #activePolicy: Int32Array;
  readonly #counters: BigUint64Array;
  readonly #freeWindows: number[];
  /** 1 for a window that is taken: guards against releasing one twice. */
  readonly #isTaken: Uint8Array;
  readonly #addresses: { generation: number; hostPort: string }[] = [];

  constructor(memory: WebAssembly.Memory, kernel: Kernel, shard: number) {
    const header = new DataView(memory.buffer, layout.HEADER, layout.HEADER_SIZE);
    const windowCount = header.getUint32(layout.HEADER_WINDOW_COUNT, true);
    const stride = header.getUint32(layout.HEADER_SHARD_STRIDE, true);
    this.#kernel = kernel;
    this.#shard = shard;
    this.#base = header.getUint32(layout.HEADER_SHARDS_BASE, true) + shard * stride;
    this.#bytes = Buffer.from(memory.buffer, 0, memory.buffer.byteLength);
    this.#chunk = Buffer.from(memory.buffer, this.#base + layout.SHARD_CHUNK, layout.CHUNK_SIZE_MAX);
    this.#view = new DataView(memory.buffer);
    this.#picks = new DataView(memory.buffer, this.#base + layout.SHARD_PICKS, layout.PICKS_MAX * layout.PICK_STRIDE);
    this.#activePolicy = new Int32Array(memory.buffer, layout.HEADER + layout.HEADER_ACTIVE_POLICY, 1);
    this.#freeWindows = Array.from({ length: windowCount }, (_, index) => windowCount - 1 - index);
    this.#isTaken = new Uint8Array(windowCount);
    this.#counters = new BigUint64Array(memory.buffer, this.#base + layout.SHARD_COUNTERS, layout.SHARD_COUNTERS_COUNT);
  }

  /** Number of the policy that a request which starts now uses to its end. */
  get activePolicy(): number {
    return Atomics.load(this.#activePolicy, 0);
  }

  /** Takes a window for a body of the given API (`layout.API_…`); undefined when all are taken. */
  acquireWindow(api: number, policy: number): number | undefined {
    const window = this.#freeWindows.pop();
    if (window === undefined) return undefined;
    this.#isTaken[window] = 1;
    this.#kernel.scanBegin(this.#shard, window, api, this.#policyU32(policy, layout.POLICY_BLOCK_SIZE));
    return window;
  }

  releaseWindow(window: number): void {
    assert(this.#isTaken[window] === 1, `window ${window} is released but not taken`);
    this.#isTaken[window] = 0;
    this.#freeWindows.push(window);
  }

  /** Scans and hashes the next bytes of a body. Returns a fault as soon as the body cannot become right any more. */
  feed(window: number, bytes: Uint8Array, isLast: boolean): ScanFault | undefined {
    let result = layout.SCAN_MORE;
    let start = 0;
    do {
      const end = Math.min(start + layout.CHUNK_SIZE_MAX, bytes.length);
      this.#chunk.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
      result = this.#kernel.scanBody(this.#shard, window, end - start, isLast && end === bytes.length ? 1 : 0);
      start = end;
    } while (start < bytes.length && result <= layout.SCAN_DONE);
    if (result <= layout.SCAN_DONE) return undefined;
    return { result, offset: this.#u32(window, layout.WINDOW_BODY_OFFSET) };
  }

  /** The facts of a body that was fed to its end. */
  facts(window: number): BodyFacts {
    const facts = this.#u32(window, layout.WINDOW_FACTS);
    return {
      model: (facts & layout.FACT_MODEL) === 0 ? undefined : this.#model(window),
      isStream: (facts & layout.FACT_STREAM) !== 0,
      hasPrompt: (facts & layout.FACT_PROMPT) !== 0,
      messageCount: this.#u32(window, layout.WINDOW_MESSAGE_COUNT),
    };
  }

  /**
   * Decides the requests in order in one crossing; at most PICKS_MAX. Undefined where no endpoint could take the request.
   * What a pick charged is returned by `release`, exactly once.
   */
  decide(
    requests: readonly PickRequest[],
    nowMs: number,
    options: { readonly withScores: boolean },
  ): (Pick | undefined)[] {
    assert(requests.length <= layout.PICKS_MAX, `${requests.length} picks in one batch`);
    for (const [index, request] of requests.entries()) {
      const at = index * layout.PICK_STRIDE;
      this.#picks.setUint32(at + layout.PICK_WINDOW, request.window ?? layout.NO_WINDOW, true);
      this.#picks.setUint32(at + layout.PICK_POLICY, request.policy, true);
      this.#picks.setUint32(at + layout.PICK_SEED_LOW, request.seedLow, true);
      this.#picks.setUint32(at + layout.PICK_SEED_HIGH, request.seedHigh, true);
      this.#picks.setUint32(at + layout.PICK_FLAGS, 0, true);
    }
    this.#kernel.decideBatch(this.#shard, requests.length, nowMs);
    return requests.map(({ policy }, index) => {
      const scoreCount = options.withScores ? this.#policyU32(policy, layout.POLICY_SCORER_COUNT) : 0;
      return this.#readPick(index * layout.PICK_STRIDE, scoreCount);
    });
  }

  release(pick: Pick): void {
    this.#kernel.releasePick(this.#shard, pick.slot, pick.tokens);
  }

  /** Counts an event (`layout.SHARD_COUNTER_…`). */
  count(counter: number): void {
    this.#counters[counter] = (this.#counters[counter] ?? 0n) + 1n;
  }

  #readPick(at: number, scoreCount: number): Pick | undefined {
    const picks = this.#picks;
    if (picks.getUint32(at + layout.PICK_RESULT, true) !== layout.PICKED) return undefined;
    const slot = picks.getUint32(at + layout.PICK_SLOT, true);
    const generation = picks.getUint32(at + layout.PICK_GENERATION, true);
    const scores: number[] = [];
    for (let index = 0; index < scoreCount; index++) {
      scores.push(picks.getFloat64(at + layout.PICK_SCORES + index * 8, true));
    }
    return {
      slot,
      generation,
      hostPort: this.#hostPort(slot, generation),
      matchedBlocks: picks.getUint32(at + layout.PICK_MATCHED_BLOCKS, true),
      blockCount: picks.getUint32(at + layout.PICK_BLOCK_COUNT, true),
      candidateCount: picks.getUint32(at + layout.PICK_CANDIDATE_COUNT, true),
      tieCount: picks.getUint32(at + layout.PICK_TIE_COUNT, true),
      tokens: picks.getUint32(at + layout.PICK_TOKENS, true),
      total: picks.getFloat64(at + layout.PICK_TOTAL, true),
      scores,
      nameNumber: picks.getUint32(at + layout.PICK_NAME_NUMBER, true),
    };
  }

  /** The slot's address, decoded once per generation. */
  #hostPort(slot: number, generation: number): string {
    const known = this.#addresses[slot];
    if (known?.generation === generation) return known.hostPort;
    const at = layout.COLUMN_ADDRESS + slot * layout.ADDRESS_STRIDE;
    const size = this.#view.getUint8(at);
    const hostPort = this.#bytes.toString("latin1", at + 1, at + 1 + size);
    this.#addresses[slot] = { generation, hostPort };
    return hostPort;
  }

  #model(window: number): string {
    const start = this.#window(window) + layout.WINDOW_MODEL;
    return this.#bytes.toString("utf8", start, start + this.#u32(window, layout.WINDOW_MODEL_SIZE));
  }

  #policyU32(policy: number, offset: number): number {
    return this.#view.getUint32(layout.POLICIES + policy * layout.POLICY_STRIDE + offset, true);
  }

  #u32(window: number, offset: number): number {
    return this.#view.getUint32(this.#window(window) + offset, true);
  }

  #window(window: number): number {
    return this.#base + layout.SHARD_WINDOWS + window * layout.WINDOW_STRIDE;
  }
}
