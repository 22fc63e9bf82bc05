/**
 * Numbers and literals of a body. Both may be cut by the chunk's end: `phase` says how far the token is. A number has
 * no end of its own; the first byte that does not continue it ends it and is left to the automaton.
 */
import { stageByte, stageBytes, stageTokenId } from "./canonical";
import { EXPECT_COMMA_OR_END, IN_LITERAL, IN_NUMBER, refuseJson } from "./json-states";
import {
  KIND_FALSE,
  KIND_TRUE,
  SINK_MAX_COMPLETION_TOKENS,
  SINK_MAX_TOKENS,
  SINK_TOKEN_ID,
  TAKE_RAW,
} from "./json-terms";
import {
  WINDOW_SCAN_PHASE,
  WINDOW_SCAN_SIGN,
  WINDOW_SCAN_SINK,
  WINDOW_SCAN_STAGED,
  WINDOW_SCAN_STATE,
  WINDOW_SCAN_VALUE,
} from "./layout";
import { takeCap } from "./request-facts";

// A number:   START ─ "-" ─► SIGN                 EXPONENT ─ sign ─► EXPONENT_SIGN
//               │ 0          │ 0                  ▲  │ digit           │ digit
//               ├────► ZERO ◄┤     ─── "e" ───────┘  └────► POWER ◄────┘
//               │ 1–9        │ 1–9    │
//               └► INTEGER ◄─┘ ───────┤      ZERO, INTEGER ─ "." ─► POINT ─ digit ─► FRACTION ─ "e" ─► EXPONENT
const NUMBER_START: u32 = 0;
const NUMBER_SIGN: u32 = 1;
const NUMBER_POINT: u32 = 2;
const NUMBER_EXPONENT: u32 = 3;
const NUMBER_EXPONENT_SIGN: u32 = 4;
/** From here on a number may end. */
const NUMBER_ZERO: u32 = 5;
const NUMBER_INTEGER: u32 = 6;
const NUMBER_FRACTION: u32 = 7;
const NUMBER_POWER: u32 = 8;
const NUMBER_ENDED: u32 = 9;

const MINUS: u32 = 0x2d;
const COMMA: u32 = 0x2c;
/** The bytes of "true", "false" and "null", the first one lowest. */
const TRUE_BYTES: u64 = 0x65757274;
const FALSE_BYTES: u64 = 0x65736c6166;
const NULL_BYTES: u64 = 0x6c6c756e;

/** Begins a number with its first byte, a digit or a minus. Returns IN_NUMBER. */
export function beginNumber(window: usize, staging: usize, sink: u32, byte: u32): u32 {
  if (sink == TAKE_RAW) stageByte(window, staging, byte);
  const isNegative = byte == MINUS;
  store<u32>(window, sink, WINDOW_SCAN_SINK);
  store<u32>(window, numberPhase(NUMBER_START, byte), WINDOW_SCAN_PHASE);
  store<u32>(window, isNegative ? 0 : byte - 0x30, WINDOW_SCAN_VALUE);
  store<u32>(window, isNegative ? 1 : 0, WINDOW_SCAN_SIGN);
  return IN_NUMBER;
}

/** Reads on in a number. Returns the position of the byte that ended it, the chunk's end, or a refused byte. */
export function scanNumber(window: usize, staging: usize, from: usize, end: usize): usize {
  const sink = load<u32>(window, WINDOW_SCAN_SINK);
  if (sink == SINK_TOKEN_ID) from = scanTokenIds(window, staging, from, end);
  const start = from;
  let phase = load<u32>(window, WINDOW_SCAN_PHASE);
  let value = load<u32>(window, WINDOW_SCAN_VALUE);
  while (from < end) {
    const byte = <u32>load<u8>(from);
    const next = numberPhase(phase, byte);
    if (next == NUMBER_ENDED) break;
    if (next == NUMBER_INTEGER) value = appendDigit(value, byte - 0x30);
    phase = next;
    from++;
  }
  if (sink == TAKE_RAW) stageBytes(window, staging, start, from - start);
  store<u32>(window, phase, WINDOW_SCAN_PHASE);
  store<u32>(window, value, WINDOW_SCAN_VALUE);
  let state: u32 = IN_NUMBER;
  if (from < end) state = phase < NUMBER_ZERO ? refuseJson(window) : EXPECT_COMMA_OR_END;
  store<u32>(window, state, WINDOW_SCAN_STATE);
  const isNatural = phase <= NUMBER_INTEGER && load<u32>(window, WINDOW_SCAN_SIGN) == 0;
  if (state == EXPECT_COMMA_OR_END && isNatural) takeNatural(window, staging, sink, value);
  return from;
}

/**
 * Short cut through prompts of token ids, which are long: as long as a plain integer is followed by a comma, at most
 * one space and the first digit of another one, stages it and begins the other. Stops inside the last number it has
 * begun.
 */
function scanTokenIds(window: usize, staging: usize, from: usize, end: usize): usize {
  if (load<u32>(window, WINDOW_SCAN_PHASE) != NUMBER_INTEGER || load<u32>(window, WINDOW_SCAN_SIGN) != 0) return from;
  let to: usize = staging + load<u32>(window, WINDOW_SCAN_STAGED);
  let value = load<u32>(window, WINDOW_SCAN_VALUE);
  while (from < end) {
    const digit = <u32>load<u8>(from) - 0x30;
    if (digit <= 9) {
      value = appendDigit(value, digit);
      from++;
      continue;
    }
    if (digit != COMMA - 0x30) break;
    const next: usize = from + (load<u8>(from, 1) == 0x20 ? 2 : 1);
    const first = <u32>load<u8>(next) - 0x31;
    if (next >= end || first > 8) break;
    store<u32>(to, value);
    to += 4;
    value = first + 1;
    from = next + 1;
  }
  store<u32>(window, <u32>(to - staging), WINDOW_SCAN_STAGED);
  store<u32>(window, value, WINDOW_SCAN_VALUE);
  return from;
}

/** The phase after one more byte, or NUMBER_ENDED when the byte does not continue the number. */
function numberPhase(phase: u32, byte: u32): u32 {
  if (byte - 0x30 <= 9) {
    if (phase >= NUMBER_INTEGER) return phase;
    if (phase <= NUMBER_SIGN) return byte == 0x30 ? NUMBER_ZERO : NUMBER_INTEGER;
    if (phase == NUMBER_ZERO) return NUMBER_ENDED;
    return phase == NUMBER_POINT ? NUMBER_FRACTION : NUMBER_POWER;
  }
  switch (byte) {
    case MINUS:
      if (phase == NUMBER_START) return NUMBER_SIGN;
      return phase == NUMBER_EXPONENT ? NUMBER_EXPONENT_SIGN : NUMBER_ENDED;
    case 0x2b /* + */:
      return phase == NUMBER_EXPONENT ? NUMBER_EXPONENT_SIGN : NUMBER_ENDED;
    case 0x2e /* . */:
      return phase == NUMBER_ZERO || phase == NUMBER_INTEGER ? NUMBER_POINT : NUMBER_ENDED;
    case 0x45 /* E */:
    case 0x65 /* e */:
      return phase >= NUMBER_ZERO && phase <= NUMBER_FRACTION ? NUMBER_EXPONENT : NUMBER_ENDED;
    default:
      return NUMBER_ENDED;
  }
}

/** value × 10 + digit, at most 2^32 − 1. */
function appendDigit(value: u32, digit: u32): u32 {
  return <u32>min<u64>(<u64>value * 10 + digit, 0xffffffff);
}

/** Takes a non-negative integer; signed, fractional and exponential numbers stand for no count and no token. */
function takeNatural(window: usize, staging: usize, sink: u32, value: u32): void {
  if (sink == SINK_TOKEN_ID) stageTokenId(window, staging, value);
  if (sink == SINK_MAX_TOKENS || sink == SINK_MAX_COMPLETION_TOKENS) takeCap(window, sink, value);
}

/** Begins a literal of this kind with its first byte. The phase counts its bytes, the value is its kind. */
export function beginLiteral(window: usize, staging: usize, sink: u32, byte: u32, kind: u32): u32 {
  if (sink == TAKE_RAW) stageByte(window, staging, byte);
  store<u32>(window, sink, WINDOW_SCAN_SINK);
  store<u32>(window, 1, WINDOW_SCAN_PHASE);
  store<u32>(window, kind, WINDOW_SCAN_VALUE);
  return IN_LITERAL;
}

/** Reads on in a literal. Returns the position after it, the chunk's end, or a refused byte. */
export function scanLiteral(window: usize, staging: usize, from: usize, end: usize): usize {
  const start = from;
  let phase = load<u32>(window, WINDOW_SCAN_PHASE);
  let rest = literalBytes(load<u32>(window, WINDOW_SCAN_VALUE)) >> (phase << 3);
  while (from < end && rest != 0 && <u64>load<u8>(from) == (rest & 0xff)) {
    rest >>= 8;
    phase++;
    from++;
  }
  if (load<u32>(window, WINDOW_SCAN_SINK) == TAKE_RAW) stageBytes(window, staging, start, from - start);
  store<u32>(window, phase, WINDOW_SCAN_PHASE);
  let state: u32 = IN_LITERAL;
  if (rest == 0) state = EXPECT_COMMA_OR_END;
  else if (from < end) state = refuseJson(window);
  store<u32>(window, state, WINDOW_SCAN_STATE);
  return from;
}

function literalBytes(kind: u32): u64 {
  if (kind == KIND_TRUE) return TRUE_BYTES;
  return kind == KIND_FALSE ? FALSE_BYTES : NULL_BYTES;
}
