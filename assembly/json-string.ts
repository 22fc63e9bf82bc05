/**
 * Strings and keys of a body. The text of every string is unescaped to the end of the staging area, 16 plain bytes at a
 * time; when the string, or the chunk, ends it stays there (a prompt's text), moves to the window (key, model, salt), or
 * is dropped. So there is one loop over text, whatever becomes of it, and plain text is copied once.
 *
 * An escape may be cut by the chunk's end: `phase` then says how far it is, `value` holds the hex digits so far, and
 * `surrogate` a high surrogate that still lacks its low one. A surrogate that stays alone becomes U+FFFD, as it does in
 * TextEncoder, so equal prompts give equal bytes however their client escapes. Bytes from 0x80 pass unchecked.
 */

import { stageByte } from "./canonical";
import { SINK_KEY, SINK_MODEL, SINK_TEXT, TAKE_NOTHING, TAKE_RAW } from "./json-grammar";
import { keyCode } from "./json-keys";
import { EXPECT_COLON, EXPECT_COMMA_OR_END, IN_KEY, refuse } from "./json-states";
import {
  SCAN_MORE,
  SCAN_NOT_JSON,
  WINDOW_SCAN_KEY,
  WINDOW_SCAN_KEY_BYTES,
  WINDOW_SCAN_KEY_SIZE,
  WINDOW_SCAN_ORIGIN,
  WINDOW_SCAN_PHASE,
  WINDOW_SCAN_SINK,
  WINDOW_SCAN_STAGED,
  WINDOW_SCAN_STATE,
  WINDOW_SCAN_SURROGATE,
  WINDOW_SCAN_VALUE,
} from "./layout";
import { endModel, takeText } from "./request-facts";

const QUOTE: u32 = 0x22;
const BACKSLASH: u32 = 0x5c;
const CONTROLS_END: u32 = 0x20;
const LETTER_U: u32 = 0x75;
/** The two bytes "\u". */
const BACKSLASH_U: u32 = 0x755c;
const REPLACEMENT: u32 = 0xfffd;

/** Phases of an escape; 1 to 4 is the number of hex digits that are missing. */
const PHASE_PLAIN: u32 = 0;
const PHASE_DIGITS: u32 = 4;
const PHASE_BACKSLASH: u32 = 5;
/** Bytes of the longest escape, a surrogate pair. With that many left, no look at the chunk's end is needed. */
const ESCAPE_SIZE_MAX: usize = 12;
const NOT_HEX: u32 = 0xffffffff;
const NOT_SHORT: u32 = 16;

/** Begins a key or string whose opening quote has just been read. Returns `state`, which is IN_KEY or IN_STRING. */
export function beginText(window: usize, staging: usize, state: u32, sink: u32): u32 {
  store<u32>(window, state, WINDOW_SCAN_STATE);
  store<u32>(window, sink, WINDOW_SCAN_SINK);
  store<u32>(window, PHASE_PLAIN, WINDOW_SCAN_PHASE);
  if (sink == TAKE_RAW) stageByte(window, staging, QUOTE);
  if (sink == SINK_KEY) store<u32>(window, 0, WINDOW_SCAN_KEY_SIZE);
  return state;
}

/** Reads on in a key or string. Returns where it stopped: after the closing quote, at the chunk's end, or refused. */
export function scanString(window: usize, staging: usize, from: usize, end: usize): usize {
  const sink = load<u32>(window, WINDOW_SCAN_SINK);
  if (from + 16 <= end) {
    const size = takeShortString(window, staging, sink, from);
    if (size != NOT_SHORT) return endString(window, staging, sink, from + size);
  }
  const textStart = load<u32>(window, WINDOW_SCAN_STAGED);
  from = unescape(window, staging, from, end);
  if (sink != SINK_TEXT && sink != TAKE_RAW) {
    const textSize = load<u32>(window, WINDOW_SCAN_STAGED) - textStart;
    store<u32>(window, textStart, WINDOW_SCAN_STAGED);
    const result = takeText(window, sink, staging + textStart, textSize);
    if (result != SCAN_MORE) return refuseString(window, result, from);
  }
  if (from == end) return end;
  const isClosed = <u32>load<u8>(from) == QUOTE && load<u32>(window, WINDOW_SCAN_PHASE) == PHASE_PLAIN;
  if (!isClosed) return refuseString(window, SCAN_NOT_JSON, from);
  if (sink == SINK_KEY) endKey(window);
  return endString(window, staging, sink, from);
}

/**
 * Short cut for a string of less than 16 plain bytes that lies whole in the chunk, as most keys and roles do. Returns its
 * size, or NOT_SHORT when it is not that. At least 16 bytes of the chunk are left.
 */
function takeShortString(window: usize, staging: usize, sink: u32, from: usize): u32 {
  if (isInEscape(window)) return NOT_SHORT;
  const bytes = v128.load(from);
  const size = ctz(specialBytes(bytes));
  if (size >= 16) return NOT_SHORT;
  if (<u32>load<u8>(from + size) != QUOTE) return NOT_SHORT;
  if (sink == SINK_KEY) {
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

/** The closing quote, at address `quote`. Returns the address after it. */
function endString(window: usize, staging: usize, sink: u32, quote: usize): usize {
  if (sink == TAKE_RAW) stageByte(window, staging, QUOTE);
  if (sink == SINK_MODEL) endModel(window, <u32>(quote - load<u32>(window, WINDOW_SCAN_ORIGIN)));
  const isKey = load<u32>(window, WINDOW_SCAN_STATE) == IN_KEY;
  store<u32>(window, isKey ? EXPECT_COLON : EXPECT_COMMA_OR_END, WINDOW_SCAN_STATE);
  return quote + 1;
}

function endKey(window: usize): void {
  const code = keyCode(window + WINDOW_SCAN_KEY_BYTES, load<u32>(window, WINDOW_SCAN_KEY_SIZE));
  store<u32>(window, code, WINDOW_SCAN_KEY);
}

function refuseString(window: usize, code: u32, from: usize): usize {
  store<u32>(window, refuse(window, code), WINDOW_SCAN_STATE);
  return from;
}

/**
 * Stages text until the closing quote, the chunk's end, or a byte that cannot stand there; returns that position. The
 * phase tells the last two from a quote: it is not plain at the chunk's end inside an escape and at a bad escape.
 */
function unescape(window: usize, staging: usize, from: usize, end: usize): usize {
  if (isInEscape(window)) from = resumeEscape(window, staging, from, end);
  if (isInEscape(window)) return from;
  let to: usize = staging + load<u32>(window, WINDOW_SCAN_STAGED);
  while (true) {
    // Copies plain bytes. The last load and store may go past the chunk's end and past the text; both areas have slack.
    let special: u32 = 0;
    while (from < end) {
      const bytes = v128.load(from);
      v128.store(to, bytes);
      special = inline.always(specialBytes(bytes));
      if (special != 0) break;
      from += 16;
      to += 16;
    }
    from += ctz(special);
    to += ctz(special);
    if (from >= end) {
      to -= from - end;
      from = end;
      break;
    }
    if (<u32>load<u8>(from) != BACKSLASH) break;
    do {
      const units = <u32>load<u16>(from) == BACKSLASH_U ? unescapeUnits(from, end, to) : 0;
      from += units * 6;
      to += units * 3;
      if (units != 0) continue;
      const size: u32 = from + ESCAPE_SIZE_MAX <= end ? inline.always(unescapeWhole(from, to)) : 0;
      from += size >> 8;
      to += size & 0xff;
      if (size != 0) continue;
      store<u32>(window, PHASE_BACKSLASH, WINDOW_SCAN_PHASE);
      store<u32>(window, <u32>(to - staging), WINDOW_SCAN_STAGED);
      from = resumeEscape(window, staging, from + 1, end);
      if (isInEscape(window)) return from;
      to = staging + load<u32>(window, WINDOW_SCAN_STAGED);
    } while (from < end && <u32>load<u8>(from) == BACKSLASH);
  }
  store<u32>(window, <u32>(to - staging), WINDOW_SCAN_STAGED);
  return from;
}

function isInEscape(window: usize): bool {
  return (load<u32>(window, WINDOW_SCAN_PHASE) | load<u32>(window, WINDOW_SCAN_SURROGATE)) != 0;
}

/** A bit for each byte that is not plain text: quote, backslash, control character. */
function specialBytes(bytes: v128): u32 {
  const quotes = i8x16.eq(bytes, i8x16.splat(<i8>QUOTE));
  const backslashes = i8x16.eq(bytes, i8x16.splat(<i8>BACKSLASH));
  const controls = i8x16.eq(i8x16.min_u(bytes, i8x16.splat(<i8>(CONTROLS_END - 1))), bytes);
  return <u32>i8x16.bitmask(v128.or(v128.or(quotes, backslashes), controls));
}

/**
 * Unescapes a run of \\uXXXX that become three bytes of UTF-8 each, as most scripts do and all of Chinese, Japanese and
 * Korean; some clients escape every character beyond ASCII. Returns how many: each 6 bytes read, 3 written.
 */
function unescapeUnits(from: usize, end: usize, to: usize): u32 {
  let count: u32 = 0;
  while (from + 6 <= end && <u32>load<u16>(from) == BACKSLASH_U) {
    const unit = inline.always(hexValue(load<u32>(from, 2)));
    // Shorter in UTF-8, a surrogate, or NOT_HEX: not for this loop.
    if (unit - 0x800 >= 0xd800 - 0x800) break;
    store<u32>(to, threeBytes(unit));
    from += 6;
    to += 3;
    count++;
  }
  return count;
}

/**
 * Unescapes one escape of which ESCAPE_SIZE_MAX bytes are there: returns `bytes read << 8 | bytes written`. Returns 0
 * for what the byte-wise way must look at: a bad escape or a surrogate without its other half.
 */
function unescapeWhole(from: usize, to: usize): u32 {
  const letter = <u32>load<u8>(from, 1);
  if (letter != LETTER_U) {
    const byte = simpleEscape(letter);
    store<u8>(to, <u8>byte);
    return byte != 0 ? (2 << 8) | 1 : 0;
  }
  const unit = hexValue(load<u32>(from, 2));
  if (unit == NOT_HEX) return 0;
  if ((unit & 0xf800) != 0xd800) return (6 << 8) | encodeUtf8(to, unit);
  if (unit >= 0xdc00 || <u32>load<u16>(from, 6) != BACKSLASH_U) return 0;
  const low = hexValue(load<u32>(from, 8));
  if ((low & 0xfffffc00) != 0xdc00) return 0;
  return (12 << 8) | encodeUtf8(to, joinSurrogates(unit, low));
}

/** Reads on, byte by byte, in an escape or after a high surrogate, until plain text, the chunk's end or a bad byte. */
function resumeEscape(window: usize, staging: usize, from: usize, end: usize): usize {
  while (from < end) {
    const phase = load<u32>(window, WINDOW_SCAN_PHASE);
    const byte = <u32>load<u8>(from);
    if (phase == PHASE_PLAIN) {
      if (load<u32>(window, WINDOW_SCAN_SURROGATE) == 0) return from;
      if (byte != BACKSLASH) {
        stageLoneSurrogate(window, staging);
        return from;
      }
      store<u32>(window, PHASE_BACKSLASH, WINDOW_SCAN_PHASE);
    } else if (phase == PHASE_BACKSLASH && byte == LETTER_U) {
      store<u32>(window, PHASE_DIGITS, WINDOW_SCAN_PHASE);
      store<u32>(window, 0, WINDOW_SCAN_VALUE);
    } else if (phase == PHASE_BACKSLASH) {
      if (simpleEscape(byte) == 0) return from;
      stageLoneSurrogate(window, staging);
      stageByte(window, staging, simpleEscape(byte));
      store<u32>(window, PHASE_PLAIN, WINDOW_SCAN_PHASE);
    } else {
      const digit = hexDigit(byte);
      if (digit == NOT_HEX) return from;
      const value = (load<u32>(window, WINDOW_SCAN_VALUE) << 4) | digit;
      store<u32>(window, value, WINDOW_SCAN_VALUE);
      store<u32>(window, phase - 1, WINDOW_SCAN_PHASE);
      if (phase == 1) stageUnit(window, staging, value);
    }
    from++;
  }
  return end;
}

/** Appends one UTF-16 unit: joins it with a waiting high surrogate, or lets it wait if it is one. */
function stageUnit(window: usize, staging: usize, unit: u32): void {
  const high = load<u32>(window, WINDOW_SCAN_SURROGATE);
  const isLow = (unit & 0xfc00) == 0xdc00;
  if (high != 0 && isLow) {
    store<u32>(window, 0, WINDOW_SCAN_SURROGATE);
    stageCharacter(window, staging, joinSurrogates(high, unit));
    return;
  }
  stageLoneSurrogate(window, staging);
  if ((unit & 0xfc00) == 0xd800) store<u32>(window, unit, WINDOW_SCAN_SURROGATE);
  else stageCharacter(window, staging, isLow ? REPLACEMENT : unit);
}

/** A high surrogate that waited in vain becomes U+FFFD. */
function stageLoneSurrogate(window: usize, staging: usize): void {
  if (load<u32>(window, WINDOW_SCAN_SURROGATE) == 0) return;
  store<u32>(window, 0, WINDOW_SCAN_SURROGATE);
  stageCharacter(window, staging, REPLACEMENT);
}

function stageCharacter(window: usize, staging: usize, character: u32): void {
  const staged = load<u32>(window, WINDOW_SCAN_STAGED);
  store<u32>(window, staged + encodeUtf8(staging + staged, character), WINDOW_SCAN_STAGED);
}

/** Writes a character as UTF-8 and returns its size. Up to 4 bytes are written whatever the size. */
function encodeUtf8(to: usize, character: u32): u32 {
  if (character < 0x80) {
    store<u8>(to, <u8>character);
    return 1;
  }
  if (character < 0x800) {
    store<u16>(to, <u16>(0xc0 | (character >> 6) | (continuation(character) << 8)));
    return 2;
  }
  if (character < 0x10000) {
    store<u32>(to, threeBytes(character));
    return 3;
  }
  const first = 0xf0 | (character >> 18);
  const second = continuation(character >> 12);
  store<u32>(to, first | (second << 8) | (continuation(character >> 6) << 16) | (continuation(character) << 24));
  return 4;
}

/** The UTF-8 of a character in U+0800 … U+FFFF, the first byte lowest. */
function threeBytes(character: u32): u32 {
  return 0xe0 | (character >> 12) | (continuation(character >> 6) << 8) | (continuation(character) << 16);
}

/** A continuation byte of UTF-8, which holds six bits. */
function continuation(bits: u32): u32 {
  return 0x80 | (bits & 63);
}

function joinSurrogates(high: u32, low: u32): u32 {
  return 0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff);
}

/** The byte that `\letter` stands for, or 0 when there is no such escape. */
function simpleEscape(letter: u32): u32 {
  switch (letter) {
    case 0x6e /* n */:
      return 0x0a;
    case QUOTE:
    case BACKSLASH:
    case 0x2f /* slash */:
      return letter;
    case 0x74 /* t */:
      return 0x09;
    case 0x72 /* r */:
      return 0x0d;
    case 0x62 /* b */:
      return 0x08;
    case 0x66 /* f */:
      return 0x0c;
    default:
      return 0;
  }
}

/** The value of four hex digits, the first in the lowest byte, or NOT_HEX. */
function hexValue(digits: u32): u32 {
  const bytes = i32x4.splat(<i32>digits);
  const isDecimal = i8x16.le_u(i8x16.sub(bytes, i8x16.splat(0x30)), i8x16.splat(9));
  const isLetter = i8x16.le_u(i8x16.sub(v128.or(bytes, i8x16.splat(0x20)), i8x16.splat(0x61)), i8x16.splat(5));
  if (!i8x16.all_true(v128.or(isDecimal, isLetter))) return NOT_HEX;
  // Letters have bit 6 set, and their low four bits are 9 less than their value.
  const nibbles = (digits & 0x0f0f0f0f) + ((digits >> 6) & 0x01010101) * 9;
  const pairs = (nibbles << 4) | (nibbles >> 8);
  return ((pairs & 0xff) << 8) | ((pairs >> 16) & 0xff);
}

function hexDigit(byte: u32): u32 {
  if (byte - 0x30 <= 9) return byte - 0x30;
  const letter = (byte | 0x20) - 0x61;
  return letter <= 5 ? letter + 10 : NOT_HEX;
}
