/**
 * Escapes in strings and keys. Three ways: `simpleEscape` for a backslash and a letter, `stageUnits` for runs of
 * \uXXXX, and `resumeEscape`, which reads byte by byte what is cut, bad or half a surrogate pair. Between calls an
 * escape's state is in the window: `phase` says how far it is, `value` holds the hex digits so far, `surrogate` a high
 * surrogate that still lacks its low one. A surrogate that stays alone becomes U+FFFD, as in TextEncoder.
 *
 *   PLAIN ─ \ ─► BACKSLASH ─ u ─► 4 digits missing ─► 3 ─► 2 ─► 1 ─► PLAIN
 *     ▲                │ letter
 *     └────────────────┘
 */
import { stageByte } from "./canonical";
import { WINDOW_SCAN_PHASE, WINDOW_SCAN_STAGED, WINDOW_SCAN_SURROGATE, WINDOW_SCAN_VALUE } from "./layout";
import { encodeUtf8, isHighSurrogate, isLowSurrogate, joinSurrogates, REPLACEMENT, threeBytes } from "./utf8";

export const BACKSLASH: u32 = 0x5c;
const LETTER_U: u32 = 0x75;
/** The two bytes of a backslash and "u". */
const BACKSLASH_U: u32 = 0x755c;

/** Phases; 1 to 4 is the number of hex digits that are missing. */
export const PHASE_PLAIN: u32 = 0;
const PHASE_DIGITS: u32 = 4;
const PHASE_BACKSLASH: u32 = 5;

/**
 * Sets of the letters of simple escapes: quote and slash, of which each stands for itself; backslash, b, f, n, r, t.
 */
const LETTERS_BELOW_64: u64 = 0x0000800400000000;
const LETTERS_FROM_64: u64 = 0x0014404410000000;
/** What b, f, n, r and t stand for: 4 bits each, at 4 × bits 1 to 4 of the letter. */
const CONTROLS: u64 = 0x000009d0a000c080;

/** Bytes of the longest escape, a surrogate pair. With that many left, no look at the chunk's end is needed. */
const ESCAPE_SIZE_MAX: usize = 12;
const NOT_HEX: u32 = 0xffffffff;

/** True between the first byte of an escape and plain text; also while a high surrogate waits. */
export function isInEscape(window: usize): bool {
  return (load<u32>(window, WINDOW_SCAN_PHASE) | load<u32>(window, WINDOW_SCAN_SURROGATE)) != 0;
}

/**
 * Stages what a run of \u escapes stands for, or reads on in an escape that is cut or bad; the first byte is a
 * backslash. Returns the position after it, or, with `isInEscape` true, the chunk's end or a bad byte.
 */
export function stageUnits(window: usize, staging: usize, from: usize, end: usize): usize {
  let to: usize = staging + load<u32>(window, WINDOW_SCAN_STAGED);
  while (from + ESCAPE_SIZE_MAX <= end && <u32>load<u16>(from) == BACKSLASH_U) {
    const units = unescapeUnits(from, end, to);
    from += units * 6;
    to += units * 3;
    if (units != 0) continue;
    const sizes = inline.always(unescapeOne(from, to));
    from += sizes >> 8;
    to += sizes & 0xff;
    if (sizes == 0) break;
  }
  store<u32>(window, <u32>(to - staging), WINDOW_SCAN_STAGED);
  if (from == end || <u32>load<u8>(from) != BACKSLASH) return from;
  store<u32>(window, PHASE_BACKSLASH, WINDOW_SCAN_PHASE);
  return resumeEscape(window, staging, from + 1, end);
}

/**
 * Unescapes a run of units that become three bytes of UTF-8 each, as all of Chinese, Japanese and Korean do: some
 * clients escape every character beyond ASCII. Returns how many: each is 6 bytes read and 3 written.
 */
function unescapeUnits(from: usize, end: usize, to: usize): u32 {
  let count: u32 = 0;
  while (from + 6 <= end && <u32>load<u16>(from) == BACKSLASH_U) {
    const unit = inline.always(hexValue(load<u32>(from, 2)));
    // Shorter in UTF-8, a surrogate, U+E000 and above, or NOT_HEX: not for this loop.
    if (unit - 0x800 >= 0xd800 - 0x800) break;
    store<u32>(to, threeBytes(unit));
    from += 6;
    to += 3;
    count++;
  }
  return count;
}

/**
 * Unescapes one unit or surrogate pair of which ESCAPE_SIZE_MAX bytes are there. Returns `bytes read << 8 | bytes
 * written`, or 0 for what the byte-wise way must look at: a bad escape, or a surrogate without its other half.
 */
function unescapeOne(from: usize, to: usize): u32 {
  const unit = hexValue(load<u32>(from, 2));
  if (unit == NOT_HEX || isLowSurrogate(unit)) return 0;
  if (!isHighSurrogate(unit)) return (6 << 8) | encodeUtf8(to, unit);
  if (<u32>load<u16>(from, 6) != BACKSLASH_U) return 0;
  const low = hexValue(load<u32>(from, 8));
  return isLowSurrogate(low) ? (12 << 8) | encodeUtf8(to, joinSurrogates(unit, low)) : 0;
}

/** Reads on, byte by byte, in an escape or after a high surrogate, until plain text, the chunk's end or a bad byte. */
export function resumeEscape(window: usize, staging: usize, from: usize, end: usize): usize {
  while (from < end && isInEscape(window)) {
    const phase = load<u32>(window, WINDOW_SCAN_PHASE);
    const byte = <u32>load<u8>(from);
    if (phase == PHASE_PLAIN) {
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
  return from;
}

/** Appends one UTF-16 unit: joins it with a waiting high surrogate, or lets it wait if it is one. */
function stageUnit(window: usize, staging: usize, unit: u32): void {
  const high = load<u32>(window, WINDOW_SCAN_SURROGATE);
  if (high != 0 && isLowSurrogate(unit)) {
    store<u32>(window, 0, WINDOW_SCAN_SURROGATE);
    stageCharacter(window, staging, joinSurrogates(high, unit));
    return;
  }
  stageLoneSurrogate(window, staging);
  if (isHighSurrogate(unit)) store<u32>(window, unit, WINDOW_SCAN_SURROGATE);
  else stageCharacter(window, staging, isLowSurrogate(unit) ? REPLACEMENT : unit);
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

/**
 * The byte that a backslash with this letter stands for, or 0 when there is no such escape. No branch on the letter.
 */
export function simpleEscape(letter: u32): u32 {
  const letters: u64 = letter < 64 ? LETTERS_BELOW_64 : LETTERS_FROM_64;
  if (((letters >> (<u64>letter & 63)) & 1) == 0 || letter > 127) return 0;
  const control = <u32>((CONTROLS >> ((<u64>letter & 0x1e) << 1)) & 15);
  return letter < 0x60 ? letter : control;
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
