/**
 * The canonical bytes of a prompt, from scanner to block ids. One part (tools, system, prompt) is open at a time, since
 * parts are fields of the body and fields do not overlap. Within a call its bytes gather in the shard's staging area;
 * whole blocks are hashed at the end of the call, and what is left of a block waits in the window for the next chunk.
 *
 *   window: unfinished ─► staging: │ unfinished │ bytes of this chunk …    │ ─► ids of whole blocks ─► window: ids
 *                                                          └ last piece ─► window: unfinished (an id at the part's end)
 */
import { hashBlocks } from "./block-hash";
import {
  BLOCKS_MAX,
  FACT_PROMPT,
  FACT_TOOLS,
  PART_PROMPT,
  PART_STRIDE,
  PART_TOOLS,
  STAGING_SIZE,
  WINDOW_BLOCK_SIZE,
  WINDOW_BLOCKS_BEYOND,
  WINDOW_FACTS,
  WINDOW_ID_COUNT,
  WINDOW_IDS,
  WINDOW_MESSAGE_COUNT,
  WINDOW_PARTS,
  WINDOW_PROMPT_SIZE,
  WINDOW_SCAN_PART,
  WINDOW_SCAN_PART_SIZES,
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
  const bytes = load<u32>(size);
  if (bytes != 0) {
    const blockSize = load<u32>(window, WINDOW_BLOCK_SIZE);
    const beyond = (bytes + blockSize - 1) / blockSize - load<u32>(record, 4);
    store<u32>(window, load<u32>(window, WINDOW_BLOCKS_BEYOND) - beyond, WINDOW_BLOCKS_BEYOND);
    store<u32>(window, load<u32>(window, WINDOW_PROMPT_SIZE) - bytes, WINDOW_PROMPT_SIZE);
    store<u32>(size, 0);
  }
  store<u32>(record, load<u32>(window, WINDOW_ID_COUNT));
  store<u32>(record, 0, 4);
  assert(load<u32>(window, WINDOW_SCAN_STAGED) == 0);
  store<u32>(window, part + 1, WINDOW_SCAN_PART);
  store<u32>(window, load<u32>(window, WINDOW_FACTS) & ~factOf(part), WINDOW_FACTS);
  if (part == PART_PROMPT) store<u32>(window, 0, WINDOW_MESSAGE_COUNT);
}

/** Ends the open part, if there is one: its last, partial block gets an id too, and the part's fact is set. */
export function closePart(window: usize, staging: usize): void {
  if (load<u32>(window, WINDOW_SCAN_PART) == 0) return;
  const part = load<u32>(window, WINDOW_SCAN_PART) - 1;
  const rest = hashWholeBlocks(window, staging);
  const restSize = <u32>(staging + load<u32>(window, WINDOW_SCAN_STAGED) - rest);
  if (restSize > 0) {
    if (load<u32>(window, WINDOW_ID_COUNT) < BLOCKS_MAX) {
      store<u64>(nextId(window), xxh64(rest, restSize));
      addBlocks(window, part, 1, 0, restSize);
    } else {
      addBlocks(window, part, 0, 1, restSize);
    }
  }
  store<u32>(window, 0, WINDOW_SCAN_PART);
  store<u32>(window, 0, WINDOW_SCAN_STAGED);
  const isPresent = load<u32>(partSize(window, part)) > 0 || (part == PART_PROMPT && hasMessages(window));
  if (isPresent) store<u32>(window, load<u32>(window, WINDOW_FACTS) | factOf(part), WINDOW_FACTS);
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

/** Hashes the whole blocks of the staging area into ids, as far as there is room, and returns where the rest begins. */
function hashWholeBlocks(window: usize, staging: usize): usize {
  const staged = load<u32>(window, WINDOW_SCAN_STAGED);
  assert(staged + 64 <= STAGING_SIZE);
  const blockSize = load<u32>(window, WINDOW_BLOCK_SIZE);
  if (staged < blockSize) return staging;
  const count = staged / blockSize;
  const room = BLOCKS_MAX - load<u32>(window, WINDOW_ID_COUNT);
  const hashed = min<u32>(count, room);
  hashBlocks(staging, hashed * blockSize, blockSize, nextId(window));
  addBlocks(window, load<u32>(window, WINDOW_SCAN_PART) - 1, hashed, count - hashed, count * blockSize);
  return staging + <usize>(count * blockSize);
}

/** Counts blocks of the open part: those that got an id and those beyond the room for ids. */
function addBlocks(window: usize, part: u32, hashed: u32, beyond: u32, bytes: u32): void {
  const record = partRecord(window, part);
  store<u32>(record, load<u32>(record, 4) + hashed, 4);
  store<u32>(window, load<u32>(window, WINDOW_ID_COUNT) + hashed, WINDOW_ID_COUNT);
  store<u32>(window, load<u32>(window, WINDOW_BLOCKS_BEYOND) + beyond, WINDOW_BLOCKS_BEYOND);
  store<u32>(window, load<u32>(window, WINDOW_PROMPT_SIZE) + bytes, WINDOW_PROMPT_SIZE);
  const size = partSize(window, part);
  store<u32>(size, load<u32>(size) + bytes);
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

function hasMessages(window: usize): bool {
  return load<u32>(window, WINDOW_MESSAGE_COUNT) > 0;
}

function factOf(part: u32): u32 {
  if (part == PART_PROMPT) return FACT_PROMPT;
  return part == PART_TOOLS ? FACT_TOOLS : 0;
}
