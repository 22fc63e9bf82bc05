/**
 * What the JSON automaton can be waiting for. The values are grouped so that each question about them is one
 * comparison. In a token state (IN_…) the next bytes belong to a key, string, number or literal that has begun.
 */
import { SCAN_NOT_JSON, WINDOW_RESULT, WINDOW_SCAN_ORIGIN } from "./layout";

/** The body's first byte: only an object is accepted. */
export const EXPECT_BODY: u32 = 0;
export const EXPECT_VALUE: u32 = 1;
/** After "[". */
export const EXPECT_ELEMENT_OR_END: u32 = 2;
export const EXPECT_KEY: u32 = 3;
/** After "{". */
export const EXPECT_KEY_OR_END: u32 = 4;
export const EXPECT_COLON: u32 = 5;
/** After a value inside an array or object: a comma or the end. */
export const EXPECT_COMMA_OR_END: u32 = 6;
/** After the body: white space only. */
export const EXPECT_NOTHING: u32 = 7;
export const IN_KEY: u32 = 8;
export const IN_STRING: u32 = 9;
export const IN_NUMBER: u32 = 10;
export const IN_LITERAL: u32 = 11;
/** The scan has ended early, with WINDOW_RESULT set. */
export const REFUSED: u32 = 12;

export function acceptsValue(state: u32): bool {
  return state <= EXPECT_ELEMENT_OR_END;
}

export function acceptsKey(state: u32): bool {
  return state == EXPECT_KEY || state == EXPECT_KEY_OR_END;
}

export function acceptsEnd(state: u32): bool {
  return state == EXPECT_COMMA_OR_END || state == EXPECT_KEY_OR_END || state == EXPECT_ELEMENT_OR_END;
}

/** Ends the scan with a SCAN_… code. Returns the state to go on with. */
export function refuse(window: usize, code: u32): u32 {
  store<u32>(window, code, WINDOW_RESULT);
  return REFUSED;
}

export function refuseJson(window: usize): u32 {
  return refuse(window, SCAN_NOT_JSON);
}

/** Offset in the body of an address in the current chunk. */
export function offsetOf(window: usize, address: usize): u32 {
  return <u32>address - load<u32>(window, WINDOW_SCAN_ORIGIN);
}

/** The address that an offset in the body has or, if it was in an earlier chunk, would have. */
export function addressOf(window: usize, offset: u32): usize {
  return load<u32>(window, WINDOW_SCAN_ORIGIN) + offset;
}
