/**
 * The words in which the grammar answers: kinds of values, what becomes of a value (contexts of containers, sinks of
 * scalars), the request facts it sets, and flags. `json-grammar.ts` and the files per API combine them; the scanner
 * acts on them.
 */

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
export const CONTEXT_BODY: u32 = 3;
export const CONTEXT_MESSAGES: u32 = 4;
export const CONTEXT_MESSAGE: u32 = 5;
export const CONTEXT_CONTENT: u32 = 6;
export const CONTEXT_CONTENT_PART: u32 = 7;
export const CONTEXT_PROMPTS: u32 = 8;
export const CONTEXT_TOKEN_IDS: u32 = 9;
export const CONTEXT_ITEMS: u32 = 10;
export const CONTEXT_SAMPLING: u32 = 11;
export const CONTEXT_SYSTEM: u32 = 12;
export const CONTEXT_SYSTEM_BLOCK: u32 = 13;
/** Anthropic's content, and that of a tool's result, which nests no further. */
export const CONTEXT_BLOCKS: u32 = 14;
export const CONTEXT_BLOCK: u32 = 15;
export const CONTEXT_RESULT_BLOCKS: u32 = 16;
export const CONTEXT_RESULT_BLOCK: u32 = 17;
/** Objects that stand for one multimodal asset, which goes into the prompt where they end. */
export const CONTEXT_IMAGE_LINK: u32 = 24;
export const CONTEXT_VIDEO_LINK: u32 = 25;
export const CONTEXT_AUDIO_LINK: u32 = 26;
export const CONTEXT_INPUT_AUDIO: u32 = 27;
export const CONTEXT_IMAGE_SOURCE: u32 = 28;

/** Sinks: where the text of a string, or the value of a number, goes. */
export const SINK_TEXT: u32 = 48;
export const SINK_KEY: u32 = 49;
export const SINK_TOKEN_ID: u32 = 50;
export const SINK_MAX_TOKENS: u32 = 51;
export const SINK_MAX_COMPLETION_TOKENS: u32 = 52;
export const SINK_SALT: u32 = 53;
/** From here on the end of a string has consequences of its own; from SINK_SYSTEM_TEXT on its beginning, too. */
export const SINK_MODEL: u32 = 54;
export const SINK_SYSTEM_TEXT: u32 = 55;
export const SINK_AUDIO_FORMAT: u32 = 56;
/**
 * From here on a string is the content of an asset. An image's content is a URL, which may hold the image, or base64.
 */
export const SINK_IMAGE_URL: u32 = 57;
export const SINK_IMAGE_DATA: u32 = 58;
export const SINK_VIDEO: u32 = 59;
export const SINK_AUDIO: u32 = 60;

/** Request facts that a value sets. The last of several wins, as with JSON.parse; null stands for absent. */
export const FIELD_NONE: u32 = 0;
export const FIELD_MODEL: u32 = 1;
export const FIELD_SALT: u32 = 2;
export const FIELD_STREAM: u32 = 3;
export const FIELD_MAX_TOKENS: u32 = 4;
export const FIELD_MAX_COMPLETION_TOKENS: u32 = 5;
export const FIELD_TOOLS: u32 = 6;
export const FIELD_SYSTEM: u32 = 7;
export const FIELD_PROMPT: u32 = 8;

/** An element of the messages or items: WINDOW_MESSAGE_COUNT rises. */
export const COUNTS_MESSAGE: u32 = 1 << 16;
/** A value whose kind makes the request meaningless: SCAN_WRONG_TYPE. */
export const WRONG_TYPE: u32 = 1 << 17;
/** A prompt of its own begins: what follows shares no block with what stands before it. */
export const BEGINS_PROMPT: u32 = 1 << 18;

export function takeOf(action: u32): u32 {
  return action & 0xff;
}

export function fieldOf(action: u32): u32 {
  return (action >> 8) & 0xff;
}

export function isAssetContext(context: u32): bool {
  return context - CONTEXT_IMAGE_LINK <= CONTEXT_IMAGE_SOURCE - CONTEXT_IMAGE_LINK;
}

// The answers that most rules of the grammar are made of.

/** A field that must be of the wanted kind. Null forgets the field; any other kind refuses the request. */
export function field(number: u32, kind: u32, wanted: u32, take: u32): u32 {
  if (kind == KIND_NULL) return number << 8;
  return kind == wanted ? (number << 8) | take : WRONG_TYPE;
}

/** A field that is left out when it is of another kind than the wanted one: the model server judges it. */
export function lenientField(number: u32, kind: u32, wanted: u32, take: u32): u32 {
  return kind == wanted ? (number << 8) | take : number << 8;
}

/** A field of any kind that is taken as JSON. Null forgets it. */
export function rawField(number: u32, kind: u32): u32 {
  return (number << 8) | (kind == KIND_NULL ? TAKE_NOTHING : TAKE_RAW);
}

/** A container of the wanted kind gets the context; anything else is of no interest. */
export function enter(wanted: u32, kind: u32, context: u32): u32 {
  return kind == wanted ? context : TAKE_NOTHING;
}

/** A string goes to the sink; anything else is of no interest. */
export function textTo(kind: u32, sink: u32): u32 {
  return kind == KIND_STRING ? sink : TAKE_NOTHING;
}
