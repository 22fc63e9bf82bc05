/**
 * Pieces of one line of a Prometheus exposition: blanks, numbers, label blocks. Every function stays within `end`, and
 * says by its result where it stopped or that the piece is malformed.
 */
import { EXPOSITION_LABEL_STRIDE, EXPOSITION_SERIES_LABEL_COUNT, EXPOSITION_SERIES_LABELS } from "./layout";

/** What `matchLabels` returns for labels that do not match, or are no label block. */
export const NO_MATCH: usize = 0;

const BLANK: u8 = 0x20;
const TAB: u8 = 0x09;
const QUOTE: u8 = 0x22;
const BACKSLASH: u8 = 0x5c;
const COMMA: u8 = 0x2c;
const EQUALS: u8 = 0x3d;
const OPEN_BRACE: u8 = 0x7b;
const CLOSE_BRACE: u8 = 0x7d;
const PLUS: u8 = 0x2b;
const MINUS: u8 = 0x2d;
const POINT: u8 = 0x2e;
/** "Inf" and "NaN" as they are loaded, without the fourth byte. */
const INF: u32 = 0x666e49;
const NAN: u32 = 0x4e614e;
/** Digits that a u64 holds whatever they are. Later ones do not change an f64 by more than its last bits. */
const MANTISSA_DIGITS_MAX: u32 = 19;
/** Powers of ten beyond which every number is 0 or infinite, whatever its digits. */
const EXPONENT_MAX: i32 = 400;

export function isBlank(byte: u8): bool {
  return byte == BLANK || byte == TAB;
}

export function skipBlanks(at: usize, end: usize): usize {
  while (at < end && isBlank(load<u8>(at))) at++;
  return at;
}

/** Where the run of other bytes than blanks ends. */
export function tokenEnd(at: usize, end: usize): usize {
  while (at < end && !isBlank(load<u8>(at))) at++;
  return at;
}

/**
 * Reads the label block at `at`, if there is one, and returns its end when the wanted labels of the series are in it;
 * NO_MATCH when one is missing, has another value, or the block is malformed. Of a label that comes twice the last one
 * counts.
 */
export function matchLabels(series: usize, at: usize, end: usize): usize {
  const wantedCount = load<u32>(series, EXPOSITION_SERIES_LABEL_COUNT);
  if (at == end || load<u8>(at) != OPEN_BRACE) return wantedCount == 0 ? at : NO_MATCH;
  const labels: usize = load<u32>(series, EXPOSITION_SERIES_LABELS);
  let matched: u64 = 0;
  at = skipBlanks(at + 1, end);
  while (at < end && load<u8>(at) != CLOSE_BRACE) {
    const nameEnd = labelNameEnd(at, end);
    const equals = skipBlanks(nameEnd, end);
    if (nameEnd == at || equals == end || load<u8>(equals) != EQUALS) return NO_MATCH;
    const quote = skipBlanks(equals + 1, end);
    if (quote == end || load<u8>(quote) != QUOTE) return NO_MATCH;
    const valueEnd = labelValueEnd(quote + 1, end);
    if (valueEnd == end) return NO_MATCH;
    for (let i: u32 = 0; i < wantedCount; i++) {
      const wanted = labels + <usize>i * EXPOSITION_LABEL_STRIDE;
      if (!isSame(load<u32>(wanted), load<u32>(wanted, 4), at, nameEnd)) continue;
      const bit: u64 = (<u64>1) << (<u64>i);
      matched &= ~bit;
      if (isSameUnescaped(load<u32>(wanted, 8), load<u32>(wanted, 12), quote + 1, valueEnd)) matched |= bit;
    }
    at = skipBlanks(valueEnd + 1, end);
    if (at < end && load<u8>(at) == COMMA) at = skipBlanks(at + 1, end);
    else if (at < end && load<u8>(at) != CLOSE_BRACE) return NO_MATCH;
  }
  if (at == end) return NO_MATCH;
  return matched == ((<u64>1) << (<u64>wantedCount)) - 1 ? at + 1 : NO_MATCH;
}

function labelNameEnd(at: usize, end: usize): usize {
  while (at < end) {
    const byte = load<u8>(at);
    if (isBlank(byte) || byte == EQUALS || byte == QUOTE || byte == COMMA || byte == CLOSE_BRACE) return at;
    at++;
  }
  return at;
}

/** Where the closing quote is, or `end`. */
function labelValueEnd(at: usize, end: usize): usize {
  while (at < end) {
    const byte = load<u8>(at);
    if (byte == QUOTE) return at;
    at += byte == BACKSLASH ? 2 : 1;
  }
  return end;
}

function isSame(wanted: usize, size: usize, at: usize, end: usize): bool {
  if (end - at != size) return false;
  for (let i: usize = 0; i < size; i++) {
    if (load<u8>(wanted + i) != load<u8>(at + i)) return false;
  }
  return true;
}

/** Compares with a value as it is written: `\n`, `\"` and `\\`; before any other byte a backslash means that byte. */
function isSameUnescaped(wanted: usize, size: usize, at: usize, end: usize): bool {
  let compared: usize = 0;
  while (at < end) {
    let byte = load<u8>(at++);
    if (byte == BACKSLASH) {
      byte = load<u8>(at++);
      if (byte == 0x6e) byte = 0x0a;
    }
    if (compared == size || load<u8>(wanted + compared) != byte) return false;
    compared++;
  }
  return compared == size;
}

/**
 * A decimal number, `NaN`, `Inf`, `+Inf` or `-Inf`; NaN for anything else. Exact up to 15 digits with powers of ten up
 * to 22, which is all that engines write; otherwise right but for the last bits.
 */
export function readNumber(at: usize, end: usize): f64 {
  if (at == end) return NaN;
  const first = load<u8>(at);
  const isNegative = first == MINUS;
  if (isNegative || first == PLUS) at++;
  if (end - at == 3) {
    const word = load<u32>(at) & 0xffffff;
    if (word == INF) return isNegative ? -Infinity : Infinity;
    if (word == NAN) return NaN;
  }
  const magnitude = readMagnitude(at, end);
  return isNegative ? -magnitude : magnitude;
}

function readMagnitude(at: usize, end: usize): f64 {
  let mantissa: u64 = 0;
  let digits: u32 = 0;
  let digitsSeen: u32 = 0;
  let exponent: i32 = 0;
  let hasPoint = false;
  for (; at < end; at++) {
    const byte = load<u8>(at);
    if (byte == POINT && !hasPoint) {
      hasPoint = true;
      continue;
    }
    const digit: u32 = <u32>byte - 0x30;
    if (digit > 9) break;
    digitsSeen++;
    if (digits < MANTISSA_DIGITS_MAX) {
      mantissa = mantissa * 10 + <u64>digit;
      if (mantissa != 0) digits++;
      if (hasPoint) exponent--;
    } else if (!hasPoint) {
      exponent++;
    }
  }
  if (digitsSeen == 0) return NaN;
  if (at == end) return scale(mantissa, exponent);
  if ((load<u8>(at) | 0x20) != 0x65) return NaN;
  at++;
  const isSigned = at < end && (load<u8>(at) == MINUS || load<u8>(at) == PLUS);
  const isSmall = isSigned && load<u8>(at) == MINUS;
  if (isSigned) at++;
  if (at == end) return NaN;
  let power: i32 = 0;
  for (; at < end; at++) {
    const digit: u32 = <u32>load<u8>(at) - 0x30;
    if (digit > 9) return NaN;
    power = min<i32>(1 << 20, power * 10 + <i32>digit);
  }
  return scale(mantissa, isSmall ? exponent - power : exponent + power);
}

/** mantissa × 10^exponent, in steps that neither lose a small result nor exceed a large one on the way. */
function scale(mantissa: u64, exponent: i32): f64 {
  let value = <f64>mantissa;
  if (mantissa == 0) return 0;
  exponent = max<i32>(-EXPONENT_MAX, min<i32>(EXPONENT_MAX, exponent));
  while (exponent < 0) {
    const step = min<i32>(22, -exponent);
    value /= powerOfTen(step);
    exponent += step;
  }
  while (exponent > 0) {
    const step = min<i32>(22, exponent);
    value *= powerOfTen(step);
    exponent -= step;
  }
  return value;
}

/** 10^n, exact for n ≤ 22. */
function powerOfTen(n: i32): f64 {
  let power: f64 = 1;
  for (let i = 0; i < n; i++) power *= 10;
  return power;
}
