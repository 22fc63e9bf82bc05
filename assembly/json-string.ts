/**
 * Strings and keys of a body. The text of every string is unescaped to the end of the staging area, 16 plain bytes at a
 * time; when the string, or the chunk, ends it stays there (a prompt's text), moves to the window (key, model, salt), or
 * is dropped. So there is one loop over text, whatever becomes of it, and plain text is copied once.
 *
 * An escape may be cut by the chunk's end: `phase` then says how far it is, `value` holds the hex digits so far, and
 * `surrogate` a high surrogate that still lacks its low one. A surrogate that stays alone becomes U+FFFD, as it does in
 * TextEncoder, so equal prompts give equal bytes however their client escapes. Bytes from 0x80 pass unchecked.
 */
import { SINK_KEY, SINK_MODEL, SINK_TEXT, TAKE_NOTHING, TAKE_RAW } from "./json-grammar";
import { keyCode } from "./json-keys";
import { EXPECT_COLON, EXPECT_COMMA_OR_END, IN_KEY, refuse, refuseJson } from "./json-states";
import {
  SCAN_MORE,
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
import { stageByte } from "./canonical";
import { endModel, takeText } from "./request-facts";

const QUOTE: u32 = 0x22;
const BACKSLASH: u32 = 0x5c;
const CONTROLS_END: u32 = 0x20;
const LETTER_U: u32 = 0x75;
const REPLACEMENT: u32 = 0xfffd;

/** Phases of an escape; 1 to 4 is the number of hex digits that are missing. */
const PHASE_PLAIN: u32 = 0;
const PHASE_DIGITS: u32 = 4;
const PHASE_BACKSLASH: u32 = 5;
/** Bytes of the longest escape, a surrogate pair. With that many left, no look at the chunk's end is needed. */
const ESCAPE_SIZE_MAX: usize = 12;
const NOT_HEX: u32 = 0xffffffff;

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
  const shortSize = takeShort(window, staging, sink, from, end);
  if (shortSize != NOT_SHORT) {
    const isKey = load<u32>(window, WINDOW_SCAN_STATE) == IN_KEY;
    store<u32>(window, isKey ? EXPECT_COLON : EXPECT_COMMA_OR_END, WINDOW_SCAN_STATE);
    return from + shortSize + 1;
  }
  const textStart = load<u32>(window, WINDOW_SCAN_STAGED);
  from = unescape(window, staging, from, end);
  if (sink != SINK_TEXT && sink != TAKE_RAW) {
    const textSize = load<u32>(window, WINDOW_SCAN_STAGED) - textStart;
    store<u32>(window, textStart, WINDOW_SCAN_STAGED);
    const result = takeText(window, sink, staging + textStart, textSize);
    if (result != SCAN_MORE) {
      store<u32>(window, refuse(window, result), WINDOW_SCAN_STATE);
      return from;
    }
  }
  if (from == end) return end;
  if (<u32>load<u8>(from) != QUOTE || load<u32>(window, WINDOW_SCAN_PHASE) != PHASE_PLAIN) {
    store<u32>(window, refuseJson(window), WINDOW_SCAN_STATE);
    return from;
  }
  store<u32>(window, endString(window, staging, sink, from), WINDOW_SCAN_STATE);
  return from + 1;
}

const NOT_SHORT: u32 = 16;
function takeShort(window: usize, staging: usize, sink: u32, from: usize, end: usize): u32 {
  if (from + 16 > end || isInEscape(window)) return NOT_SHORT;
  const bytes = v128.load(from);
  const size = ctz(specialBytes(bytes));
  if (size >= 16) return NOT_SHORT;
  if (<u32>load<u8>(from + size) != QUOTE) return NOT_SHORT;
  switch (sink) {
    case SINK_KEY:
      if (load<u32>(window, WINDOW_SCAN_KEY_SIZE) != 0) return NOT_SHORT;
      store<u32>(window, keyCode(from, size), WINDOW_SCAN_KEY);
      return size;
    case SINK_TEXT: {
      const staged = load<u32>(window, WINDOW_SCAN_STAGED);
      v128.store(staging + staged, bytes);
      store<u32>(window, staged + size, WINDOW_SCAN_STAGED);
      return size;
    }
    case TAKE_RAW: {
      const staged = load<u32>(window, WINDOW_SCAN_STAGED);
      v128.store(staging + staged, bytes);
      store<u8>(staging + staged + size, <u8>QUOTE);
      store<u32>(window, staged + size + 1, WINDOW_SCAN_STAGED);
      return size;
    }
    case TAKE_NOTHING:
      return size;
  }
  return NOT_SHORT;
}

/** The closing quote, at address `quote`. Returns the next state. */
function endString(window: usize, staging: usize, sink: u32, quote: usize): u32 {
  if (sink == TAKE_RAW) stageByte(window, staging, QUOTE);
  if (sink == SINK_MODEL) endModel(window, <u32>(quote - load<u32>(window, WINDOW_SCAN_ORIGIN)));
  if (sink == SINK_KEY) {
    const size = load<u32>(window, WINDOW_SCAN_KEY_SIZE);
    store<u32>(window, keyCode(window + WINDOW_SCAN_KEY_BYTES, size), WINDOW_SCAN_KEY);
  }
  return load<u32>(window, WINDOW_SCAN_STATE) == IN_KEY ? EXPECT_COLON : EXPECT_COMMA_OR_END;
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
    while (from + ESCAPE_SIZE_MAX <= end && load<u16>(from) == 0x755c) {
      const unit = inline.always(hexValue(load<u32>(from, 2)));
      if (unit - 0x800 >= 0xd000) break;
      store<u32>(to, (0xe0 | (unit >> 12)) | ((0x80 | ((unit >> 6) & 63)) << 8) | ((0x80 | (unit & 63)) << 16));
      to += 3;
      from += 6;
    }
    if (from < end && load<u8>(from) != BACKSLASH) continue;
    do {
      let size: u32 = 0;
      if (from + ESCAPE_SIZE_MAX <= end) size = inline.always(unescapeWhole(from, to));
      if (size == 0) {
        store<u32>(window, PHASE_BACKSLASH, WINDOW_SCAN_PHASE);
        store<u32>(window, <u32>(to - staging), WINDOW_SCAN_STAGED);
        from = resumeEscape(window, staging, from + 1, end);
        if (isInEscape(window)) return from;
        to = staging + load<u32>(window, WINDOW_SCAN_STAGED);
      } else {
        from += size >> 8;
        to += size & 0xff;
      }
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
  if ((unit & 0xf800) != 0xd800) return unit == NOT_HEX ? 0 : (6 << 8) | inline.always(encodeUtf8(to, unit));
  if (unit >= 0xdc00 || load<u16>(from, 6) != 0x755c /* \u */) return 0;
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
  const last = 0x80 | (character & 63);
  const second = 0x80 | ((character >> 6) & 63);
  if (character < 0x800) {
    store<u16>(to, <u16>((0xc0 | (character >> 6)) | (last << 8)));
    return 2;
  }
  if (character < 0x10000) {
    store<u32>(to, (0xe0 | (character >> 12)) | (second << 8) | (last << 16));
    return 3;
  }
  const third = 0x80 | ((character >> 12) & 63);
  store<u32>(to, (0xf0 | (character >> 18)) | (third << 8) | (second << 16) | (last << 24));
  return 4;
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
