/**
 * Which values of a body are of interest, per API. The automaton (`json-scan.ts`) asks `valueAction` once at the start
 * of each value, with where the value stands (the context of its container and, in an object, the key) and its kind;
 * the answer says what becomes of it. A new API is a new case in `bodyAction` and, where its values nest, new contexts.
 * What OpenAI's and Anthropic's messages hold is said in files of their own.
 *
 *   context of the container ─┐                    ┌─ take:  a container's own context, or a scalar's sink
 *   key ──────────────────────┼─► valueAction ─────┼─ field: the request fact that begins anew, earlier value forgotten
 *   kind ─────────────────────┘                    └─ flags: COUNTS_MESSAGE, BEGINS_PROMPT, WRONG_TYPE
 */
import { anthropicAction, blockAction, resultBlockAction, systemBlockAction } from "./json-anthropic";
import {
  KEY_CACHE_SALT,
  KEY_CONTENT,
  KEY_DATA,
  KEY_EXTRA_KEY,
  KEY_FORMAT,
  KEY_INPUT,
  KEY_INPUT_IDS,
  KEY_MAX_NEW_TOKENS,
  KEY_MAX_TOKENS,
  KEY_MODEL,
  KEY_PROMPT,
  KEY_ROLE,
  KEY_SAMPLING_PARAMS,
  KEY_STREAM,
  KEY_TEXT,
  KEY_TOKEN_IDS,
  KEY_URL,
} from "./json-keys";
import { chatAction, contentPartAction, conversationsAction, promptsAction, responsesAction } from "./json-openai";
import {
  CONTEXT_AUDIO_LINK,
  CONTEXT_BLOCK,
  CONTEXT_BLOCKS,
  CONTEXT_BODY,
  CONTEXT_CONTENT,
  CONTEXT_CONTENT_PART,
  CONTEXT_IMAGE_LINK,
  CONTEXT_IMAGE_SOURCE,
  CONTEXT_INPUT_AUDIO,
  CONTEXT_ITEMS,
  CONTEXT_MESSAGE,
  CONTEXT_MESSAGES,
  CONTEXT_OUTSIDE,
  CONTEXT_PROMPTS,
  CONTEXT_RESULT_BLOCK,
  CONTEXT_RESULT_BLOCKS,
  CONTEXT_SAMPLING,
  CONTEXT_SYSTEM,
  CONTEXT_SYSTEM_BLOCK,
  CONTEXT_TOKEN_IDS,
  CONTEXT_VIDEO_LINK,
  COUNTS_MESSAGE,
  enter,
  FIELD_MAX_TOKENS,
  FIELD_MODEL,
  FIELD_PROMPT,
  FIELD_SALT,
  FIELD_STREAM,
  field,
  KIND_ARRAY,
  KIND_NULL,
  KIND_NUMBER,
  KIND_OBJECT,
  KIND_STRING,
  KIND_TRUE,
  lenientField,
  SINK_AUDIO,
  SINK_AUDIO_FORMAT,
  SINK_IMAGE_DATA,
  SINK_IMAGE_URL,
  SINK_MAX_TOKENS,
  SINK_MODEL,
  SINK_SALT,
  SINK_TEXT,
  SINK_TOKEN_ID,
  SINK_VIDEO,
  TAKE_NOTHING,
  TAKE_RAW,
  textTo,
} from "./json-terms";
import {
  API_ANTHROPIC_MESSAGES,
  API_OPENAI_CHAT,
  API_OPENAI_COMPLETIONS,
  API_OPENAI_CONVERSATIONS,
  API_OPENAI_EMBEDDINGS,
  API_OPENAI_IMAGES,
  API_OPENAI_RESPONSES,
  API_SGLANG_GENERATE,
  API_VLLM_GENERATE,
} from "./layout";

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
      return messageAction(api, key, kind);
    case CONTEXT_CONTENT:
      return enter(KIND_OBJECT, kind, CONTEXT_CONTENT_PART);
    case CONTEXT_CONTENT_PART:
      return contentPartAction(key, kind);
    case CONTEXT_IMAGE_LINK:
      return key == KEY_URL ? textTo(kind, SINK_IMAGE_URL) : TAKE_NOTHING;
    case CONTEXT_VIDEO_LINK:
      return key == KEY_URL ? textTo(kind, SINK_VIDEO) : TAKE_NOTHING;
    case CONTEXT_AUDIO_LINK:
      return key == KEY_URL ? textTo(kind, SINK_AUDIO) : TAKE_NOTHING;
    case CONTEXT_INPUT_AUDIO:
      if (key == KEY_DATA) return textTo(kind, SINK_AUDIO);
      return key == KEY_FORMAT ? textTo(kind, SINK_AUDIO_FORMAT) : TAKE_NOTHING;
    case CONTEXT_IMAGE_SOURCE:
      if (key == KEY_DATA) return textTo(kind, SINK_IMAGE_DATA);
      return key == KEY_URL ? textTo(kind, SINK_IMAGE_URL) : TAKE_NOTHING;
    case CONTEXT_PROMPTS:
      return promptsAction(kind);
    case CONTEXT_TOKEN_IDS:
      return kind == KIND_NUMBER ? SINK_TOKEN_ID : TAKE_NOTHING;
    case CONTEXT_ITEMS:
      return COUNTS_MESSAGE | TAKE_RAW;
    case CONTEXT_SAMPLING:
      return samplingAction(api, key, kind);
    case CONTEXT_SYSTEM:
      return enter(KIND_OBJECT, kind, CONTEXT_SYSTEM_BLOCK);
    case CONTEXT_SYSTEM_BLOCK:
      return systemBlockAction(key, kind);
    case CONTEXT_BLOCKS:
      return enter(KIND_OBJECT, kind, CONTEXT_BLOCK);
    case CONTEXT_BLOCK:
      return blockAction(key, kind);
    case CONTEXT_RESULT_BLOCKS:
      return enter(KIND_OBJECT, kind, CONTEXT_RESULT_BLOCK);
    case CONTEXT_RESULT_BLOCK:
      return resultBlockAction(key, kind);
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
  }
  switch (api) {
    case API_OPENAI_CHAT:
      return chatAction(key, kind);
    case API_OPENAI_COMPLETIONS:
      return key == KEY_PROMPT ? textOrList(kind) : capAction(key, kind);
    case API_OPENAI_EMBEDDINGS:
      return key == KEY_INPUT ? textOrList(kind) : TAKE_NOTHING;
    case API_OPENAI_RESPONSES:
      return responsesAction(key, kind);
    case API_OPENAI_CONVERSATIONS:
      return conversationsAction(key, kind);
    case API_OPENAI_IMAGES:
      return key == KEY_PROMPT ? field(FIELD_PROMPT, kind, KIND_STRING, SINK_TEXT) : TAKE_NOTHING;
    case API_ANTHROPIC_MESSAGES:
      return anthropicAction(key, kind);
    case API_VLLM_GENERATE:
      if (key == KEY_TOKEN_IDS) return field(FIELD_PROMPT, kind, KIND_ARRAY, CONTEXT_TOKEN_IDS);
      return key == KEY_SAMPLING_PARAMS
        ? lenientField(FIELD_MAX_TOKENS, kind, KIND_OBJECT, CONTEXT_SAMPLING)
        : TAKE_NOTHING;
    case API_SGLANG_GENERATE:
      return sglangAction(key, kind);
    default:
      return TAKE_NOTHING;
  }
}

/** A message of OpenAI's or Anthropic's chat: what its lists of content hold is each API's own. */
function messageAction(api: u32, key: u32, kind: u32): u32 {
  if (key != KEY_ROLE && key != KEY_CONTENT) return TAKE_NOTHING;
  if (kind == KIND_STRING) return SINK_TEXT;
  if (key != KEY_CONTENT || kind != KIND_ARRAY) return TAKE_NOTHING;
  return api == API_ANTHROPIC_MESSAGES ? CONTEXT_BLOCKS : CONTEXT_CONTENT;
}

/** SGLang's own API: text or token ids, one prompt or a batch. Unused ones of its fields are often sent as null. */
function sglangAction(key: u32, kind: u32): u32 {
  switch (key) {
    case KEY_INPUT_IDS:
    case KEY_TEXT:
      return kind == KIND_NULL ? TAKE_NOTHING : textOrList(kind);
    case KEY_EXTRA_KEY:
      return kind == KIND_NULL ? TAKE_NOTHING : lenientField(FIELD_SALT, kind, KIND_STRING, SINK_SALT);
    case KEY_SAMPLING_PARAMS:
      return lenientField(FIELD_MAX_TOKENS, kind, KIND_OBJECT, CONTEXT_SAMPLING);
    default:
      return TAKE_NOTHING;
  }
}

/** The output cap where it stands among the sampling parameters. */
function samplingAction(api: u32, key: u32, kind: u32): u32 {
  const isCap = key == (api == API_SGLANG_GENERATE ? KEY_MAX_NEW_TOKENS : KEY_MAX_TOKENS);
  return isCap ? lenientField(FIELD_MAX_TOKENS, kind, KIND_NUMBER, SINK_MAX_TOKENS) : TAKE_NOTHING;
}

/** A prompt as one text, or as a list of texts, of token ids or of lists of token ids. */
function textOrList(kind: u32): u32 {
  if (kind == KIND_ARRAY) return field(FIELD_PROMPT, kind, KIND_ARRAY, CONTEXT_PROMPTS);
  return field(FIELD_PROMPT, kind, KIND_STRING, SINK_TEXT);
}

function capAction(key: u32, kind: u32): u32 {
  return key == KEY_MAX_TOKENS ? lenientField(FIELD_MAX_TOKENS, kind, KIND_NUMBER, SINK_MAX_TOKENS) : TAKE_NOTHING;
}
