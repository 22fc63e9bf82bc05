/**
 * Reads the wanted series out of a Prometheus exposition while it arrives, in pieces cut anywhere. Works over a private
 * memory: a table says what an engine is asked for, a window holds what one scrape has found so far. Lines are read
 * where they lie in the chunk; only a line that a piece cuts is copied, to its window's carry.
 *
 *   piece ──► line by line ──► name wanted? ──► labels ──► value, timestamp ──► window: the chosen series so far
 *               │                                │
 *               └─ "# TYPE" ─► family's type     └─ label block ─► text (LoRA, cache configuration)
 *
 * Format: https://prometheus.io/docs/instrumenting/exposition_formats/. A malformed line is skipped. How numbers and
 * label blocks are read is in `prometheus-line.ts`.
 */
import {
  EXPOSITION_CHUNK,
  EXPOSITION_LINE_SIZE_MAX,
  EXPOSITION_RESULT_SERIES_COUNT,
  EXPOSITION_RESULT_STRIDE,
  EXPOSITION_RESULT_TEXT_SIZE,
  EXPOSITION_RESULT_TIMESTAMP,
  EXPOSITION_RESULT_TYPE,
  EXPOSITION_RESULT_VALUE,
  EXPOSITION_SERIES_CHOICE,
  EXPOSITION_SERIES_NAME,
  EXPOSITION_SERIES_NAME_SIZE,
  EXPOSITION_SERIES_STRIDE,
  EXPOSITION_SERIES_TAIL,
  EXPOSITION_SERIES_TAIL_MASK,
  EXPOSITION_SERIES_TEXT,
  EXPOSITION_TABLE_SERIES,
  EXPOSITION_TABLE_STRIDE,
  EXPOSITION_TABLES,
  EXPOSITION_WINDOW_CARRY,
  EXPOSITION_WINDOW_CARRY_SIZE,
  EXPOSITION_WINDOW_IS_SKIPPING,
  EXPOSITION_WINDOW_LINES_TOO_LONG,
  EXPOSITION_WINDOW_RESULTS,
  EXPOSITION_WINDOW_STRIDE,
  EXPOSITION_WINDOW_TABLE,
  EXPOSITION_WINDOW_TEXTS,
  EXPOSITION_WINDOWS,
  FAMILY_GAUGE_OR_COUNTER,
  FAMILY_OTHER,
  FAMILY_UNTYPED,
  SERIES_GREATEST,
  SERIES_SUM,
} from "./layout";
import { isBlank, matchLabels, NO_MATCH, readNumber, skipBlanks, tokenEnd } from "./prometheus-line";

const NEWLINE: i8 = 0x0a;
const CARRIAGE_RETURN: u8 = 0x0d;
const HASH: u8 = 0x23;
const OPEN_BRACE: u8 = 0x7b;
/** "TYPE", "gaug" and "coun" as they are loaded in one go. */
const TYPE_WORD: u32 = 0x45505954;
const GAUG: u32 = 0x67756167;
const COUN: u32 = 0x6e756f63;
const TER: u32 = 0x726574;
const UNTY: u32 = 0x79746e75;

/** Readies a window for a new exposition of the engine whose series stand in `table`. */
export function expositionBegin(window: u32, table: u32): void {
  const base = windowAt(window);
  memory.fill(base, 0, EXPOSITION_WINDOW_TEXTS);
  store<u32>(base, table, EXPOSITION_WINDOW_TABLE);
}

/** Takes the next piece: `size` bytes at `from` of the chunk. */
export function expositionFeed(window: u32, from: u32, size: u32): void {
  const base = windowAt(window);
  let at: usize = <usize>EXPOSITION_CHUNK + from;
  const end = at + size;
  if (load<u32>(base, EXPOSITION_WINDOW_CARRY_SIZE) != 0 || load<u32>(base, EXPOSITION_WINDOW_IS_SKIPPING) != 0) {
    const newline = findNewline(at, end);
    keep(base, at, newline);
    if (newline == end) return;
    scanCarry(base);
    at = newline + 1;
  }
  while (at < end) {
    const newline = findNewline(at, end);
    if (newline == end) {
      keep(base, at, end);
      return;
    }
    scanLine(base, at, newline);
    at = newline + 1;
  }
}

/** Takes the last line, where it has no end of its own. The window's results are complete. */
export function expositionEnd(window: u32): void {
  scanCarry(windowAt(window));
}

function windowAt(window: u32): usize {
  return <usize>EXPOSITION_WINDOWS + <usize>window * EXPOSITION_WINDOW_STRIDE;
}

/** Where the next newline is, or `end`. Reads up to 15 bytes beyond. */
function findNewline(from: usize, end: usize): usize {
  for (let at = from; at < end; at += 16) {
    const found = <u32>i8x16.bitmask(i8x16.eq(v128.load(at), i8x16.splat(NEWLINE)));
    if (found != 0) return min<usize>(end, at + <usize>ctz(found));
  }
  return end;
}

/** Adds bytes to the line that is not complete yet. A line that grows too long is skipped to its end. */
function keep(base: usize, from: usize, end: usize): void {
  if (load<u32>(base, EXPOSITION_WINDOW_IS_SKIPPING) != 0) return;
  const size = load<u32>(base, EXPOSITION_WINDOW_CARRY_SIZE);
  const added = <u32>(end - from);
  if (size + added > EXPOSITION_LINE_SIZE_MAX) {
    store<u32>(base, 1, EXPOSITION_WINDOW_IS_SKIPPING);
    countTooLong(base);
    return;
  }
  memory.copy(base + EXPOSITION_WINDOW_CARRY + size, from, added);
  store<u32>(base, size + added, EXPOSITION_WINDOW_CARRY_SIZE);
}

function countTooLong(base: usize): void {
  const count = load<u32>(base, EXPOSITION_WINDOW_LINES_TOO_LONG);
  store<u32>(base, count + 1, EXPOSITION_WINDOW_LINES_TOO_LONG);
}

/** Reads the kept line, unless it is skipped, and is ready for the next one. */
function scanCarry(base: usize): void {
  const size = load<u32>(base, EXPOSITION_WINDOW_CARRY_SIZE);
  const isSkipping = load<u32>(base, EXPOSITION_WINDOW_IS_SKIPPING) != 0;
  store<u32>(base, 0, EXPOSITION_WINDOW_CARRY_SIZE);
  store<u32>(base, 0, EXPOSITION_WINDOW_IS_SKIPPING);
  const line = base + EXPOSITION_WINDOW_CARRY;
  if (!isSkipping && size != 0) scanLine(base, line, line + size);
}

function scanLine(base: usize, from: usize, end: usize): void {
  if (end - from > EXPOSITION_LINE_SIZE_MAX) {
    countTooLong(base);
    return;
  }
  if (end > from && load<u8>(end - 1) == CARRIAGE_RETURN) end--;
  const at = skipBlanks(from, end);
  if (at == end) return;
  const table: usize = <usize>EXPOSITION_TABLES + <usize>load<u32>(base) * EXPOSITION_TABLE_STRIDE;
  if (load<u8>(at) == HASH) scanComment(base, table, at + 1, end);
  else scanSample(base, table, at, end);
}

/** `# TYPE name type`: notes the type of every wanted series of that name. Other comments say nothing. */
function scanComment(base: usize, table: usize, from: usize, end: usize): void {
  const word = skipBlanks(from, end);
  if (word + 5 > end || load<u32>(word) != TYPE_WORD || !isBlank(load<u8>(word + 4))) return;
  const name = skipBlanks(word + 4, end);
  const nameEnd = tokenEnd(name, end);
  const type = familyType(skipBlanks(nameEnd, end), end);
  const seriesCount = load<u32>(table);
  for (let i: u32 = 0; i < seriesCount; i++) {
    const series = seriesAt(table, i);
    const size: usize = load<u32>(series, EXPOSITION_SERIES_NAME_SIZE);
    if (nameEnd - name == size && hasName(series, name, size)) {
      store<u32>(resultAt(base, i), type, EXPOSITION_RESULT_TYPE);
    }
  }
}

function familyType(at: usize, end: usize): u32 {
  const size = tokenEnd(at, end) - at;
  if (size < 5) return FAMILY_OTHER;
  const first = load<u32>(at);
  if (size == 5 && first == GAUG && load<u8>(at, 4) == 0x65) return FAMILY_GAUGE_OR_COUNTER;
  if (size == 7 && first == COUN && (load<u32>(at, 4) & 0xffffff) == TER) return FAMILY_GAUGE_OR_COUNTER;
  return first == UNTY ? FAMILY_UNTYPED : FAMILY_OTHER;
}

/** A line that begins with a name: may be a series of several wanted ones, which differ in their labels. */
function scanSample(base: usize, table: usize, at: usize, end: usize): void {
  const seriesCount = load<u32>(table);
  const lineSize = end - at;
  for (let i: u32 = 0; i < seriesCount; i++) {
    const series = seriesAt(table, i);
    const size: usize = load<u32>(series, EXPOSITION_SERIES_NAME_SIZE);
    if (size >= lineSize) continue;
    const tail = load<u64>(at + size - 8) ^ load<u64>(series, EXPOSITION_SERIES_TAIL);
    if ((tail & load<u64>(series, EXPOSITION_SERIES_TAIL_MASK)) != 0) continue;
    const next = load<u8>(at + size);
    if (next != OPEN_BRACE && !isBlank(next)) continue;
    if (hasName(series, at, size)) takeSeries(base, series, i, at + size, end);
  }
}

/** The rest of the line after the name: `{labels} value timestamp?`. */
function takeSeries(base: usize, series: usize, number: u32, from: usize, end: usize): void {
  const labels = skipBlanks(from, end);
  const labelsEnd = matchLabels(series, labels, end);
  if (labelsEnd == NO_MATCH) return;
  const valueStart = skipBlanks(labelsEnd, end);
  const valueEnd = tokenEnd(valueStart, end);
  const value = readNumber(valueStart, valueEnd);
  const timeStart = skipBlanks(valueEnd, end);
  let timestamp: f64 = 0;
  if (timeStart < end) timestamp = readNumber(timeStart, tokenEnd(timeStart, end));
  if (isNaN(timestamp)) timestamp = 0;

  const result = resultAt(base, number);
  const text = load<u32>(series, EXPOSITION_SERIES_TEXT);
  // A series that is wanted for its labels has them whatever its type.
  if (text == 0 && load<u32>(result, EXPOSITION_RESULT_TYPE) != FAMILY_GAUGE_OR_COUNTER) return;
  const count = load<u32>(result, EXPOSITION_RESULT_SERIES_COUNT);
  store<u32>(result, count + 1, EXPOSITION_RESULT_SERIES_COUNT);
  if (!isChosen(result, load<u32>(series, EXPOSITION_SERIES_CHOICE), count, value, timestamp)) return;
  store<f64>(result, value, EXPOSITION_RESULT_VALUE);
  store<f64>(result, timestamp, EXPOSITION_RESULT_TIMESTAMP);
  if (text != 0) keepText(base, result, text - 1, labels, labelsEnd);
}

/** Whether the series takes the place of the one chosen so far. Of equal ones the first stays. Adds to a sum itself. */
function isChosen(result: usize, choice: u32, count: u32, value: f64, timestamp: f64): bool {
  if (count == 0) return true;
  const chosen = load<f64>(result, EXPOSITION_RESULT_VALUE);
  if (choice == SERIES_SUM) {
    store<f64>(result, chosen + value, EXPOSITION_RESULT_VALUE);
    return false;
  }
  if (choice == SERIES_GREATEST) return value > chosen || (isNaN(chosen) && !isNaN(value));
  return timestamp > load<f64>(result, EXPOSITION_RESULT_TIMESTAMP);
}

function keepText(base: usize, result: usize, text: u32, from: usize, end: usize): void {
  const size = <u32>(end - from);
  memory.copy(base + EXPOSITION_WINDOW_TEXTS + <usize>text * EXPOSITION_LINE_SIZE_MAX, from, size);
  store<u32>(result, size, EXPOSITION_RESULT_TEXT_SIZE);
}

function hasName(series: usize, at: usize, size: usize): bool {
  const name: usize = load<u32>(series, EXPOSITION_SERIES_NAME);
  for (let i: usize = 0; i < size; i++) {
    if (load<u8>(at + i) != load<u8>(name + i)) return false;
  }
  return true;
}

function seriesAt(table: usize, number: u32): usize {
  return table + EXPOSITION_TABLE_SERIES + <usize>number * EXPOSITION_SERIES_STRIDE;
}

function resultAt(base: usize, number: u32): usize {
  return base + EXPOSITION_WINDOW_RESULTS + <usize>number * EXPOSITION_RESULT_STRIDE;
}
