/**
 * Strings and keys of a body. The text of every string is unescaped to the end of the staging area, 16 plain bytes at a
 * time; when the string, or the chunk, ends it stays there (a prompt's text), moves to the window (key, model, salt),
 * or is dropped. So there is one loop over text, whatever becomes of it, and plain text is copied once. Bytes from 0x80
 * pass unchecked; escapes are the business of `json-escape.ts`.
 */
import { beginAsset, endAsset } from "./assets";
import { stageByte } from "./canonical";
import { BACKSLASH, isInEscape, PHASE_PLAIN, resumeEscape, simpleEscape, stageUnits } from "./json-escape";
import { keyCode } from "./json-keys";
import { addressOf, EXPECT_COLON, EXPECT_COMMA_OR_END, IN_KEY, offsetOf, refuse } from "./json-states";
import {
  isAssetContext,
  SINK_IMAGE_URL,
  SINK_KEY,
  SINK_MODEL,
  SINK_SYSTEM_TEXT,
  SINK_TEXT,
  TAKE_NOTHING,
  TAKE_RAW,
} from "./json-terms";
import {
  SCAN_MORE,
  SCAN_NOT_JSON,
  WINDOW_SCAN_CONTEXT,
  WINDOW_SCAN_FIELD_AT,
  WINDOW_SCAN_KEY,
  WINDOW_SCAN_KEY_BYTES,
  WINDOW_SCAN_KEY_SIZE,
  WINDOW_SCAN_PHASE,
  WINDOW_SCAN_SINK,
  WINDOW_SCAN_STAGED,
  WINDOW_SCAN_STATE,
} from "./layout";
import { endModel, takeText } from "./request-facts";
import { beginSystemText, endSystemText } from "./system-text";

const QUOTE: u32 = 0x22;
const LAST_CONTROL: u32 = 0x1f;
const NOT_SHORT: u32 = 16;

/** Begins a key or string whose opening quote has just been read. Returns `state`, which is IN_KEY or IN_STRING. */
export function beginText(window: usize, staging: usize, state: u32, sink: u32): u32 {
  store<u32>(window, state, WINDOW_SCAN_STATE);
  store<u32>(window, sink, WINDOW_SCAN_SINK);
  store<u32>(window, PHASE_PLAIN, WINDOW_SCAN_PHASE);
  if (sink == TAKE_RAW) stageByte(window, staging, QUOTE);
  if (sink == SINK_KEY) store<u32>(window, 0, WINDOW_SCAN_KEY_SIZE);
  else if (sink >= SINK_SYSTEM_TEXT) beginSpecial(window, sink);
  return state;
}

/** The beginning of a string that does more than begin. */
function beginSpecial(window: usize, sink: u32): void {
  if (sink == SINK_SYSTEM_TEXT) beginSystemText(window);
  else beginAsset(window, sink);
}

/** Reads on in a key or string. Returns where it stopped: after the closing quote, at the chunk's end, or refused. */
export function scanString(window: usize, staging: usize, from: usize, end: usize): usize {
  const sink = load<u32>(window, WINDOW_SCAN_SINK);
  if (from + 16 <= end) {
    const size = takeShortString(window, staging, sink, from);
    if (size != NOT_SHORT) return inline.always(endString(window, staging, sink, from + size));
  }
  const textStart = load<u32>(window, WINDOW_SCAN_STAGED);
  from = stageText(window, staging, from, end);
  if (sink != SINK_TEXT && sink != TAKE_RAW) {
    const textSize = load<u32>(window, WINDOW_SCAN_STAGED) - textStart;
    store<u32>(window, textStart, WINDOW_SCAN_STAGED);
    const result = takeText(window, sink, staging + textStart, textSize);
    if (result != SCAN_MORE) return refuseText(window, result);
  }
  if (from == end) return end;
  const isClosed = <u32>load<u8>(from) == QUOTE && !isInEscape(window);
  if (!isClosed) return refuseString(window, SCAN_NOT_JSON, from);
  if (sink == SINK_KEY) endKey(window);
  return inline.always(endString(window, staging, sink, from));
}

/**
 * Short cut for a string of less than 16 plain bytes that lies whole in the chunk, as most keys and roles do. Returns
 * its size, or NOT_SHORT when it is not that. At least 16 bytes of the chunk are left.
 */
function takeShortString(window: usize, staging: usize, sink: u32, from: usize): u32 {
  if (isInEscape(window)) return NOT_SHORT;
  const bytes = v128.load(from);
  const size = ctz(specialBytes(bytes));
  if (size >= 16) return NOT_SHORT;
  if (<u32>load<u8>(from + size) != QUOTE) return NOT_SHORT;
  if (sink == SINK_KEY) {
    // A key whose beginning was in an earlier chunk is put together in the window.
    if (load<u32>(window, WINDOW_SCAN_KEY_SIZE) != 0) return NOT_SHORT;
    store<u32>(window, keyCode(from, size), WINDOW_SCAN_KEY);
  } else if (sink == SINK_TEXT || sink == TAKE_RAW) {
    const staged = load<u32>(window, WINDOW_SCAN_STAGED);
    v128.store(staging + staged, bytes);
    store<u32>(window, staged + size, WINDOW_SCAN_STAGED);
  } else if (sink != TAKE_NOTHING) {
    return NOT_SHORT;
  }
  return size;
}

/** Stages text. Returns the position of the closing quote, of a byte that cannot stand there, or the chunk's end. */
function stageText(window: usize, staging: usize, from: usize, end: usize): usize {
  if (isInEscape(window)) from = resumeEscape(window, staging, from, end);
  while (from < end && !isInEscape(window)) {
    from = stagePlain(window, staging, from, end);
    if (from == end || <u32>load<u8>(from) != BACKSLASH) break;
    from = stageUnits(window, staging, from, end);
  }
  return from;
}

/**
 * Stages plain bytes and simple escapes, up to any other byte or the chunk's end. Both in one loop whose branches do
 * not depend on where the escapes stand: code and quotations are full of them, and a branch foretold wrongly costs
 * more.
 */
function stagePlain(window: usize, staging: usize, from: usize, end: usize): usize {
  let to: usize = staging + load<u32>(window, WINDOW_SCAN_STAGED);
  while (from < end) {
    // May go past the chunk's end and past the text: both areas have slack for it.
    const bytes = v128.load(from);
    v128.store(to, bytes);
    const special = inline.always(specialBytes(bytes));
    if (special == 0) {
      from += 16;
      to += 16;
      continue;
    }
    from += ctz(special);
    to += ctz(special);
    if (from + 1 >= end) break;
    if (<u32>load<u8>(from) != BACKSLASH) break;
    const byte = simpleEscape(load<u8>(from, 1));
    if (byte == 0) break;
    store<u8>(to, <u8>byte);
    from += 2;
    to++;
  }
  if (from > end) {
    to -= from - end;
    from = end;
  }
  store<u32>(window, <u32>(to - staging), WINDOW_SCAN_STAGED);
  return from;
}

/** A bit for each byte that is not plain text: quote, backslash, control character. */
function specialBytes(bytes: v128): u32 {
  const quotes = i8x16.eq(bytes, i8x16.splat(<i8>QUOTE));
  const backslashes = i8x16.eq(bytes, i8x16.splat(<i8>BACKSLASH));
  const controls = i8x16.eq(i8x16.min_u(bytes, i8x16.splat(<i8>LAST_CONTROL)), bytes);
  return <u32>i8x16.bitmask(v128.or(v128.or(quotes, backslashes), controls));
}

/** The closing quote, at address `quote`. Returns the address after it. */
function endString(window: usize, staging: usize, sink: u32, quote: usize): usize {
  if (sink == TAKE_RAW) stageByte(window, staging, QUOTE);
  else if (sink >= SINK_MODEL) endSpecial(window, staging, offsetOf(window, quote));
  const isKey = load<u32>(window, WINDOW_SCAN_STATE) == IN_KEY;
  store<u32>(window, isKey ? EXPECT_COLON : EXPECT_COMMA_OR_END, WINDOW_SCAN_STATE);
  return quote + 1;
}

/** The end of a string that does more than end. A system text that has been decided on has become another sink's. */
function endSpecial(window: usize, staging: usize, offset: u32): void {
  const sink = load<u32>(window, WINDOW_SCAN_SINK);
  if (sink == SINK_MODEL) endModel(window, offset);
  else if (sink == SINK_SYSTEM_TEXT) endSystemText(window, staging);
  else if (sink >= SINK_IMAGE_URL && !isAssetContext(load<u32>(window, WINDOW_SCAN_CONTEXT))) endAsset(window, staging);
}

function endKey(window: usize): void {
  const code = keyCode(window + WINDOW_SCAN_KEY_BYTES, load<u32>(window, WINDOW_SCAN_KEY_SIZE));
  store<u32>(window, code, WINDOW_SCAN_KEY);
}

/** Refuses a text for its size: at its opening quote, however long it is and wherever it is cut. */
function refuseText(window: usize, code: u32): usize {
  return refuseString(window, code, addressOf(window, load<u32>(window, WINDOW_SCAN_FIELD_AT)));
}

function refuseString(window: usize, code: u32, from: usize): usize {
  store<u32>(window, refuse(window, code), WINDOW_SCAN_STATE);
  return from;
}
