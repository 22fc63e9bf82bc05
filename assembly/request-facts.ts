/**
 * Puts values of interest into the window's request facts. A field is forgotten when a value for it begins and set when
 * that value is complete, so the last of several wins. Which values are of interest is the grammar's business.
 */
import { takeAssetText } from "./assets";
import { openPart } from "./canonical";
import {
  FIELD_MAX_COMPLETION_TOKENS,
  FIELD_MAX_TOKENS,
  FIELD_MODEL,
  FIELD_PROMPT,
  FIELD_SALT,
  FIELD_STREAM,
  FIELD_SYSTEM,
  FIELD_TOOLS,
  KIND_TRUE,
  SINK_KEY,
  SINK_MAX_COMPLETION_TOKENS,
  SINK_MAX_TOKENS,
  SINK_MODEL,
  SINK_SALT,
  SINK_SYSTEM_TEXT,
} from "./json-terms";
import {
  FACT_MODEL,
  FACT_OUTPUT_CAP,
  FACT_STREAM,
  KEY_SIZE_MAX,
  MODEL_SIZE_MAX,
  PART_PROMPT,
  PART_SYSTEM,
  PART_TOOLS,
  SALT_SIZE_MAX,
  SCAN_MODEL_TOO_LONG,
  SCAN_MORE,
  SCAN_SALT_TOO_LONG,
  WINDOW_FACTS,
  WINDOW_MODEL,
  WINDOW_MODEL_END,
  WINDOW_MODEL_SIZE,
  WINDOW_MODEL_START,
  WINDOW_OUTPUT_CAP,
  WINDOW_SALT,
  WINDOW_SALT_SIZE,
  WINDOW_SCAN_CAP_FACTS,
  WINDOW_SCAN_CAPS,
  WINDOW_SCAN_FIELD_AT,
  WINDOW_SCAN_KEY_BYTES,
  WINDOW_SCAN_KEY_SIZE,
} from "./layout";
import { takeSystemText } from "./system-text";

/** A value of this kind begins for the field, at `offset` in the body: forgets the earlier value. */
export function beginField(window: usize, field: u32, kind: u32, offset: u32): void {
  store<u32>(window, offset, WINDOW_SCAN_FIELD_AT);
  switch (field) {
    case FIELD_MODEL:
      clearFact(window, FACT_MODEL);
      store<u32>(window, 0, WINDOW_MODEL_SIZE);
      store<u32>(window, offset + 1, WINDOW_MODEL_START);
      store<u32>(window, offset + 1, WINDOW_MODEL_END);
      break;
    case FIELD_SALT:
      store<u32>(window, 0, WINDOW_SALT_SIZE);
      break;
    case FIELD_STREAM:
      clearFact(window, FACT_STREAM);
      if (kind == KIND_TRUE) setFact(window, FACT_STREAM);
      break;
    case FIELD_MAX_TOKENS:
      forgetCap(window, SINK_MAX_TOKENS);
      break;
    case FIELD_MAX_COMPLETION_TOKENS:
      forgetCap(window, SINK_MAX_COMPLETION_TOKENS);
      break;
    case FIELD_TOOLS:
      openPart(window, PART_TOOLS);
      break;
    case FIELD_SYSTEM:
      openPart(window, PART_SYSTEM);
      break;
    case FIELD_PROMPT:
      openPart(window, PART_PROMPT);
      break;
  }
}

/**
 * Takes unescaped text for a sink that is no part of the prompt as it stands. Returns SCAN_MORE, or the code for too
 * long a text.
 */
export function takeText(window: usize, sink: u32, source: usize, size: u32): u32 {
  switch (sink) {
    case SINK_KEY:
      // A key longer than KEY_SIZE_MAX is no key of interest: its size says so from then on.
      if (!append(window + WINDOW_SCAN_KEY_BYTES, window + WINDOW_SCAN_KEY_SIZE, KEY_SIZE_MAX, source, size)) {
        store<u32>(window, KEY_SIZE_MAX + 1, WINDOW_SCAN_KEY_SIZE);
      }
      return SCAN_MORE;
    case SINK_MODEL:
      if (append(window + WINDOW_MODEL, window + WINDOW_MODEL_SIZE, MODEL_SIZE_MAX, source, size)) return SCAN_MORE;
      return SCAN_MODEL_TOO_LONG;
    case SINK_SALT:
      if (append(window + WINDOW_SALT, window + WINDOW_SALT_SIZE, SALT_SIZE_MAX, source, size)) return SCAN_MORE;
      return SCAN_SALT_TOO_LONG;
    case SINK_SYSTEM_TEXT:
      takeSystemText(window, source, size);
      return SCAN_MORE;
    default:
      if (sink > SINK_SYSTEM_TEXT) takeAssetText(window, sink, source, size);
      return SCAN_MORE;
  }
}

/** The model's string is complete; its inside ends before `offset`. */
export function endModel(window: usize, offset: u32): void {
  store<u32>(window, offset, WINDOW_MODEL_END);
  setFact(window, FACT_MODEL);
}

/** Takes a complete non-negative integer, saturated to u32, for one of the two output caps. */
export function takeCap(window: usize, sink: u32, value: u32): void {
  store<u32>(capRecord(window, sink), value);
  store<u32>(window, load<u32>(window, WINDOW_SCAN_CAP_FACTS) | capFact(sink), WINDOW_SCAN_CAP_FACTS);
  chooseCap(window);
}

function forgetCap(window: usize, sink: u32): void {
  store<u32>(window, load<u32>(window, WINDOW_SCAN_CAP_FACTS) & ~capFact(sink), WINDOW_SCAN_CAP_FACTS);
  chooseCap(window);
}

/** `max_completion_tokens` wins over its older name `max_tokens`, in whatever order they stand. */
function chooseCap(window: usize): void {
  const facts = load<u32>(window, WINDOW_SCAN_CAP_FACTS);
  const sink = (facts & capFact(SINK_MAX_COMPLETION_TOKENS)) != 0 ? SINK_MAX_COMPLETION_TOKENS : SINK_MAX_TOKENS;
  if ((facts & capFact(sink)) != 0) {
    store<u32>(window, load<u32>(capRecord(window, sink)), WINDOW_OUTPUT_CAP);
    setFact(window, FACT_OUTPUT_CAP);
  } else {
    clearFact(window, FACT_OUTPUT_CAP);
  }
}

function capFact(sink: u32): u32 {
  return 1 << (sink - SINK_MAX_TOKENS);
}

function capRecord(window: usize, sink: u32): usize {
  return window + WINDOW_SCAN_CAPS + ((<usize>(sink - SINK_MAX_TOKENS)) << 2);
}

/** Appends to a buffer whose fill is the u32 at `fill`. False, and nothing appended, when it would pass `sizeMax`. */
function append(buffer: usize, fill: usize, sizeMax: u32, source: usize, size: u32): bool {
  const before = load<u32>(fill);
  if (before + size > sizeMax) return false;
  memory.copy(buffer + before, source, size);
  store<u32>(fill, before + size);
  return true;
}

function setFact(window: usize, fact: u32): void {
  store<u32>(window, load<u32>(window, WINDOW_FACTS) | fact, WINDOW_FACTS);
}

function clearFact(window: usize, fact: u32): void {
  store<u32>(window, load<u32>(window, WINDOW_FACTS) & ~fact, WINDOW_FACTS);
}
