/**
 * The canonical bytes of a prompt, from scanner to block ids. One part (tools, system, prompt) is open at a time, since
 * parts are fields of the body and fields do not overlap. Within a call its bytes gather in the shard's staging area;
 * whole blocks are hashed at the end of the call, and what is left of a block waits in the window for the next chunk.
 *
 *   window: unfinished ─► staging: │ unfinished │ bytes of this chunk …    │ ─► ids of whole blocks ─► window: ids
 *                                                          └ last piece ─► window: unfinished (an id at the part's end)
 *
 * The prompt part may hold several prompts. Each begins a new block, and where it begins is noted, so that it can be
 * chained by itself.
 */
import { hashBlocks } from "./block-hash";
import {
  BLOCKS_MAX,
  FACT_PROMPT,
  FACT_TOOLS,
  PART_PROMPT,
  PART_SIZE_MAX,
  PART_STRIDE,
  PART_TOOLS,
  PROMPTS_MAX,
  STAGING_SIZE,
  WINDOW_BLOCK_SIZE,
  WINDOW_BLOCKS_BEYOND,
  WINDOW_BREAK_COUNT,
  WINDOW_BREAKS,
  WINDOW_FACTS,
  WINDOW_ID_COUNT,
  WINDOW_IDS,
  WINDOW_MESSAGE_COUNT,
  WINDOW_PARTS,
  WINDOW_PROMPT_SIZE,
  WINDOW_SCAN_ID_LIMIT,
  WINDOW_SCAN_PART,
  WINDOW_SCAN_PART_BEYOND,
  WINDOW_SCAN_PART_SIZES,
  WINDOW_SCAN_PROMPT_AT,
  WINDOW_SCAN_STAGED,
  WINDOW_UNFINISHED,
} from "./layout";
import { xxh64 } from "./xxh64";

/**
 * Opens a part, dropping what an earlier field of the same name put into it. Its old ids stay unused in the id area.
 */
export function openPart(window: usize, part: u32): void {
  const record = partRecord(window, part);
  const size = partSize(window, part);
  const beyond = partBeyond(window, part);
  store<u32>(window, load<u32>(window, WINDOW_BLOCKS_BEYOND) - load<u32>(beyond), WINDOW_BLOCKS_BEYOND);
  store<u32>(window, load<u32>(window, WINDOW_PROMPT_SIZE) - load<u32>(size), WINDOW_PROMPT_SIZE);
  store<u32>(size, 0);
  store<u32>(beyond, 0);
  store<u32>(record, load<u32>(window, WINDOW_ID_COUNT));
  store<u32>(record, 0, 4);
  assert(load<u32>(window, WINDOW_SCAN_STAGED) == 0);
  store<u32>(window, BLOCKS_MAX, WINDOW_SCAN_ID_LIMIT);
  store<u32>(window, part + 1, WINDOW_SCAN_PART);
  store<u32>(window, load<u32>(window, WINDOW_FACTS) & ~factOf(part), WINDOW_FACTS);
  if (part != PART_PROMPT) return;
  store<u32>(window, 0, WINDOW_MESSAGE_COUNT);
  store<u32>(window, 0, WINDOW_BREAK_COUNT);
  store<u32>(window, 0, WINDOW_SCAN_PROMPT_AT);
}

/** Ends the open part, if there is one: its last, partial block gets an id too, and the part's fact is set. */
export function closePart(window: usize, staging: usize): void {
  if (load<u32>(window, WINDOW_SCAN_PART) == 0) return;
  const part = load<u32>(window, WINDOW_SCAN_PART) - 1;
  hashStaged(window, staging);
  store<u32>(window, 0, WINDOW_SCAN_PART);
  const isPresent = load<u32>(partSize(window, part)) > 0 || (part == PART_PROMPT && hasMessages(window));
  if (isPresent) store<u32>(window, load<u32>(window, WINDOW_FACTS) | factOf(part), WINDOW_FACTS);
}

/**
 * Ends the present prompt of the prompt part, unless it is empty; another one begins. Of those beyond PROMPTS_MAX only
 * the size is counted.
 */
export function breakPrompt(window: usize, staging: usize): void {
  const size = partSize(window, PART_PROMPT);
  if (load<u32>(size) + load<u32>(window, WINDOW_SCAN_STAGED) == load<u32>(window, WINDOW_SCAN_PROMPT_AT)) return;
  hashStaged(window, staging);
  store<u32>(window, load<u32>(size), WINDOW_SCAN_PROMPT_AT);
  const breaks = load<u32>(window, WINDOW_BREAK_COUNT);
  if (breaks == PROMPTS_MAX - 1) {
    store<u32>(window, load<u32>(window, WINDOW_ID_COUNT), WINDOW_SCAN_ID_LIMIT);
    return;
  }
  const idCount = load<u32>(partRecord(window, PART_PROMPT), 4);
  store<u16>(window + WINDOW_BREAKS + ((<usize>breaks) << 1), <u16>idCount);
  store<u32>(window, breaks + 1, WINDOW_BREAK_COUNT);
}

/** At the start of a call: the open part's unfinished block goes in front of what will be staged. */
export function restoreStaged(window: usize, staging: usize): void {
  memory.copy(staging, window + WINDOW_UNFINISHED, load<u32>(window, WINDOW_SCAN_STAGED));
}

/** At the end of a call: hashes the open part's whole blocks and keeps the rest in the window. */
export function saveStaged(window: usize, staging: usize): void {
  if (load<u32>(window, WINDOW_SCAN_PART) == 0) return;
  const rest = hashWholeBlocks(window, staging);
  const restSize = staging + load<u32>(window, WINDOW_SCAN_STAGED) - rest;
  memory.copy(window + WINDOW_UNFINISHED, rest, restSize);
  store<u32>(window, <u32>restSize, WINDOW_SCAN_STAGED);
}

/** Appends one byte to the open part. */
export function stageByte(window: usize, staging: usize, byte: u32): void {
  const staged = load<u32>(window, WINDOW_SCAN_STAGED);
  store<u8>(staging + staged, <u8>byte);
  store<u32>(window, staged + 1, WINDOW_SCAN_STAGED);
}

/** Appends bytes of the chunk as they stand. */
export function stageBytes(window: usize, staging: usize, source: usize, size: usize): void {
  const staged = load<u32>(window, WINDOW_SCAN_STAGED);
  memory.copy(staging + staged, source, size);
  store<u32>(window, staged + <u32>size, WINDOW_SCAN_STAGED);
}

/** Appends a token id: 4 bytes, little-endian. */
export function stageTokenId(window: usize, staging: usize, id: u32): void {
  const staged = load<u32>(window, WINDOW_SCAN_STAGED);
  store<u32>(staging + staged, id);
  store<u32>(window, staged + 4, WINDOW_SCAN_STAGED);
}

/**
 * Appends `count` copies of a token, after zero bytes up to the next multiple of 4. However many they are, they need
 * less than a block of the staging area, and blocks that hold nothing else are hashed once: only whole tokens come to
 * stand in front of what follows. For the end of a value, when nothing of a string is staged that could still be taken
 * back.
 */
export function stageCopies(window: usize, staging: usize, token: u32, count: u32): void {
  const blockSize = load<u32>(window, WINDOW_BLOCK_SIZE);
  compactStaged(window, staging);
  while ((load<u32>(window, WINDOW_SCAN_STAGED) & 3) != 0) stageByte(window, staging, 0);
  const first = min<u32>(count, (blockSize - load<u32>(window, WINDOW_SCAN_STAGED)) >> 2);
  fillTokens(window, staging, token, first);
  compactStaged(window, staging);
  const blockTokens = blockSize >> 2;
  const blocks = (count - first) / blockTokens;
  if (blocks > 0) {
    fillTokens(window, staging, token, blockTokens);
    const ids = min<u32>(blocks, roomForIds(window));
    const id = xxh64(staging, blockSize);
    const from = nextId(window);
    for (let at: usize = 0; at < (<usize>ids) << 3; at += 8) store<u64>(from + at, id);
    addBlocks(window, load<u32>(window, WINDOW_SCAN_PART) - 1, ids, blocks - ids, <u64>blocks * blockSize);
    store<u32>(window, 0, WINDOW_SCAN_STAGED);
  }
  fillTokens(window, staging, token, count - first - blocks * blockTokens);
}

/** Hashes the whole blocks of the staging area and moves the rest to its beginning. */
export function compactStaged(window: usize, staging: usize): void {
  const rest = hashWholeBlocks(window, staging);
  if (rest == staging) return;
  const restSize = staging + load<u32>(window, WINDOW_SCAN_STAGED) - rest;
  memory.copy(staging, rest, restSize);
  store<u32>(window, <u32>restSize, WINDOW_SCAN_STAGED);
}

function fillTokens(window: usize, staging: usize, token: u32, count: u32): void {
  const staged = load<u32>(window, WINDOW_SCAN_STAGED);
  for (let i: u32 = 0; i < count; i++) store<u32>(staging + staged + ((<usize>i) << 2), token);
  store<u32>(window, staged + (count << 2), WINDOW_SCAN_STAGED);
}

/** Hashes all that is staged, the partial block at its end as a block of its own. */
function hashStaged(window: usize, staging: usize): void {
  const part = load<u32>(window, WINDOW_SCAN_PART) - 1;
  const rest = hashWholeBlocks(window, staging);
  const restSize = <u32>(staging + load<u32>(window, WINDOW_SCAN_STAGED) - rest);
  store<u32>(window, 0, WINDOW_SCAN_STAGED);
  if (restSize == 0) return;
  const hashed = min<u32>(1, roomForIds(window));
  if (hashed != 0) store<u64>(nextId(window), xxh64(rest, restSize));
  addBlocks(window, part, hashed, 1 - hashed, restSize);
}

/** Hashes the whole blocks of the staging area into ids, as far as there is room, and returns where the rest begins. */
function hashWholeBlocks(window: usize, staging: usize): usize {
  const staged = load<u32>(window, WINDOW_SCAN_STAGED);
  assert(staged + 64 <= STAGING_SIZE);
  const blockSize = load<u32>(window, WINDOW_BLOCK_SIZE);
  if (staged < blockSize) return staging;
  const count = staged / blockSize;
  const hashed = min<u32>(count, roomForIds(window));
  hashBlocks(staging, hashed * blockSize, blockSize, nextId(window));
  addBlocks(window, load<u32>(window, WINDOW_SCAN_PART) - 1, hashed, count - hashed, count * blockSize);
  return staging + <usize>(count * blockSize);
}

/** Counts blocks of the open part: those that got an id and those beyond the room for ids. */
function addBlocks(window: usize, part: u32, hashed: u32, beyond: u32, bytes: u64): void {
  const record = partRecord(window, part);
  store<u32>(record, load<u32>(record, 4) + hashed, 4);
  store<u32>(window, load<u32>(window, WINDOW_ID_COUNT) + hashed, WINDOW_ID_COUNT);
  addUpToMax(partBeyond(window, part), window + WINDOW_BLOCKS_BEYOND, beyond);
  addUpToMax(partSize(window, part), window + WINDOW_PROMPT_SIZE, bytes);
}

/** Adds to a part's count, up to PART_SIZE_MAX, and as much to the sum over the parts. */
function addUpToMax(count: usize, sum: usize, amount: u64): void {
  const before = load<u32>(count);
  const added = <u32>min<u64>(amount, PART_SIZE_MAX - before);
  store<u32>(count, before + added);
  store<u32>(sum, load<u32>(sum) + added);
}

function roomForIds(window: usize): u32 {
  return load<u32>(window, WINDOW_SCAN_ID_LIMIT) - load<u32>(window, WINDOW_ID_COUNT);
}

function nextId(window: usize): usize {
  return window + WINDOW_IDS + ((<usize>load<u32>(window, WINDOW_ID_COUNT)) << 3);
}

function partRecord(window: usize, part: u32): usize {
  return window + WINDOW_PARTS + <usize>part * PART_STRIDE;
}

function partSize(window: usize, part: u32): usize {
  return window + WINDOW_SCAN_PART_SIZES + ((<usize>part) << 2);
}

function partBeyond(window: usize, part: u32): usize {
  return window + WINDOW_SCAN_PART_BEYOND + ((<usize>part) << 2);
}

function hasMessages(window: usize): bool {
  return load<u32>(window, WINDOW_MESSAGE_COUNT) > 0;
}

function factOf(part: u32): u32 {
  if (part == PART_PROMPT) return FACT_PROMPT;
  return part == PART_TOOLS ? FACT_TOOLS : 0;
}
