/** What OpenAI's APIs put where: chat completions, prompts of completions and embeddings, responses, conversations. */
import {
  KEY_AUDIO_URL,
  KEY_IMAGE_URL,
  KEY_INPUT,
  KEY_INPUT_AUDIO,
  KEY_INSTRUCTIONS,
  KEY_ITEMS,
  KEY_MAX_COMPLETION_TOKENS,
  KEY_MAX_OUTPUT_TOKENS,
  KEY_MAX_TOKENS,
  KEY_MESSAGES,
  KEY_TEXT,
  KEY_TOOLS,
  KEY_VIDEO_URL,
} from "./json-keys";
import {
  BEGINS_PROMPT,
  CONTEXT_AUDIO_LINK,
  CONTEXT_IMAGE_LINK,
  CONTEXT_INPUT_AUDIO,
  CONTEXT_ITEMS,
  CONTEXT_MESSAGES,
  CONTEXT_TOKEN_IDS,
  CONTEXT_VIDEO_LINK,
  enter,
  FIELD_MAX_COMPLETION_TOKENS,
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
  SINK_AUDIO,
  SINK_IMAGE_URL,
  SINK_MAX_COMPLETION_TOKENS,
  SINK_MAX_TOKENS,
  SINK_TEXT,
  SINK_TOKEN_ID,
  SINK_VIDEO,
  TAKE_NOTHING,
  textTo,
} from "./json-terms";

export function chatAction(key: u32, kind: u32): u32 {
  switch (key) {
    case KEY_MESSAGES:
      return field(FIELD_PROMPT, kind, KIND_ARRAY, CONTEXT_MESSAGES);
    case KEY_TOOLS:
      return rawField(FIELD_TOOLS, kind);
    case KEY_MAX_TOKENS:
      return lenientField(FIELD_MAX_TOKENS, kind, KIND_NUMBER, SINK_MAX_TOKENS);
    case KEY_MAX_COMPLETION_TOKENS:
      return lenientField(FIELD_MAX_COMPLETION_TOKENS, kind, KIND_NUMBER, SINK_MAX_COMPLETION_TOKENS);
    default:
      return TAKE_NOTHING;
  }
}

/** A part of a message's content. A link is an object with a `url`; vLLM takes the URL alone, too. */
export function contentPartAction(key: u32, kind: u32): u32 {
  switch (key) {
    case KEY_TEXT:
      return textTo(kind, SINK_TEXT);
    case KEY_IMAGE_URL:
      return link(kind, CONTEXT_IMAGE_LINK, SINK_IMAGE_URL);
    case KEY_VIDEO_URL:
      return link(kind, CONTEXT_VIDEO_LINK, SINK_VIDEO);
    case KEY_AUDIO_URL:
      return link(kind, CONTEXT_AUDIO_LINK, SINK_AUDIO);
    case KEY_INPUT_AUDIO:
      return enter(KIND_OBJECT, kind, CONTEXT_INPUT_AUDIO);
    default:
      return TAKE_NOTHING;
  }
}

/**
 * An element of a list of prompts: each text and each list of token ids is a prompt; bare token ids make one together.
 */
export function promptsAction(kind: u32): u32 {
  switch (kind) {
    case KIND_NUMBER:
      return SINK_TOKEN_ID;
    case KIND_STRING:
      return BEGINS_PROMPT | SINK_TEXT;
    case KIND_ARRAY:
      return BEGINS_PROMPT | CONTEXT_TOKEN_IDS;
    default:
      return TAKE_NOTHING;
  }
}

export function responsesAction(key: u32, kind: u32): u32 {
  switch (key) {
    case KEY_INPUT:
      return rawField(FIELD_PROMPT, kind);
    case KEY_INSTRUCTIONS:
      return rawField(FIELD_SYSTEM, kind);
    case KEY_TOOLS:
      return rawField(FIELD_TOOLS, kind);
    case KEY_MAX_OUTPUT_TOKENS:
      return lenientField(FIELD_MAX_TOKENS, kind, KIND_NUMBER, SINK_MAX_TOKENS);
    default:
      return TAKE_NOTHING;
  }
}

export function conversationsAction(key: u32, kind: u32): u32 {
  return key == KEY_ITEMS ? field(FIELD_PROMPT, kind, KIND_ARRAY, CONTEXT_ITEMS) : TAKE_NOTHING;
}

function link(kind: u32, context: u32, sink: u32): u32 {
  return kind == KIND_OBJECT ? context : textTo(kind, sink);
}
