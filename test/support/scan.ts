/**
 * Runs the body scanner over a body in pieces and reads what it found. Before each call the chunk area's slack and the
 * staging area are filled with bytes that would change the result if they were ever acted on, as other streams' would.
 */
import { layout } from "../../src/wasm/layout.ts";
import { ASSETS_DEFAULT } from "./asset-tokens.ts";
import type { ScanFacts } from "./json-scan-oracle.ts";
import type { TestKernel } from "./kernel.ts";
import { blockIds } from "./xxh64.ts";

export interface ScanOptions {
  readonly api?: number;
  readonly blockSize?: number;
  readonly window?: number;
  /** Which of SLACKS lies behind each piece; by default it changes with the size of the piece. */
  readonly slack?: number;
  /** What images and videos count as under the policy. */
  readonly assets?: AssetNumbers;
  /** Tokens of each video in this body; 0: as the policy has it. */
  readonly videoTokens?: number;
}

export interface AssetNumbers {
  readonly imageTokenPixels: number;
  readonly imageTokens: number;
  readonly videoTokens: number;
}

/** Number of the policy that bodies are read under here. Its head is written for each, the rest stays empty. */
const POLICY: number = layout.POLICIES_MAX - 1;

export const CHAT: number = layout.API_OPENAI_CHAT;
export const COMPLETIONS: number = layout.API_OPENAI_COMPLETIONS;
export const BLOCK_SIZE = 64;

/**
 * What lies behind a chunk: text, a string's end, an escape, digits. Each would go on with something that is cut there.
 */
export const SLACKS: readonly Buffer[] = ['abc"}]', '","}]', '\\u0041"\\', '0041"]}'].map((text) =>
  Buffer.from(text.repeat(16)),
);

/** Scans a whole body cut at the given offsets, which rise; returns the last result. */
export function scanPieces(
  kernel: TestKernel,
  body: Uint8Array,
  cuts: readonly number[] = [],
  options: ScanOptions = {},
): number {
  beginScan(kernel, options);
  const bounds = [0, ...cuts, body.length];
  let result = 0;
  for (let index = 1; index < bounds.length; index++) {
    const piece = body.subarray(bounds[index - 1], bounds[index]);
    result = scanPiece(kernel, piece, index === bounds.length - 1, options);
  }
  return result;
}

/** Scans a whole body in pieces of `step` bytes, by default as large as a piece may be; returns the last result. */
export function scanInSteps(
  kernel: TestKernel,
  body: Uint8Array,
  options: ScanOptions & { step?: number } = {},
): number {
  const { step = layout.CHUNK_SIZE_MAX } = options;
  const pieces = Math.max(1, Math.ceil(body.length / step));
  return scanPieces(
    kernel,
    body,
    Array.from({ length: pieces - 1 }, (_, index) => (index + 1) * step),
    options,
  );
}

export function beginScan(
  { kernel, view }: TestKernel,
  { api = CHAT, blockSize = BLOCK_SIZE, window = 0, assets = ASSETS_DEFAULT, videoTokens = 0 }: ScanOptions,
): void {
  const policy = layout.POLICIES + POLICY * layout.POLICY_STRIDE;
  view.setUint32(policy + layout.POLICY_BLOCK_SIZE, blockSize, true);
  view.setUint32(policy + layout.POLICY_IMAGE_TOKEN_PIXELS, assets.imageTokenPixels, true);
  view.setUint32(policy + layout.POLICY_IMAGE_TOKENS, assets.imageTokens, true);
  view.setUint32(policy + layout.POLICY_VIDEO_TOKENS, assets.videoTokens, true);
  kernel.scanBegin(0, window, api, POLICY, videoTokens);
}

/** One `scanBody` call over poisoned slack and staging. */
export function scanPiece(
  kernel: TestKernel,
  piece: Uint8Array,
  isLast: boolean,
  { window = 0, slack = piece.length % SLACKS.length }: ScanOptions = {},
): number {
  const chunk = kernel.shardBase(0) + layout.SHARD_CHUNK;
  kernel.bytes.set(piece, chunk);
  const poison = SLACKS[slack] as Buffer;
  kernel.bytes.set(poison.subarray(0, 64), chunk + piece.length);
  kernel.bytes.set(poison, kernel.shardBase(0) + layout.SHARD_STAGING);
  return kernel.kernel.scanBody(0, window, piece.length, isLast ? 1 : 0);
}

/** A u32 of the window. */
export function windowField(kernel: TestKernel, offset: number, window = 0): number {
  return kernel.view.getUint32(kernel.windowBase(0, window) + offset, true);
}

/** What the scanner found, in the oracle's terms. */
export function scanFacts(kernel: TestKernel, window = 0): ScanFacts {
  const base = kernel.windowBase(0, window);
  const field = (offset: number): number => windowField(kernel, offset, window);
  const hasFact = (fact: number): boolean => (field(layout.WINDOW_FACTS) & fact) !== 0;
  const text = (at: number, size: number): string =>
    Buffer.from(kernel.bytes.slice(base + at, base + at + size)).toString("utf8");
  const hasModel = hasFact(layout.FACT_MODEL);
  const system = partIds(kernel, layout.PART_SYSTEM, window);
  const prompt = partIds(kernel, layout.PART_PROMPT, window);
  // An empty prompt at the end of the list may be counted: it has no ids.
  const breaks = Array.from({ length: field(layout.WINDOW_BREAK_COUNT) }, (_, index) =>
    kernel.view.getUint16(base + layout.WINDOW_BREAKS + index * 2, true),
  ).filter((ids) => ids < prompt.length);
  return {
    model: hasModel ? text(layout.WINDOW_MODEL, field(layout.WINDOW_MODEL_SIZE)) : undefined,
    modelSpan: hasModel ? [field(layout.WINDOW_MODEL_START), field(layout.WINDOW_MODEL_END)] : undefined,
    salt: text(layout.WINDOW_SALT, field(layout.WINDOW_SALT_SIZE)),
    isStream: hasFact(layout.FACT_STREAM),
    outputCap: hasFact(layout.FACT_OUTPUT_CAP) ? field(layout.WINDOW_OUTPUT_CAP) : undefined,
    messageCount: field(layout.WINDOW_MESSAGE_COUNT),
    hasPrompt: hasFact(layout.FACT_PROMPT),
    hasTools: hasFact(layout.FACT_TOOLS),
    promptSize: field(layout.WINDOW_PROMPT_SIZE),
    tools: partIds(kernel, layout.PART_TOOLS, window),
    system: system.length === 0 ? undefined : system,
    prompt,
    breaks: breaks.length === 0 ? undefined : breaks,
  };
}

/** The ids of a part, in hex. */
export function partIds(kernel: TestKernel, part: number, window = 0): string[] {
  const record = layout.WINDOW_PARTS + part * layout.PART_STRIDE;
  const firstId = windowField(kernel, record, window);
  const idCount = windowField(kernel, record + 4, window);
  return Array.from({ length: idCount }, (_, index) => {
    const at = kernel.windowBase(0, window) + layout.WINDOW_IDS + (firstId + index) * 8;
    return hexId(kernel.view.getBigUint64(at, true));
  });
}

/** The ids, in hex, of a text's blocks. */
export function idsOf(text: string): string[] {
  return hexIds(blockIds(Buffer.from(text), BLOCK_SIZE));
}

export function hexIds(ids: readonly bigint[]): string[] {
  return ids.map(hexId);
}

function hexId(id: bigint): string {
  return id.toString(16).padStart(16, "0");
}
