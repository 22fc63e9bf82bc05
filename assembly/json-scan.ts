/**
 * The body scanner: a pushdown automaton over the chunks of a request body, cut anywhere. It accepts what JSON.parse
 * accepts, with two limits (an object at the top, JSON_DEPTH_MAX containers open at once), and on the way hands each
 * value of interest on: the grammar says which, strings and scalars are read by their own files, parts become block
 * ids. All that one body needs between calls lies in its window (WINDOW_SCAN…), so bodies may interleave on a shard.
 *
 *   BODY ─ { ─► KEY_OR_END ─ key ─► COLON ─ : ─► VALUE ─ value ─► COMMA_OR_END ─ } at depth 1 ─► NOTHING
 *                                     ▲            ▲                 │ ,                       (all names EXPECT_…)
 *                                     └─── key ─ KEY ◄── in object ──┤
 *                                                  └──── in array ───┘
 */
import { endAsset } from "./assets";
import { breakPrompt, closePart, restoreStaged, saveStaged, stageByte } from "./canonical";
import { contextOf, depthOf, isInObject, popContainer, pushContainer } from "./json-containers";
import { valueAction } from "./json-grammar";
import { beginLiteral, beginNumber, scanLiteral, scanNumber } from "./json-scalar";
import {
  acceptsEnd,
  acceptsKey,
  acceptsValue,
  EXPECT_BODY,
  EXPECT_COLON,
  EXPECT_COMMA_OR_END,
  EXPECT_KEY,
  EXPECT_NOTHING,
  EXPECT_VALUE,
  IN_KEY,
  IN_NUMBER,
  IN_STRING,
  offsetOf,
  REFUSED,
  refuse,
  refuseJson,
} from "./json-states";
import { beginText, scanString } from "./json-string";
import {
  BEGINS_PROMPT,
  CONTEXT_OUTSIDE,
  COUNTS_MESSAGE,
  FIELD_NONE,
  fieldOf,
  isAssetContext,
  KIND_ARRAY,
  KIND_FALSE,
  KIND_NONE,
  KIND_NULL,
  KIND_NUMBER,
  KIND_OBJECT,
  KIND_STRING,
  KIND_TRUE,
  SINK_KEY,
  TAKE_RAW,
  takeOf,
  WRONG_TYPE,
} from "./json-terms";
import {
  ASSET_TOKENS_MAX,
  BLOCK_SIZE_MAX,
  CHUNK_SIZE_MAX,
  PART_STRIDE,
  PARTS_COUNT,
  POLICY_BLOCK_SIZE,
  POLICY_VIDEO_TOKENS,
  SCAN_CUT,
  SCAN_DONE,
  SCAN_MORE,
  SCAN_NOT_AN_OBJECT,
  SCAN_WRONG_TYPE,
  SHARD_CHUNK,
  SHARD_STAGING,
  WINDOW_API,
  WINDOW_ASSET_FORMAT_SIZE,
  WINDOW_ASSET_SINK,
  WINDOW_BLOCK_SIZE,
  WINDOW_BODY_OFFSET,
  WINDOW_MESSAGE_COUNT,
  WINDOW_PARTS,
  WINDOW_POLICY,
  WINDOW_RESULT,
  WINDOW_SCAN_CONTAINERS,
  WINDOW_SCAN_CONTEXT,
  WINDOW_SCAN_KEY,
  WINDOW_SCAN_ORIGIN,
  WINDOW_SCAN_STATE,
  WINDOW_VIDEO_TOKENS,
} from "./layout";
import { policyBase, shardBase, windowBase } from "./memory";
import { beginRaw, endRaw, isRawApi, takeRaw } from "./raw-scan";
import { beginField } from "./request-facts";

const SPACE: u32 = 0x20;
const QUOTE: u32 = 0x22;
const COMMA: u32 = 0x2c;
const COLON: u32 = 0x3a;
const ARRAY_BEGIN: u32 = 0x5b;
const OBJECT_BEGIN: u32 = 0x7b;
const OBJECT_END: u32 = 0x7d;
/** Smallest block size, 64 bytes: BLOCKS_MAX blocks of it make a prompt of 128 KiB. */
const BLOCK_SIZE_MIN: u32 = 64;

/**
 * Readies a stream window for a new body, which is read under this policy: it gives the block size, a multiple of 4
 * from 64 to BLOCK_SIZE_MAX, and what images count as. `videoTokens`: of each video in this body; 0: as the policy has
 * it.
 */
export function scanBegin(shardNumber: u32, windowNumber: u32, api: u32, policyNumber: u32, videoTokens: u32): void {
  const policy = policyBase(policyNumber);
  const blockSize = load<u32>(policy, POLICY_BLOCK_SIZE);
  if (blockSize < BLOCK_SIZE_MIN || blockSize > BLOCK_SIZE_MAX || (blockSize & 3) != 0) unreachable();
  if (videoTokens > ASSET_TOKENS_MAX) unreachable();
  const window = windowBase(shardBase(shardNumber), windowNumber);
  memory.fill(window, 0, WINDOW_SCAN_CONTAINERS);
  memory.fill(window + WINDOW_PARTS, 0, PARTS_COUNT * PART_STRIDE);
  store<u32>(window, CONTEXT_OUTSIDE, WINDOW_SCAN_CONTEXT);
  store<u32>(window, api, WINDOW_API);
  store<u32>(window, blockSize, WINDOW_BLOCK_SIZE);
  store<u32>(window, policyNumber, WINDOW_POLICY);
  store<u32>(window, videoTokens, WINDOW_VIDEO_TOKENS);
  if (videoTokens == 0) store<u32>(window, load<u32>(policy, POLICY_VIDEO_TOKENS), WINDOW_VIDEO_TOKENS);
  store<u32>(window, 0, WINDOW_ASSET_SINK);
  store<u32>(window, 0, WINDOW_ASSET_FORMAT_SIZE);
  if (isRawApi(api)) beginRaw(window);
}

/**
 * Takes the next `size` ≤ CHUNK_SIZE_MAX bytes of a body, which lie at SHARD_CHUNK, and returns a SCAN_… code:
 * SCAN_MORE until `isLast`, then SCAN_DONE or SCAN_CUT. A refusal comes with the chunk that holds the offending byte,
 * whose offset is then in WINDOW_BODY_OFFSET, and is repeated by further calls.
 */
export function scanBody(shardNumber: u32, windowNumber: u32, size: u32, isLast: u32): u32 {
  if (size > CHUNK_SIZE_MAX) unreachable();
  const shard = shardBase(shardNumber);
  const window = windowBase(shard, windowNumber);
  if (load<u32>(window, WINDOW_RESULT) != SCAN_MORE) return load<u32>(window, WINDOW_RESULT);
  const chunk: usize = shard + SHARD_CHUNK;
  const staging: usize = shard + SHARD_STAGING;
  const offset = load<u32>(window, WINDOW_BODY_OFFSET);
  store<u32>(window, <u32>chunk - offset, WINDOW_SCAN_ORIGIN);
  restoreStaged(window, staging);
  const isRaw = isRawApi(load<u32>(window, WINDOW_API));
  const end: usize = chunk + size;
  const stop: usize = isRaw ? takeRaw(window, staging, chunk, end) : scanChunk(window, staging, chunk, end);
  store<u32>(window, offset + <u32>(stop - chunk), WINDOW_BODY_OFFSET);
  if (load<u32>(window, WINDOW_RESULT) != SCAN_MORE) return load<u32>(window, WINDOW_RESULT);
  if (isLast == 0) {
    saveStaged(window, staging);
    return SCAN_MORE;
  }
  let result = load<u32>(window, WINDOW_SCAN_STATE) == EXPECT_NOTHING ? SCAN_DONE : SCAN_CUT;
  if (isRaw) result = endRaw(window, staging);
  else saveStaged(window, staging);
  store<u32>(window, result, WINDOW_RESULT);
  return result;
}

/** The automaton. Returns where it stopped: `end`, or the byte that it refused (the window's result is then set). */
function scanChunk(window: usize, staging: usize, from: usize, end: usize): usize {
  let state = load<u32>(window, WINDOW_SCAN_STATE);
  while (from < end) {
    if (state >= IN_KEY) {
      from = scanToken(window, staging, state, from, end);
      state = load<u32>(window, WINDOW_SCAN_STATE);
      if (state == REFUSED) return from;
      continue;
    }
    const byte = <u32>load<u8>(from);
    if (byte > SPACE) {
      if (byte == QUOTE) state = beginString(window, staging, state, from);
      else if (byte == COLON) state = takeColon(window, staging, state);
      else if (byte == COMMA) state = takeComma(window, staging, state);
      else if ((byte | 0x20) == OBJECT_END) state = endContainer(window, staging, state, byte);
      else state = beginValue(window, staging, state, byte, from);
      if (state == REFUSED) return from;
    } else if (!isWhiteSpace(byte)) {
      refuseJson(window);
      return from;
    }
    from++;
  }
  store<u32>(window, state, WINDOW_SCAN_STATE);
  return from;
}

/** Reads on in the key, string, number or literal that has begun, and stores the state it leaves. */
function scanToken(window: usize, staging: usize, state: u32, from: usize, end: usize): usize {
  if (state <= IN_STRING) return scanString(window, staging, from, end);
  if (state == IN_NUMBER) return scanNumber(window, staging, from, end);
  return scanLiteral(window, staging, from, end);
}

// Each function below takes the byte that it is named after and returns the next state.

function takeColon(window: usize, staging: usize, state: u32): u32 {
  if (state != EXPECT_COLON) return refuseJson(window);
  if (contextOf(window) == TAKE_RAW) stageByte(window, staging, COLON);
  return EXPECT_VALUE;
}

function takeComma(window: usize, staging: usize, state: u32): u32 {
  if (state != EXPECT_COMMA_OR_END) return refuseJson(window);
  if (contextOf(window) == TAKE_RAW) stageByte(window, staging, COMMA);
  else if (depthOf(window) == 1) closePart(window, staging);
  return isInObject(window) ? EXPECT_KEY : EXPECT_VALUE;
}

/** "}" or "]", which differ in one bit as "{" and "[" do. */
function endContainer(window: usize, staging: usize, state: u32, byte: u32): u32 {
  if (!acceptsEnd(state) || isInObject(window) != (byte == OBJECT_END)) return refuseJson(window);
  const context = contextOf(window);
  if (context == TAKE_RAW) stageByte(window, staging, byte);
  else if (isAssetContext(context)) endAsset(window, staging);
  if (popContainer(window) > 0) return EXPECT_COMMA_OR_END;
  closePart(window, staging);
  return EXPECT_NOTHING;
}

function beginString(window: usize, staging: usize, state: u32, from: usize): u32 {
  if (!acceptsKey(state)) return beginValue(window, staging, state, QUOTE, from);
  const context = contextOf(window);
  return inline.always(beginText(window, staging, IN_KEY, context <= TAKE_RAW ? context : SINK_KEY));
}

/** A value of any kind, or a byte that begins none. */
function beginValue(window: usize, staging: usize, state: u32, byte: u32, from: usize): u32 {
  const kind = kindOf(byte);
  if (kind == KIND_NONE || !acceptsValue(state)) return refuseJson(window);
  if (state == EXPECT_BODY && kind != KIND_OBJECT) return refuse(window, SCAN_NOT_AN_OBJECT);
  let take = contextOf(window);
  if (take > TAKE_RAW) {
    const action = valueAction(load<u32>(window, WINDOW_API), take, load<u32>(window, WINDOW_SCAN_KEY), kind);
    if ((action & WRONG_TYPE) != 0) return refuse(window, SCAN_WRONG_TYPE);
    if (action > 0xff) applyAction(window, staging, action, kind, offsetOf(window, from));
    take = takeOf(action);
  }
  switch (kind) {
    case KIND_OBJECT:
    case KIND_ARRAY:
      return pushContainer(window, staging, byte, take);
    case KIND_STRING:
      return inline.always(beginText(window, staging, IN_STRING, take));
    case KIND_NUMBER:
      return beginNumber(window, staging, take, byte);
    default:
      return beginLiteral(window, staging, take, byte, kind);
  }
}

/** What a value does besides being taken. */
function applyAction(window: usize, staging: usize, action: u32, kind: u32, offset: u32): void {
  const field = fieldOf(action);
  if (field != FIELD_NONE) beginField(window, field, kind, offset);
  if ((action & BEGINS_PROMPT) != 0) breakPrompt(window, staging);
  if ((action & COUNTS_MESSAGE) != 0) {
    store<u32>(window, load<u32>(window, WINDOW_MESSAGE_COUNT) + 1, WINDOW_MESSAGE_COUNT);
  }
}

function isWhiteSpace(byte: u32): bool {
  return byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09;
}

/** The kind of value that a byte begins, or KIND_NONE. */
function kindOf(byte: u32): u32 {
  switch (byte) {
    case QUOTE:
      return KIND_STRING;
    case OBJECT_BEGIN:
      return KIND_OBJECT;
    case ARRAY_BEGIN:
      return KIND_ARRAY;
    case 0x74 /* t */:
      return KIND_TRUE;
    case 0x66 /* f */:
      return KIND_FALSE;
    case 0x6e /* n */:
      return KIND_NULL;
    case 0x2d /* - */:
      return KIND_NUMBER;
    default:
      return byte - 0x30 <= 9 ? KIND_NUMBER : KIND_NONE;
  }
}
