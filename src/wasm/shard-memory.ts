/**
 * A shard's side of the memory: its stream windows, the chunk through which bodies pass, its pick records, and what it
 * charged. One per shard; nothing outside `wasm/` touches the bytes.
 *
 * A window's life: acquire → feed … feed → (pick) → release. Windows are few enough to be named up front, so a shard
 * that has none left refuses the request instead of growing.
 */
import { assert } from "../base/assert.ts";
import { CandidateColumns } from "./candidate-columns.ts";
import { EndpointAddresses } from "./endpoint-addresses.ts";
import type { Kernel } from "./kernel.ts";
import { layout } from "./layout.ts";
import { type Decided, type Pick, PickRecords, type PickRequest } from "./pick-records.ts";
import { StagedDecision, type Stages } from "./staged-decision.ts";

export type { CandidateColumns } from "./candidate-columns.ts";
export type { Decided, NoPick, Pick, PickRequest, SessionUse } from "./pick-records.ts";
export type { Stages } from "./staged-decision.ts";

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

/** A candidate and its weighted total. */
export interface ScoredCandidate {
  readonly hostPort: string;
  readonly total: number;
}

/** A profile of a policy, by their numbers; the first one when `profile` is absent. */
export interface ProfileRequest {
  readonly policy: number;
  readonly profile?: number | undefined;
}

/** The endpoints of a policy that a request may use. */
export interface PoolRequest {
  readonly policy: number;
  /** IP addresses; any when absent. */
  readonly addresses?: readonly string[] | undefined;
}

export class ShardMemory {
  readonly #kernel: Kernel;
  readonly #shard: number;
  readonly #base: number;
  readonly #bytes: Buffer;
  readonly #chunk: Buffer;
  readonly #view: DataView;
  readonly #picks: PickRecords;
  readonly #staged: StagedDecision;
  readonly #activePolicy: Int32Array;
  readonly #policyHolds: Int32Array;
  readonly #counters: BigUint64Array;
  /** The same in halves, the low one first. */
  readonly #counterHalves: Uint32Array;
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
    this.#addresses = new EndpointAddresses(memory);
    this.#picks = new PickRecords(memory, kernel, this.#base, this.#addresses);
    const columns = new CandidateColumns(memory, this.#base);
    this.#staged = new StagedDecision(memory, kernel, { shard, base: this.#base }, columns);
    this.#policyHolds = new Int32Array(memory.buffer, this.#base + layout.SHARD_POLICY_HOLDS, layout.POLICIES_MAX);
    this.#activePolicy = new Int32Array(memory.buffer, layout.HEADER + layout.HEADER_ACTIVE_POLICY, 1);
    this.#freeWindows = Array.from({ length: windowCount }, (_, index) => windowCount - 1 - index);
    this.#isTaken = new Uint8Array(windowCount);
    const counters = this.#base + layout.SHARD_COUNTERS;
    this.#counters = new BigUint64Array(memory.buffer, counters, layout.SHARD_COUNTERS_COUNT);
    this.#counterHalves = new Uint32Array(memory.buffer, counters, layout.SHARD_COUNTERS_COUNT * 2);
  }

  /** Number of the policy that a request which starts now uses to its end. */
  get activePolicy(): number {
    return Atomics.load(this.#activePolicy, 0);
  }

  /** Bytes of a block of a prompt under a policy. */
  blockSize(policy: number): number {
    return this.#policyU32(policy, layout.POLICY_BLOCK_SIZE);
  }

  /**
   * Takes a window for a body of the given API (`layout.API_…`) under a policy; undefined when all are taken.
   * `videoTokens`: of each video in this body, 1 … ASSET_TOKENS_MAX; absent: as the policy has it.
   */
  acquireWindow(api: number, policy: number, videoTokens?: number): number | undefined {
    if (videoTokens !== undefined) {
      assert(videoTokens >= 1 && videoTokens <= layout.ASSET_TOKENS_MAX, `a video of ${videoTokens} tokens`);
    }
    const window = this.#freeWindows.pop();
    if (window === undefined) return undefined;
    this.#isTaken[window] = 1;
    this.#kernel.scanBegin(this.#shard, window, api, policy, videoTokens ?? 0);
    return window;
  }

  releaseWindow(window: number): void {
    // Texts are made when they are needed: this is done for each request.
    if (this.#isTaken[window] !== 1) assert(false, `window ${window} is released but not taken`);
    this.#isTaken[window] = 0;
    this.#freeWindows.push(window);
  }

  /** Scans and hashes the next bytes of a body. Returns a fault as soon as the body cannot become right any more. */
  feed(window: number, bytes: Uint8Array, isLast: boolean): ScanFault | undefined {
    let result = layout.SCAN_MORE;
    let start = 0;
    do {
      const end = Math.min(start + layout.CHUNK_SIZE_MAX, bytes.length);
      // Not `set`: where the source is not aligned, V8 copies into shared memory byte by byte, 14 times as slow.
      if (end > start) this.#chunk.fill(start === 0 ? bytes : bytes.subarray(start, end), 0, end - start);
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

  /** Tokens of the window's prompt so far, estimated under a policy. */
  promptTokens(window: number, policy: number): number {
    return Math.ceil(this.#u32(window, layout.WINDOW_PROMPT_SIZE) / this.#policyU32(policy, layout.POLICY_TOKEN_SIZE));
  }

  /** `ip:port` of the endpoint that has, or last had, the slot. */
  hostPort(slot: number): string {
    return this.#addresses.hostPort(slot);
  }

  /**
   * Takes hold of the active policy for a request, which uses it to its end; to be returned by `releasePolicy`, once.
   * The number is not given to another policy meanwhile (M18).
   */
  holdPolicy(): number {
    while (true) {
      const policy = this.activePolicy;
      Atomics.add(this.#policyHolds, policy, 1);
      // While it is active it is not given away; had it been before, the count came too late.
      if (this.activePolicy === policy) return policy;
      Atomics.sub(this.#policyHolds, policy, 1);
    }
  }

  releasePolicy(policy: number): void {
    const held = Atomics.sub(this.#policyHolds, policy, 1);
    assert(held > 0, `policy ${policy} is released but not held`);
  }

  /**
   * Decides the requests in order in one crossing; at most PICKS_MAX. What a pick charged is returned by `release`,
   * exactly once. Profiles with custom parts go through `decideStaged`. Answers in `decided`, which is returned.
   */
  decide(
    requests: readonly PickRequest[],
    nowMs: number,
    options: { readonly withScores: boolean },
    decided: Decided[] = [],
  ): Decided[] {
    const { length } = requests;
    if (length > layout.PICKS_MAX) assert(false, `${length} picks in one batch`);
    for (let index = 0; index < length; index++) {
      const request = requests[index] as PickRequest;
      assert(!this.isStaged(request), "a profile with custom parts in a batch");
      this.#picks.write(index, request);
    }
    this.#kernel.decideBatch(this.#shard, length, nowMs);
    for (let index = 0; index < length; index++) {
      const scoreCount = options.withScores ? this.#scorerCount(requests[index] as PickRequest) : 0;
      decided[index] = this.#picks.read(index, scoreCount);
    }
    return decided;
  }

  /** Whether a profile has custom parts: then it goes through `decideStaged`. */
  isStaged(request: ProfileRequest): boolean {
    return this.#view.getUint32(this.#profile(request) + layout.PROFILE_IS_STAGED, true) !== 0;
  }

  /** Decides one request step by step, with the parts of its profile that are in TypeScript. */
  decideStaged(
    request: PickRequest,
    nowMs: number,
    stages: Stages,
    options: { readonly withScores: boolean },
  ): Decided {
    this.#picks.write(0, request);
    this.#staged.run(this.#profile(request), nowMs, stages);
    return this.#picks.read(0, options.withScores ? this.#scorerCount(request) : 0);
  }

  /** The candidates of a request before any filter, for plugins that run before it is scheduled. Decides nothing. */
  look(request: PickRequest, nowMs: number): CandidateColumns {
    this.#picks.write(0, request);
    this.#picks.markLook();
    this.#staged.begin(nowMs);
    return this.#staged.candidates;
  }

  /** How full the pool is by the policy's detector: 0 idle, 1 saturated, more is possible; 0 without a detector. */
  poolSaturation({ policy, addresses }: PoolRequest, nowMs: number): number {
    this.#picks.writePool(addresses);
    return this.#kernel.poolSaturation(this.#shard, policy, nowMs);
  }

  /**
   * Mean of max(queue / threshold, KV usage / threshold) over the pool; unknown counts as 1, and so does no endpoint.
   */
  meanUtilization(
    { policy, addresses }: PoolRequest,
    nowMs: number,
    thresholds: { readonly queueDepthRequests: number; readonly kvCacheUsageFraction: number },
  ): number {
    this.#picks.writePool(addresses);
    const { queueDepthRequests, kvCacheUsageFraction } = thresholds;
    return this.#kernel.meanUtilization(this.#shard, policy, nowMs, queueDepthRequests, kvCacheUsageFraction);
  }

  /** All candidates of the last pick of the last batch with their totals. */
  lastCandidates(pick: Pick): ScoredCandidate[] {
    return Array.from({ length: pick.candidateCount }, (_, position) => ({
      hostPort: this.#addresses.hostPort(
        this.#view.getUint16(this.#base + layout.CANDIDATE_SLOTS + position * 2, true),
      ),
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

  /** Returns the prompt's tokens of a pick's charge before the rest, once; for the moment at which prefill is over. */
  releaseTokens(pick: Pick): void {
    assert(!pick.arePromptTokensReturned, "the tokens of a pick are returned twice");
    pick.arePromptTokensReturned = true;
    this.#kernel.releaseTokens(this.#shard, pick.slot, pick.promptTokens);
  }

  /** Returns what is left of a pick's charge, once. */
  release(pick: Pick): void {
    const left = pick.arePromptTokensReturned ? pick.tokens - pick.promptTokens : pick.tokens;
    this.#kernel.releasePick(this.#shard, pick.slot, left);
  }

  /** Counts events (`layout.SHARD_COUNTER_…`). */
  count(counter: number, amount = 1): void {
    const low = (this.#counterHalves[counter * 2] ?? 0) + amount;
    // Nearly always no more than the low half changes, and for that no BigInt is made.
    if (low <= 0xffffffff) this.#counterHalves[counter * 2] = low;
    else this.#counters[counter] = (this.#counters[counter] ?? 0n) + BigInt(amount);
  }

  #model(window: number): string {
    const start = this.#window(window) + layout.WINDOW_MODEL;
    return this.#bytes.toString("utf8", start, start + this.#u32(window, layout.WINDOW_MODEL_SIZE));
  }

  #scorerCount(request: PickRequest): number {
    return this.#view.getUint32(this.#profile(request) + layout.PROFILE_SCORER_COUNT, true);
  }

  /** Where the profile of a request stands. */
  #profile({ policy, profile = 0 }: ProfileRequest): number {
    const first = layout.POLICIES + policy * layout.POLICY_STRIDE + layout.POLICY_PROFILES;
    return first + profile * layout.PROFILE_STRIDE;
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
