/**
 * What Anthropic's messages put where. Blocks are not asked for their `type`, which may stand behind what it says
 * something about: each kind of block has keys of its own.
 */
import {
  KEY_CONTENT,
  KEY_ID,
  KEY_INPUT,
  KEY_MAX_TOKENS,
  KEY_MESSAGES,
  KEY_NAME,
  KEY_SOURCE,
  KEY_SYSTEM,
  KEY_TEXT,
  KEY_THINKING,
  KEY_TOOLS,
} from "./json-keys";
import {
  CONTEXT_IMAGE_SOURCE,
  CONTEXT_MESSAGES,
  CONTEXT_RESULT_BLOCKS,
  CONTEXT_SYSTEM,
  enter,
  FIELD_MAX_TOKENS,
  FIELD_PROMPT,
  FIELD_SYSTEM,
  FIELD_TOOLS,
  field,
  KIND_ARRAY,
  KIND_NUMBER,
  KIND_OBJECT,
  KIND_STRING,
  lenientField,
  rawField,
  SINK_MAX_TOKENS,
  SINK_SYSTEM_TEXT,
  SINK_TEXT,
  TAKE_NOTHING,
  TAKE_RAW,
  textTo,
} from "./json-terms";

export function anthropicAction(key: u32, kind: u32): u32 {
  switch (key) {
    case KEY_MESSAGES:
      return field(FIELD_PROMPT, kind, KIND_ARRAY, CONTEXT_MESSAGES);
    case KEY_SYSTEM:
      if (kind == KIND_ARRAY) return field(FIELD_SYSTEM, kind, KIND_ARRAY, CONTEXT_SYSTEM);
      return lenientField(FIELD_SYSTEM, kind, KIND_STRING, SINK_SYSTEM_TEXT);
    case KEY_TOOLS:
      return rawField(FIELD_TOOLS, kind);
    case KEY_MAX_TOKENS:
      return lenientField(FIELD_MAX_TOKENS, kind, KIND_NUMBER, SINK_MAX_TOKENS);
    default:
      return TAKE_NOTHING;
  }
}

export function systemBlockAction(key: u32, kind: u32): u32 {
  return key == KEY_TEXT ? textTo(kind, SINK_SYSTEM_TEXT) : TAKE_NOTHING;
}

/** A block of a message: text, thinking, an image, a call of a tool (id, name, input), a tool's result. */
export function blockAction(key: u32, kind: u32): u32 {
  switch (key) {
    case KEY_TEXT:
    case KEY_THINKING:
    case KEY_ID:
    case KEY_NAME:
      return textTo(kind, SINK_TEXT);
    case KEY_INPUT:
      return TAKE_RAW;
    case KEY_SOURCE:
      return enter(KIND_OBJECT, kind, CONTEXT_IMAGE_SOURCE);
    case KEY_CONTENT:
      return kind == KIND_ARRAY ? CONTEXT_RESULT_BLOCKS : textTo(kind, SINK_TEXT);
    default:
      return TAKE_NOTHING;
  }
}

/** A block of a tool's result: text or an image. */
export function resultBlockAction(key: u32, kind: u32): u32 {
  if (key == KEY_TEXT) return textTo(kind, SINK_TEXT);
  return key == KEY_SOURCE ? enter(KIND_OBJECT, kind, CONTEXT_IMAGE_SOURCE) : TAKE_NOTHING;
}
