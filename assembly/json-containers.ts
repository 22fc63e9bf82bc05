/**
 * The automaton's stack: the open arrays and objects. A container is one bit (object or array) at its depth and, near
 * the top, a context byte, since only there the grammar has anything to say: deeper ones are skipped or raw, as their
 * parents are. What the innermost one is stands in the window by itself, so that a comma or colon costs no look at the
 * stack.
 */
import { stageByte } from "./canonical";
import { EXPECT_ELEMENT_OR_END, EXPECT_KEY_OR_END, refuse } from "./json-states";
import { TAKE_RAW } from "./json-terms";
import {
  CONTEXTS_MAX,
  JSON_DEPTH_MAX,
  SCAN_TOO_DEEP,
  WINDOW_SCAN_CONTAINERS,
  WINDOW_SCAN_CONTEXT,
  WINDOW_SCAN_CONTEXTS,
  WINDOW_SCAN_DEPTH,
  WINDOW_SCAN_IN_OBJECT,
} from "./layout";

const OBJECT_BEGIN: u32 = 0x7b;

/** Opens a container with "{" or "[" and returns the next state. */
export function pushContainer(window: usize, staging: usize, byte: u32, context: u32): u32 {
  const depth = depthOf(window) + 1;
  if (depth > JSON_DEPTH_MAX) return refuse(window, SCAN_TOO_DEEP);
  if (context == TAKE_RAW) stageByte(window, staging, byte);
  assert(depth < CONTEXTS_MAX - 1 || context <= TAKE_RAW);
  if (depth < CONTEXTS_MAX) store<u8>(window + depth, <u8>context, WINDOW_SCAN_CONTEXTS);
  const bits = window + (depth >> 3);
  const bit: u32 = 1 << (depth & 7);
  const others = <u32>load<u8>(bits, WINDOW_SCAN_CONTAINERS) & ~bit;
  const isObject = byte == OBJECT_BEGIN;
  store<u8>(bits, <u8>(isObject ? others | bit : others), WINDOW_SCAN_CONTAINERS);
  enterDepth(window, depth);
  return isObject ? EXPECT_KEY_OR_END : EXPECT_ELEMENT_OR_END;
}

/** Closes the innermost container and returns how many are still open. */
export function popContainer(window: usize): u32 {
  const depth = depthOf(window) - 1;
  enterDepth(window, depth);
  return depth;
}

export function depthOf(window: usize): u32 {
  return load<u32>(window, WINDOW_SCAN_DEPTH);
}

/** Context of the innermost container. */
export function contextOf(window: usize): u32 {
  return load<u32>(window, WINDOW_SCAN_CONTEXT);
}

export function isInObject(window: usize): bool {
  return load<u32>(window, WINDOW_SCAN_IN_OBJECT) != 0;
}

/**
 * Makes the container at this depth the innermost one. All from level CONTEXTS_MAX − 1 on have that level's context.
 */
function enterDepth(window: usize, depth: u32): void {
  const context = <u32>load<u8>(window + min<u32>(depth, CONTEXTS_MAX - 1), WINDOW_SCAN_CONTEXTS);
  const isObject = (<u32>load<u8>(window + (depth >> 3), WINDOW_SCAN_CONTAINERS) >> (depth & 7)) & 1;
  store<u32>(window, depth, WINDOW_SCAN_DEPTH);
  store<u32>(window, context, WINDOW_SCAN_CONTEXT);
  store<u32>(window, isObject, WINDOW_SCAN_IN_OBJECT);
}
