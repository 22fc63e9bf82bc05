/**
 * A shard's side of the memory: its stream windows, the chunk through which bodies pass, its pick records, and what it
 * charged. One per shard; nothing outside `wasm/` touches the bytes.
 *
 * A window's life: acquire → feed … feed → (pick) → release. Windows are few enough to be named up front, so a shard
 * that has none left refuses the request instead of growing.
 */
import { assert } from "../base/assert.ts";
import { EndpointAddresses } from "./endpoint-addresses.ts";
import type { Kernel } from "./kernel.ts";
import { layout } from "./layout.ts";

/** What the scanner found in a body. */
export interface BodyFacts {
  readonly model: string | undefined;
  /** The client asked for a stream of events. */
  readonly isStream: boolean;
  readonly hasPrompt: boolean;
  readonly messageCount: number;
  /** Where the model's name stands in the body: the offsets of its bytes between the quotes. */
  readonly modelSpan: { readonly start: number; readonly end: number };
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
  /** IP addresses that the request may go to; any when absent. */
  readonly addresses?: readonly string[] | undefined;
}

/** A candidate and its weighted total. */
export interface ScoredCandidate {
  readonly hostPort: string;
  readonly total: number;
}

export interface Pick {
  readonly slot: number;
  readonly generation: number;
  /** `ip:port` of the picked endpoint. */
  readonly hostPort: string;
  /** `ip:port` of the picked endpoint and of those to fall back to, best first. */
  readonly targets: readonly string[];
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
  readonly #addresses: EndpointAddresses;

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
    this.#addresses = new EndpointAddresses(memory);
    this.#isTaken = new Uint8Array(windowCount);
    this.#counters = new BigUint64Array(memory.buffer, this.#base + layout.SHARD_COUNTERS, layout.SHARD_COUNTERS_COUNT);
  }

  /** Number of the policy that a request which starts now uses to its end. */
  get activePolicy(): number {
    return Atomics.load(this.#activePolicy, 0);
  }

  /** Bytes of a block of a prompt under a policy. */
  blockSize(policy: number): number {
    return this.#policyU32(policy, layout.POLICY_BLOCK_SIZE);
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
      modelSpan: {
        start: this.#u32(window, layout.WINDOW_MODEL_START),
        end: this.#u32(window, layout.WINDOW_MODEL_END),
      },
    };
  }

  /**
   * Decides the requests in order in one crossing; at most PICKS_MAX. Undefined where no endpoint could take the
   * request. What a pick charged is returned by `release`, exactly once.
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
      this.#picks.setUint32(at + layout.PICK_FLAGS, request.addresses === undefined ? 0 : layout.PICK_HAS_MASK, true);
      if (request.addresses !== undefined) this.#writeMask(at, request.addresses);
    }
    this.#kernel.decideBatch(this.#shard, requests.length, nowMs);
    return requests.map(({ policy }, index) => {
      const scoreCount = options.withScores ? this.#policyU32(policy, layout.POLICY_SCORER_COUNT) : 0;
      return this.#readPick(index * layout.PICK_STRIDE, scoreCount);
    });
  }

  /** All candidates of the last pick of the last batch with their totals. */
  lastCandidates(pick: Pick): ScoredCandidate[] {
    return Array.from({ length: pick.candidateCount }, (_, position) => ({
      hostPort: this.#hostPort(this.#view.getUint16(this.#base + layout.CANDIDATE_SLOTS + position * 2, true)),
      total: this.#view.getFloat64(this.#base + layout.TOTALS + position * 8, true),
    }));
  }

  /** Adds what a format around the prompt said about the request. */
  addFacts(window: number, { isStream, outputCap }: { isStream: boolean; outputCap: number | undefined }): void {
    const at = this.#window(window);
    let facts = this.#u32(window, layout.WINDOW_FACTS);
    if (isStream) facts |= layout.FACT_STREAM;
    if (outputCap !== undefined) facts |= layout.FACT_OUTPUT_CAP;
    this.#view.setUint32(at + layout.WINDOW_FACTS, facts, true);
    if (outputCap !== undefined) this.#view.setUint32(at + layout.WINDOW_OUTPUT_CAP, outputCap, true);
  }

  /** Makes `name` the model that prompts of this window belong to. At most MODEL_SIZE_MAX bytes. */
  setModel(window: number, name: string): void {
    const bytes = Buffer.from(name);
    assert(bytes.length <= layout.MODEL_SIZE_MAX, `model name of ${bytes.length} bytes`);
    const start = this.#window(window);
    this.#bytes.set(bytes, start + layout.WINDOW_MODEL);
    this.#view.setUint32(start + layout.WINDOW_MODEL_SIZE, bytes.length, true);
  }

  release(pick: Pick): void {
    this.#kernel.releasePick(this.#shard, pick.slot, pick.tokens);
  }

  /** Counts events (`layout.SHARD_COUNTER_…`). */
  count(counter: number, amount = 1): void {
    this.#counters[counter] = (this.#counters[counter] ?? 0n) + BigInt(amount);
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
      hostPort: this.#hostPort(slot),
      targets: this.#readTargets(at),
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

  #readTargets(at: number): string[] {
    const count = this.#picks.getUint32(at + layout.PICK_TARGET_COUNT, true);
    const targets: string[] = [];
    for (let index = 0; index < count; index++) {
      targets.push(this.#hostPort(this.#picks.getUint16(at + layout.PICK_TARGETS + index * 2, true)));
    }
    return targets;
  }

  #writeMask(at: number, addresses: readonly string[]): void {
    const mask = new Uint8Array(this.#picks.buffer, this.#picks.byteOffset + at + layout.PICK_MASK, layout.MASK_SIZE);
    mask.fill(0);
    for (const slot of this.#addresses.slotsOf(addresses)) mask[slot >> 3] = (mask[slot >> 3] ?? 0) | (1 << (slot & 7));
  }

  #hostPort(slot: number): string {
    return this.#addresses.hostPort(slot);
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
