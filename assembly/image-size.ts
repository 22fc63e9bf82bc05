/**
 * Width and height of an image that comes as base64 in pieces: from the header of a PNG, GIF or JPEG, the way no
 * decoder is needed for. Nothing is kept but the first bytes and a few numbers in the window; once the size is known,
 * or cannot be, the rest is not looked at. What cannot be read leaves width and height 0, and the image counts as one
 * of unknown size.
 *
 *   a URL:  URL ─ "data:image/" ─► MARK ─ "base64," ─► HEAD ─ GIF, PNG ─► DONE
 *   data:                                               │ "\xff\xd8"
 *                      HEAD begins here                 └──► MARKER ─ size ─► SKIP ─► MARKER …  frame ─► FRAME ─► DONE
 */
import {
  WINDOW_IMAGE_BIT_COUNT,
  WINDOW_IMAGE_BITS,
  WINDOW_IMAGE_BYTE_COUNT,
  WINDOW_IMAGE_HEAD,
  WINDOW_IMAGE_HEIGHT,
  WINDOW_IMAGE_MATCHED,
  WINDOW_IMAGE_PHASE,
  WINDOW_IMAGE_SEGMENTS,
  WINDOW_IMAGE_SKIP,
  WINDOW_IMAGE_WIDTH,
} from "./layout";

const PHASE_DONE: u32 = 0;
const PHASE_URL: u32 = 1;
const PHASE_MARK: u32 = 2;
/** From here on characters are base64. */
const PHASE_HEAD: u32 = 3;
const PHASE_MARKER: u32 = 4;
const PHASE_SEGMENT: u32 = 5;
const PHASE_SKIP: u32 = 6;
const PHASE_FRAME: u32 = 7;

/** Bytes that tell a GIF's size and a PNG's. */
const GIF_HEAD_SIZE: u32 = 10;
const PNG_HEAD_SIZE: u32 = 24;
/** Segments of a JPEG before its frame: real files have fewer than 20. */
const SEGMENTS_MAX: u32 = 256;

const PNG_SIGNATURE: u64 = 0x0a1a0a0d474e5089;
const PNG_IHDR: u32 = 0x52444849;
/** "GIF8" as one number. */
const GIF_SIGNATURE: u32 = 0x38464947;
const NOT_BASE64: u32 = 64;

/** Begins with an image's base64, or with a URL that may be a data URL. */
export function beginImage(window: usize, isUrl: bool): void {
  memory.fill(window + WINDOW_IMAGE_WIDTH, 0, WINDOW_IMAGE_HEAD - WINDOW_IMAGE_WIDTH);
  setPhase(window, isUrl ? PHASE_URL : PHASE_HEAD);
}

/** Looks at the next characters, as far as they matter. */
export function updateImage(window: usize, source: usize, size: usize): void {
  const end = source + size;
  while (source < end && phaseOf(window) != PHASE_DONE) {
    const skipped = skipGroups(window, end - source);
    source += skipped;
    if (skipped != 0) continue;
    const character = <u32>load<u8>(source);
    if (phaseOf(window) == PHASE_URL) matchUrl(window, character);
    else if (phaseOf(window) == PHASE_MARK) matchMark(window, character);
    else takeBase64(window, character);
    source++;
  }
}

/** "data:image/", or else the image is elsewhere. */
function matchUrl(window: usize, character: u32): void {
  const matched = load<u32>(window, WINDOW_IMAGE_MATCHED);
  // "data:ima", then "ge/".
  const word: u64 = matched < 8 ? 0x616d693a61746164 : 0x2f6567;
  if (character != (<u32>(word >> ((<u64>matched & 7) << 3)) & 0xff)) return setPhase(window, PHASE_DONE);
  store<u32>(window, matched == 10 ? 0 : matched + 1, WINDOW_IMAGE_MATCHED);
  if (matched == 10) setPhase(window, PHASE_MARK);
}

/** "base64,", wherever it stands: no beginning of it is its own end, so a mismatch never goes back. */
function matchMark(window: usize, character: u32): void {
  const matched = load<u32>(window, WINDOW_IMAGE_MATCHED);
  const word: u64 = 0x2c343665736162;
  let next: u32 = character == 0x62 /* b */ ? 1 : 0;
  if (character == (<u32>(word >> ((<u64>matched) << 3)) & 0xff)) next = matched + 1;
  store<u32>(window, next, WINDOW_IMAGE_MATCHED);
  if (next == 7) setPhase(window, PHASE_HEAD);
}

/**
 * Passes over whole groups of four characters inside a JPEG's segment, whatever they are. Returns how many characters
 * that were.
 */
function skipGroups(window: usize, available: usize): usize {
  if (phaseOf(window) != PHASE_SKIP || load<u32>(window, WINDOW_IMAGE_BIT_COUNT) != 0) return 0;
  const skip = load<u32>(window, WINDOW_IMAGE_SKIP);
  const groups = min<u32>(skip / 3, <u32>(available >> 2));
  store<u32>(window, skip - groups * 3, WINDOW_IMAGE_SKIP);
  return (<usize>groups) << 2;
}

function takeBase64(window: usize, character: u32): void {
  let value = base64Value(character);
  if (value == NOT_BASE64) {
    // What is passed over need not be base64, so that it does not matter how the characters came.
    if (phaseOf(window) != PHASE_SKIP || load<u32>(window, WINDOW_IMAGE_SKIP) == 0) return setPhase(window, PHASE_DONE);
    value = 0;
  }
  const bits = (load<u32>(window, WINDOW_IMAGE_BITS) << 6) | value;
  const bitCount = load<u32>(window, WINDOW_IMAGE_BIT_COUNT) + 6;
  store<u32>(window, bits & 0xff, WINDOW_IMAGE_BITS);
  store<u32>(window, bitCount & 7, WINDOW_IMAGE_BIT_COUNT);
  if (bitCount >= 8) takeByte(window, (bits >> (bitCount - 8)) & 0xff);
}

/** Takes a byte of the image file. */
function takeByte(window: usize, byte: u32): void {
  switch (phaseOf(window)) {
    case PHASE_HEAD:
      return takeHead(window, byte);
    case PHASE_MARKER:
      return takeMarker(window, byte);
    case PHASE_SEGMENT:
      return takeSegmentSize(window, byte);
    case PHASE_SKIP:
      return skipByte(window, byte);
    default:
      return takeFrame(window, byte);
  }
}

/** Gathers the first bytes until they say what the file is. */
function takeHead(window: usize, byte: u32): void {
  const count = load<u32>(window, WINDOW_IMAGE_BYTE_COUNT) + 1;
  const head: usize = window + WINDOW_IMAGE_HEAD;
  store<u8>(head + count - 1, <u8>byte);
  store<u32>(window, count, WINDOW_IMAGE_BYTE_COUNT);
  if (count == 2 && <u32>load<u16>(head) == 0xd8ff) {
    store<u32>(window, 0, WINDOW_IMAGE_BYTE_COUNT);
    return setPhase(window, PHASE_MARKER);
  }
  if (count == GIF_HEAD_SIZE && load<u32>(head) == GIF_SIGNATURE) {
    setSize(window, load<u16>(head, 6), load<u16>(head, 8));
  } else if (count == PNG_HEAD_SIZE) {
    const isPng = load<u64>(head) == PNG_SIGNATURE && load<u32>(head, 12) == PNG_IHDR;
    if (isPng) setSize(window, bswap<u32>(load<u32>(head, 16)), bswap<u32>(load<u32>(head, 20)));
    setPhase(window, PHASE_DONE);
  }
}

/** A JPEG's marker: 0xff, any number of times, and a code. */
function takeMarker(window: usize, byte: u32): void {
  const count = load<u32>(window, WINDOW_IMAGE_BYTE_COUNT);
  store<u32>(window, 1, WINDOW_IMAGE_BYTE_COUNT);
  if (byte == 0xff) return;
  // The scan and the file's end come after the frame; whoever meets them, or no marker at all, has missed it.
  if (count == 0 || byte == 0 || byte == 0xda || byte == 0xd9) return setPhase(window, PHASE_DONE);
  store<u32>(window, 0, WINDOW_IMAGE_BYTE_COUNT);
  const segments = load<u32>(window, WINDOW_IMAGE_SEGMENTS) + 1;
  store<u32>(window, segments, WINDOW_IMAGE_SEGMENTS);
  if (segments > SEGMENTS_MAX) return setPhase(window, PHASE_DONE);
  const isAlone = byte == 0x01 || (byte >= 0xd0 && byte <= 0xd8);
  if (isAlone) return;
  // Baseline, extended and progressive frames: the kinds that decoders of the web take.
  setPhase(window, byte >= 0xc0 && byte <= 0xc2 ? PHASE_FRAME : PHASE_SEGMENT);
}

/** Two bytes, which count themselves. */
function takeSegmentSize(window: usize, byte: u32): void {
  const size = (load<u32>(window, WINDOW_IMAGE_SKIP) << 8) | byte;
  const count = load<u32>(window, WINDOW_IMAGE_BYTE_COUNT) + 1;
  store<u32>(window, size, WINDOW_IMAGE_SKIP);
  store<u32>(window, count, WINDOW_IMAGE_BYTE_COUNT);
  if (count < 2) return;
  if (size < 2) return setPhase(window, PHASE_DONE);
  store<u32>(window, size - 2, WINDOW_IMAGE_SKIP);
  setPhase(window, PHASE_SKIP);
}

/** A byte of a segment, or, where no more of it is to be skipped, the next marker's first one. */
function skipByte(window: usize, byte: u32): void {
  const skip = load<u32>(window, WINDOW_IMAGE_SKIP);
  if (skip > 0) return store<u32>(window, skip - 1, WINDOW_IMAGE_SKIP);
  store<u32>(window, 0, WINDOW_IMAGE_BYTE_COUNT);
  setPhase(window, PHASE_MARKER);
  takeMarker(window, byte);
}

/** A frame: size u16, precision u8, height u16, width u16, the high bytes first. */
function takeFrame(window: usize, byte: u32): void {
  const count = load<u32>(window, WINDOW_IMAGE_BYTE_COUNT) + 1;
  const head: usize = window + WINDOW_IMAGE_HEAD;
  store<u8>(head + count - 1, <u8>byte);
  store<u32>(window, count, WINDOW_IMAGE_BYTE_COUNT);
  if (count < 7) return;
  setSize(window, bswap<u16>(load<u16>(head, 5)), bswap<u16>(load<u16>(head, 3)));
}

function setSize(window: usize, width: u32, height: u32): void {
  store<u32>(window, width, WINDOW_IMAGE_WIDTH);
  store<u32>(window, height, WINDOW_IMAGE_HEIGHT);
  setPhase(window, PHASE_DONE);
}

function base64Value(character: u32): u32 {
  const letter = (character | 0x20) - 0x61;
  if (letter < 26) return letter + (character < 0x61 ? 0 : 26);
  if (character - 0x30 <= 9) return character - 0x30 + 52;
  if (character == 0x2b /* + */) return 62;
  return character == 0x2f /* / */ ? 63 : NOT_BASE64;
}

function phaseOf(window: usize): u32 {
  return load<u32>(window, WINDOW_IMAGE_PHASE);
}

function setPhase(window: usize, phase: u32): void {
  store<u32>(window, phase, WINDOW_IMAGE_PHASE);
}
