/**
 * Which values of a body are of interest, per API. The automaton (`json-scan.ts`) asks `valueAction` once at the start
 * of each value, with where the value stands (the context of its container and, in an object, the key) and its kind;
 * the answer says what becomes of it. A new API is a new case in `bodyAction` and, where its values nest, new contexts.
 *
 *   context of the container ─┐                    ┌─ take:  a container's own context, or a scalar's sink
 *   key ──────────────────────┼─► valueAction ─────┼─ field: the request fact that begins anew, earlier value forgotten
 *   kind ─────────────────────┘                    └─ flags: COUNTS_MESSAGE, WRONG_TYPE
 */

import {
  KEY_AUDIO_URL,
  KEY_CACHE_SALT,
  KEY_CONTENT,
  KEY_DATA,
  KEY_IMAGE_URL,
  KEY_INPUT_AUDIO,
  KEY_MAX_COMPLETION_TOKENS,
  KEY_MAX_TOKENS,
  KEY_MESSAGES,
  KEY_MODEL,
  KEY_PROMPT,
  KEY_ROLE,
  KEY_STREAM,
  KEY_TEXT,
  KEY_TOOLS,
  KEY_URL,
  KEY_VIDEO_URL,
} from "./json-keys";
import { API_OPENAI_CHAT, API_OPENAI_COMPLETIONS } from "./layout";

/** Kinds of values, told by their first byte. */
export const KIND_NONE: u32 = 0;
export const KIND_OBJECT: u32 = 1;
export const KIND_ARRAY: u32 = 2;
export const KIND_STRING: u32 = 3;
export const KIND_NUMBER: u32 = 4;
export const KIND_TRUE: u32 = 5;
export const KIND_FALSE: u32 = 6;
export const KIND_NULL: u32 = 7;

/**
 * Two takes that hold for a value of any kind and for all that is in it: checked and dropped; or appended to the open
 * part as canonical JSON (no white space, strings unescaped between their quotes, numbers and literals as they stand).
 */
export const TAKE_NOTHING: u32 = 0;
export const TAKE_RAW: u32 = 1;

/** Contexts: containers whose children are of interest. CONTEXT_OUTSIDE is where the body itself stands. */
export const CONTEXT_OUTSIDE: u32 = 2;
const CONTEXT_BODY: u32 = 3;
const CONTEXT_MESSAGES: u32 = 4;
const CONTEXT_MESSAGE: u32 = 5;
const CONTEXT_CONTENT: u32 = 6;
const CONTEXT_CONTENT_PART: u32 = 7;
const CONTEXT_LINKED_MEDIA: u32 = 8;
const CONTEXT_INPUT_AUDIO: u32 = 9;
const CONTEXT_PROMPTS: u32 = 10;
const CONTEXT_TOKEN_IDS: u32 = 11;

/** Sinks: where the text of a string, or the value of a number, goes. */
export const SINK_TEXT: u32 = 16;
export const SINK_TOKEN_ID: u32 = 17;
export const SINK_MODEL: u32 = 18;
export const SINK_SALT: u32 = 19;
export const SINK_MAX_TOKENS: u32 = 20;
export const SINK_MAX_COMPLETION_TOKENS: u32 = 21;
export const SINK_KEY: u32 = 22;

/** Request facts that a value sets. The last of several wins, as with JSON.parse; null stands for absent. */
export const FIELD_NONE: u32 = 0;
export const FIELD_MODEL: u32 = 1;
export const FIELD_SALT: u32 = 2;
export const FIELD_STREAM: u32 = 3;
export const FIELD_MAX_TOKENS: u32 = 4;
export const FIELD_MAX_COMPLETION_TOKENS: u32 = 5;
export const FIELD_TOOLS: u32 = 6;
export const FIELD_PROMPT: u32 = 7;

/** An element of the messages: WINDOW_MESSAGE_COUNT rises. */
export const COUNTS_MESSAGE: u32 = 1 << 16;
/** A value whose kind makes the request meaningless: SCAN_WRONG_TYPE. */
export const WRONG_TYPE: u32 = 1 << 17;

export function takeOf(action: u32): u32 {
  return action & 0xff;
}

export function fieldOf(action: u32): u32 {
  return (action >> 8) & 0xff;
}

/** What becomes of a value of this kind, under this key, in a container of this context. */
export function valueAction(api: u32, context: u32, key: u32, kind: u32): u32 {
  switch (context) {
    case CONTEXT_OUTSIDE:
      return CONTEXT_BODY;
    case CONTEXT_BODY:
      return bodyAction(api, key, kind);
    case CONTEXT_MESSAGES:
      return COUNTS_MESSAGE | enter(KIND_OBJECT, kind, CONTEXT_MESSAGE);
    case CONTEXT_MESSAGE:
      if (key == KEY_CONTENT && kind == KIND_ARRAY) return CONTEXT_CONTENT;
      return key == KEY_ROLE || key == KEY_CONTENT ? text(kind) : TAKE_NOTHING;
    case CONTEXT_CONTENT:
      return enter(KIND_OBJECT, kind, CONTEXT_CONTENT_PART);
    case CONTEXT_CONTENT_PART:
      return contentPartAction(key, kind);
    case CONTEXT_LINKED_MEDIA:
      return key == KEY_URL ? text(kind) : TAKE_NOTHING;
    case CONTEXT_INPUT_AUDIO:
      return key == KEY_DATA ? text(kind) : TAKE_NOTHING;
    case CONTEXT_PROMPTS:
      if (kind == KIND_NUMBER) return SINK_TOKEN_ID;
      return kind == KIND_ARRAY ? CONTEXT_TOKEN_IDS : text(kind);
    case CONTEXT_TOKEN_IDS:
      return kind == KIND_NUMBER ? SINK_TOKEN_ID : TAKE_NOTHING;
    default:
      return context;
  }
}

/** Fields of the body. Those that all APIs share first, then each API's own. */
function bodyAction(api: u32, key: u32, kind: u32): u32 {
  switch (key) {
    case KEY_MODEL:
      return field(FIELD_MODEL, kind, KIND_STRING, SINK_MODEL);
    case KEY_CACHE_SALT:
      return field(FIELD_SALT, kind, KIND_STRING, SINK_SALT);
    case KEY_STREAM:
      return lenientField(FIELD_STREAM, kind, KIND_TRUE, TAKE_NOTHING);
    case KEY_MAX_TOKENS:
      return lenientField(FIELD_MAX_TOKENS, kind, KIND_NUMBER, SINK_MAX_TOKENS);
  }
  if (api == API_OPENAI_CHAT) return chatAction(key, kind);
  if (api == API_OPENAI_COMPLETIONS) return completionsAction(key, kind);
  return TAKE_NOTHING;
}

function chatAction(key: u32, kind: u32): u32 {
  switch (key) {
    case KEY_MESSAGES:
      return field(FIELD_PROMPT, kind, KIND_ARRAY, CONTEXT_MESSAGES);
    case KEY_TOOLS:
      return (FIELD_TOOLS << 8) | (kind == KIND_NULL ? TAKE_NOTHING : TAKE_RAW);
    case KEY_MAX_COMPLETION_TOKENS:
      return lenientField(FIELD_MAX_COMPLETION_TOKENS, kind, KIND_NUMBER, SINK_MAX_COMPLETION_TOKENS);
    default:
      return TAKE_NOTHING;
  }
}

function completionsAction(key: u32, kind: u32): u32 {
  if (key != KEY_PROMPT) return TAKE_NOTHING;
  if (kind == KIND_ARRAY) return field(FIELD_PROMPT, kind, KIND_ARRAY, CONTEXT_PROMPTS);
  return field(FIELD_PROMPT, kind, KIND_STRING, SINK_TEXT);
}

function contentPartAction(key: u32, kind: u32): u32 {
  switch (key) {
    case KEY_TEXT:
      return text(kind);
    case KEY_IMAGE_URL:
    case KEY_VIDEO_URL:
    case KEY_AUDIO_URL:
      return enter(KIND_OBJECT, kind, CONTEXT_LINKED_MEDIA);
    case KEY_INPUT_AUDIO:
      return enter(KIND_OBJECT, kind, CONTEXT_INPUT_AUDIO);
    default:
      return TAKE_NOTHING;
  }
}

/** A field that must be of the wanted kind. Null forgets the field; any other kind refuses the request. */
function field(number: u32, kind: u32, wanted: u32, take: u32): u32 {
  if (kind == KIND_NULL) return number << 8;
  return kind == wanted ? (number << 8) | take : WRONG_TYPE;
}

/** A field that is left out when it is of another kind than the wanted one: the model server judges it. */
function lenientField(number: u32, kind: u32, wanted: u32, take: u32): u32 {
  return kind == wanted ? (number << 8) | take : number << 8;
}

/** A container of the wanted kind gets the context; anything else is of no interest. */
function enter(wanted: u32, kind: u32, context: u32): u32 {
  return kind == wanted ? context : TAKE_NOTHING;
}

function text(kind: u32): u32 {
  return kind == KIND_STRING ? SINK_TEXT : TAKE_NOTHING;
}
