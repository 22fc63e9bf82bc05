/**
 * The pick records of a shard: writes what a decision is asked, and reads what the kernel has answered. A record is in
 * use from `write` to `read` only.
 */
import { assert } from "../base/assert.ts";
import type { EndpointAddresses } from "./endpoint-addresses.ts";
import type { Kernel } from "./kernel.ts";
import { layout } from "./layout.ts";

/** Who a request belongs to, so that it can be sent where earlier ones of the same session went. */
export interface SessionUse {
  /** Names the session; different for plugins that bind sessions of their own. */
  readonly key: string;
  /** A binding that was not used for so long counts as none; at most SESSION_SECONDS_MAX. */
  readonly secondsMax: number;
  /** The pick renews the binding, or binds the session if it is bound to no endpoint that is still there. */
  readonly binds: boolean;
}

export interface PickRequest {
  /** Stream window with the scanned body; undefined for a request without one. */
  readonly window: number | undefined;
  readonly policy: number;
  /** Number of the profile in the policy; 0 when absent. */
  readonly profile?: number | undefined;
  readonly seedLow: number;
  readonly seedHigh: number;
  /** IP addresses that the request may go to; any when absent. */
  readonly addresses?: readonly string[] | undefined;
  /** By session number, at most REQUEST_SESSIONS_MAX. */
  readonly sessions?: readonly (SessionUse | undefined)[] | undefined;
  /** Slots by request mask number, at most REQUEST_MASKS_MAX. Undefined is no mask, which differs from an empty one. */
  readonly masks?: readonly (readonly number[] | undefined)[] | undefined;
  /**
   * False: the picked endpoint is charged, but not taken to hold the prompt from now on (a profile whose endpoint does
   * not compute it).
   */
  readonly recordsPrompt?: boolean | undefined;
  /** False for further profiles of a request, so that it counts as one request. */
  readonly countsRequest?: boolean | undefined;
}

export interface Pick {
  readonly kind: "picked";
  readonly slot: number;
  readonly generation: number;
  /** `ip:port` of the picked endpoint. */
  readonly hostPort: string;
  /** `ip:port` of the picked endpoint and of those to fall back to, best first. */
  readonly targets: readonly string[];
  readonly matchedBlocks: number;
  readonly blockCount: number;
  /** Candidates before the profile's filters, and after them. */
  readonly poolCount: number;
  readonly candidateCount: number;
  readonly tieCount: number;
  /** Charged to the endpoint until `release`. */
  readonly tokens: number;
  /** The part of them that is the prompt's, which the endpoint does not hold. */
  readonly promptTokens: number;
  /** The prompt's part has been returned before the rest. Written by `releaseTokens` alone. */
  arePromptTokensReturned: boolean;
  readonly total: number;
  /** Unweighted scores of the picked endpoint, in the profile's order. Empty unless asked for. */
  readonly scores: readonly number[];
  /** Number of the model's name, 0 when the control thread has not named it yet. */
  readonly nameNumber: number;
}

export type NoPick =
  /** There is no endpoint that the request may use. */
  | { readonly kind: "no-endpoints" }
  /** There are, and the profile's filters left none of them; `filter`: number of the one that left nothing. */
  | { readonly kind: "filtered-out"; readonly filter: number };

export type Decided = Pick | NoPick;

const NO_SCORES: readonly number[] = [];

/** A quarter of a year: ages are counted modulo 2^24 seconds. */
export const SESSION_SECONDS_MAX: number = 2 ** 23 - 1;

export class PickRecords {
  readonly #kernel: Kernel;
  readonly #addresses: EndpointAddresses;
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  /** Where a session's key is hashed: the chunk, which is in use during a scan only. */
  readonly #chunk: Buffer;
  readonly #base: number;

  constructor(memory: WebAssembly.Memory, kernel: Kernel, base: number, addresses: EndpointAddresses) {
    this.#kernel = kernel;
    this.#addresses = addresses;
    this.#base = base + layout.SHARD_PICKS;
    const size = layout.PICKS_MAX * layout.PICK_STRIDE;
    this.#view = new DataView(memory.buffer, this.#base, size);
    this.#bytes = new Uint8Array(memory.buffer, this.#base, size);
    this.#chunk = Buffer.from(memory.buffer, base + layout.SHARD_CHUNK, layout.CHUNK_SIZE_MAX);
  }

  write(index: number, request: PickRequest): void {
    const at = index * layout.PICK_STRIDE;
    this.#view.setUint32(at + layout.PICK_WINDOW, request.window ?? layout.NO_WINDOW, true);
    this.#view.setUint32(at + layout.PICK_POLICY, request.policy, true);
    this.#view.setUint32(at + layout.PICK_PROFILE, request.profile ?? 0, true);
    this.#view.setUint32(at + layout.PICK_SEED_LOW, request.seedLow, true);
    this.#view.setUint32(at + layout.PICK_SEED_HIGH, request.seedHigh, true);
    let flags = this.#writeAllowed(at, request.addresses);
    if (request.recordsPrompt !== false) flags |= layout.PICK_RECORDS;
    if (request.countsRequest !== false) flags |= layout.PICK_COUNTS;
    if (request.sessions !== undefined) flags |= this.#writeSessions(at, request.sessions);
    if (request.masks !== undefined) flags |= this.#writeMasks(at, request.masks);
    this.#view.setUint32(at + layout.PICK_FLAGS, flags, true);
  }

  /** Makes the request of record 0 a mere look at its candidates, which counts nothing. */
  markLook(): void {
    const flags = this.#view.getUint32(layout.PICK_FLAGS, true);
    this.#view.setUint32(layout.PICK_FLAGS, flags | layout.PICK_LOOKS, true);
  }

  /** Limits record 0 to these addresses, for questions about the pool of a request. */
  writePool(addresses: readonly string[] | undefined): void {
    this.#view.setUint32(layout.PICK_FLAGS, this.#writeAllowed(0, addresses), true);
  }

  read(index: number, scoreCount: number): Decided {
    const at = index * layout.PICK_STRIDE;
    const result = this.#view.getUint32(at + layout.PICK_RESULT, true);
    if (result === layout.PICK_NO_ENDPOINTS) return { kind: "no-endpoints" };
    if (result === layout.PICK_FILTERED_OUT) {
      return { kind: "filtered-out", filter: this.#view.getUint32(at + layout.PICK_EMPTIED_BY, true) };
    }
    return this.#readPick(at, scoreCount);
  }

  #readPick(at: number, scoreCount: number): Pick {
    const view = this.#view;
    const slot = view.getUint32(at + layout.PICK_SLOT, true);
    return {
      kind: "picked",
      slot,
      generation: view.getUint32(at + layout.PICK_GENERATION, true),
      hostPort: this.#addresses.hostPort(slot),
      targets: this.#readTargets(at, slot),
      matchedBlocks: view.getUint32(at + layout.PICK_MATCHED_BLOCKS, true),
      blockCount: view.getUint32(at + layout.PICK_BLOCK_COUNT, true),
      poolCount: view.getUint32(at + layout.PICK_POOL_COUNT, true),
      candidateCount: view.getUint32(at + layout.PICK_CANDIDATE_COUNT, true),
      tieCount: view.getUint32(at + layout.PICK_TIE_COUNT, true),
      tokens: view.getUint32(at + layout.PICK_TOKENS, true),
      promptTokens: view.getUint32(at + layout.PICK_PROMPT_TOKENS, true),
      arePromptTokensReturned: false,
      total: view.getFloat64(at + layout.PICK_TOTAL, true),
      scores: scoreCount === 0 ? NO_SCORES : this.#readScores(at, scoreCount),
      nameNumber: view.getUint32(at + layout.PICK_NAME_NUMBER, true),
    };
  }

  #readScores(at: number, scoreCount: number): number[] {
    const scores: number[] = [];
    for (let number = 0; number < scoreCount; number++) {
      scores.push(this.#view.getFloat64(at + layout.PICK_SCORES + number * 8, true));
    }
    return scores;
  }

  #readTargets(at: number, slot: number): readonly string[] {
    const count = this.#view.getUint32(at + layout.PICK_TARGET_COUNT, true);
    if (count === 1) return this.#addresses.asOnlyTarget(slot);
    const targets: string[] = [];
    for (let index = 0; index < count; index++) {
      targets.push(this.#addresses.hostPort(this.#view.getUint16(at + layout.PICK_TARGETS + index * 2, true)));
    }
    return targets;
  }

  #writeAllowed(at: number, addresses: readonly string[] | undefined): number {
    if (addresses === undefined) return 0;
    this.#writeMask(at + layout.PICK_MASK, this.#addresses.slotsOf(addresses));
    return layout.PICK_HAS_MASK;
  }

  #writeMasks(at: number, masks: readonly (readonly number[] | undefined)[]): number {
    assert(masks.length <= layout.REQUEST_MASKS_MAX, `${masks.length} request masks`);
    let flags = 0;
    for (const [number, slots] of masks.entries()) {
      if (slots === undefined) continue;
      this.#writeMask(at + layout.PICK_REQUEST_MASKS + number * layout.MASK_SIZE, slots);
      flags |= layout.PICK_HAS_REQUEST_MASK << number;
    }
    return flags;
  }

  #writeMask(at: number, slots: readonly number[]): void {
    this.#bytes.fill(0, at, at + layout.MASK_SIZE);
    for (const slot of slots) this.#bytes[at + (slot >> 3)] = (this.#bytes[at + (slot >> 3)] ?? 0) | (1 << (slot & 7));
  }

  #writeSessions(at: number, sessions: readonly (SessionUse | undefined)[]): number {
    assert(sessions.length <= layout.REQUEST_SESSIONS_MAX, `${sessions.length} sessions`);
    const first = at + layout.PICK_SESSIONS;
    this.#bytes.fill(0, first, first + layout.REQUEST_SESSIONS_MAX * layout.PICK_SESSION_STRIDE);
    for (const [number, session] of sessions.entries()) {
      if (session === undefined) continue;
      const { key, secondsMax, binds } = session;
      assert(secondsMax >= 0 && secondsMax <= SESSION_SECONDS_MAX, `a session of ${secondsMax} s`);
      const record = first + number * layout.PICK_SESSION_STRIDE;
      const size = this.#chunk.write(key);
      this.#kernel.hashBytes(this.#base - layout.SHARD_PICKS + layout.SHARD_CHUNK, size, this.#base + record);
      this.#view.setUint32(record + layout.PICK_SESSION_SECONDS_MAX, secondsMax, true);
      this.#view.setUint32(record + layout.PICK_SESSION_BINDS, binds ? 1 : 0, true);
    }
    return layout.PICK_HAS_SESSIONS;
  }
}
