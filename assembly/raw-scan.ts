/**
 * Bodies that are no JSON: a prompt that TypeScript has found inside another format (`src/parsing/`) and feeds alone.
 * Every byte belongs to the prompt, as text, or as token ids in protobuf's packed varints, which become 4 bytes each.
 */
import { closePart, compactStaged, openPart, stageBytes, stageTokenId } from "./canonical";
import { refuse } from "./json-states";
import {
  API_RAW_TEXT,
  API_RAW_TOKEN_IDS,
  PART_PROMPT,
  SCAN_DONE,
  SCAN_NOT_TOKEN_IDS,
  WINDOW_API,
  WINDOW_SCAN_PHASE,
  WINDOW_SCAN_VALUE,
} from "./layout";

/** Bytes after which what is staged is hashed: each may become four. */
const SLICE_SIZE: usize = 16384;
/** Bits of a token id; protobuf drops those above. */
const TOKEN_ID_BITS: u32 = 32;
/** Bits that the bytes of a varint hold at most, but for the last one. */
const VARINT_BITS_MAX: u32 = 63;

export function isRawApi(api: u32): bool {
  return api == API_RAW_TEXT || api == API_RAW_TOKEN_IDS;
}

export function beginRaw(window: usize): void {
  openPart(window, PART_PROMPT);
}

/** Takes the bytes from `from` to `end` into the prompt. Returns where it stopped: `end`, or a byte that it refused. */
export function takeRaw(window: usize, staging: usize, from: usize, end: usize): usize {
  if (load<u32>(window, WINDOW_API) == API_RAW_TEXT) {
    stageBytes(window, staging, from, end - from);
    return end;
  }
  while (from < end) {
    const sliceEnd = min<usize>(end, from + SLICE_SIZE);
    from = takeVarints(window, staging, from, sliceEnd);
    if (from < sliceEnd) return from;
    compactStaged(window, staging);
  }
  return end;
}

/** Returns SCAN_DONE, or SCAN_NOT_TOKEN_IDS when the last varint is not whole. */
export function endRaw(window: usize, staging: usize): u32 {
  closePart(window, staging);
  return load<u32>(window, WINDOW_SCAN_PHASE) == 0 ? SCAN_DONE : SCAN_NOT_TOKEN_IDS;
}

/**
 * A varint may be cut by the slice's end: `phase` counts the bits it has so far, `value` holds them. Returns where it
 * stopped: `end`, or the byte that made a varint too long.
 */
function takeVarints(window: usize, staging: usize, from: usize, end: usize): usize {
  let bits = load<u32>(window, WINDOW_SCAN_PHASE);
  let value = load<u32>(window, WINDOW_SCAN_VALUE);
  for (; from < end; from++) {
    const byte = <u32>load<u8>(from);
    if (bits < TOKEN_ID_BITS) value |= (byte & 0x7f) << bits;
    if (byte >= 0x80) {
      if (bits == VARINT_BITS_MAX) {
        refuse(window, SCAN_NOT_TOKEN_IDS);
        return from;
      }
      bits += 7;
      continue;
    }
    stageTokenId(window, staging, value);
    bits = 0;
    value = 0;
  }
  store<u32>(window, bits, WINDOW_SCAN_PHASE);
  store<u32>(window, value, WINDOW_SCAN_VALUE);
  return end;
}
