/**
 * Names keys: the bytes of a key become one code, so that the grammar (`json-grammar.ts`) compares numbers. A new API
 * adds its keys here. Keys are compared unescaped, so "mod\u0065l" is KEY_MODEL, as it is for JSON.parse.
 */

const KEY_OTHER: u32 = 0;
export const KEY_MODEL: u32 = 1;
export const KEY_STREAM: u32 = 2;
export const KEY_MAX_TOKENS: u32 = 3;
export const KEY_MAX_COMPLETION_TOKENS: u32 = 4;
export const KEY_CACHE_SALT: u32 = 5;
export const KEY_TOOLS: u32 = 6;
export const KEY_MESSAGES: u32 = 7;
export const KEY_PROMPT: u32 = 8;
export const KEY_ROLE: u32 = 9;
export const KEY_CONTENT: u32 = 10;
export const KEY_TEXT: u32 = 11;
export const KEY_IMAGE_URL: u32 = 12;
export const KEY_VIDEO_URL: u32 = 13;
export const KEY_AUDIO_URL: u32 = 14;
export const KEY_INPUT_AUDIO: u32 = 15;
export const KEY_URL: u32 = 16;
export const KEY_DATA: u32 = 17;
export const KEY_FORMAT: u32 = 18;
export const KEY_INPUT: u32 = 19;
export const KEY_INSTRUCTIONS: u32 = 20;
export const KEY_MAX_OUTPUT_TOKENS: u32 = 21;
export const KEY_ITEMS: u32 = 22;
export const KEY_SYSTEM: u32 = 23;
export const KEY_THINKING: u32 = 24;
export const KEY_ID: u32 = 25;
export const KEY_NAME: u32 = 26;
export const KEY_SOURCE: u32 = 27;
export const KEY_TOKEN_IDS: u32 = 28;
export const KEY_INPUT_IDS: u32 = 29;
export const KEY_EXTRA_KEY: u32 = 30;
export const KEY_SAMPLING_PARAMS: u32 = 31;
export const KEY_MAX_NEW_TOKENS: u32 = 32;

/** The code of the key whose `size` bytes lie at `key`. At least 24 bytes are readable there, whatever the size. */
export function keyCode(key: usize, size: u32): u32 {
  const head = leadingBytes(load<u64>(key), size);
  switch (size) {
    case 2:
      if (head == 0x6469 /* id */) return KEY_ID;
      break;
    case 3:
      if (head == 0x6c7275 /* url */) return KEY_URL;
      break;
    case 4:
      if (head == 0x656c6f72 /* role */) return KEY_ROLE;
      if (head == 0x74786574 /* text */) return KEY_TEXT;
      if (head == 0x61746164 /* data */) return KEY_DATA;
      if (head == 0x656d616e /* name */) return KEY_NAME;
      break;
    case 5:
      if (head == 0x6c65646f6d /* model */) return KEY_MODEL;
      if (head == 0x736c6f6f74 /* tools */) return KEY_TOOLS;
      if (head == 0x7475706e69 /* input */) return KEY_INPUT;
      if (head == 0x736d657469 /* items */) return KEY_ITEMS;
      break;
    case 6:
      if (head == 0x6d6165727473 /* stream */) return KEY_STREAM;
      if (head == 0x74706d6f7270 /* prompt */) return KEY_PROMPT;
      if (head == 0x6d6574737973 /* system */) return KEY_SYSTEM;
      if (head == 0x656372756f73 /* source */) return KEY_SOURCE;
      if (head == 0x74616d726f66 /* format */) return KEY_FORMAT;
      break;
    case 7:
      if (head == 0x746e65746e6f63 /* content */) return KEY_CONTENT;
      break;
    case 8:
      if (head == 0x736567617373656d /* messages */) return KEY_MESSAGES;
      if (head == 0x676e696b6e696874 /* thinking */) return KEY_THINKING;
      break;
    default:
      return longKeyCode(key, size, head);
  }
  return KEY_OTHER;
}

/** Keys of more than 8 bytes: the first 8 in `head`, then the rest. */
function longKeyCode(key: usize, size: u32, head: u64): u32 {
  const rest = leadingBytes(load<u64>(key, 8), size - 8);
  switch (size) {
    case 9:
      if (head == 0x72755f6567616d69 /* image_ur */ && rest == 0x6c /* l */) return KEY_IMAGE_URL;
      if (head == 0x72755f6f65646976 /* video_ur */ && rest == 0x6c /* l */) return KEY_VIDEO_URL;
      if (head == 0x72755f6f69647561 /* audio_ur */ && rest == 0x6c /* l */) return KEY_AUDIO_URL;
      if (head == 0x64695f6e656b6f74 /* token_id */ && rest == 0x73 /* s */) return KEY_TOKEN_IDS;
      if (head == 0x64695f7475706e69 /* input_id */ && rest == 0x73 /* s */) return KEY_INPUT_IDS;
      if (head == 0x656b5f6172747865 /* extra_ke */ && rest == 0x79 /* y */) return KEY_EXTRA_KEY;
      break;
    case 10:
      if (head == 0x656b6f745f78616d /* max_toke */ && rest == 0x736e /* ns */) return KEY_MAX_TOKENS;
      if (head == 0x61735f6568636163 /* cache_sa */ && rest == 0x746c /* lt */) return KEY_CACHE_SALT;
      break;
    case 11:
      if (head == 0x75615f7475706e69 /* input_au */ && rest == 0x6f6964 /* dio */) return KEY_INPUT_AUDIO;
      break;
    case 12:
      if (head == 0x7463757274736e69 /* instruct */ && rest == 0x736e6f69 /* ions */) return KEY_INSTRUCTIONS;
      break;
    case 14:
      if (head == 0x5f77656e5f78616d /* max_new_ */ && rest == 0x736e656b6f74 /* tokens */) return KEY_MAX_NEW_TOKENS;
      break;
    case 15:
      if (head == 0x676e696c706d6173 /* sampling */ && rest == 0x736d617261705f /* _params */)
        return KEY_SAMPLING_PARAMS;
      break;
    case 17:
      if (head != 0x7074756f5f78616d /* max_outp */ || rest != 0x6e656b6f745f7475 /* ut_token */) break;
      if (leadingBytes(load<u64>(key, 16), 1) == 0x73 /* s */) return KEY_MAX_OUTPUT_TOKENS;
      break;
    case 21:
      if (head != 0x706d6f635f78616d /* max_comp */ || rest != 0x745f6e6f6974656c /* letion_t */) break;
      if (leadingBytes(load<u64>(key, 16), 5) == 0x736e656b6f /* okens */) return KEY_MAX_COMPLETION_TOKENS;
      break;
  }
  return KEY_OTHER;
}

/** The first `count` ≥ 1 bytes of a word, the others zero. */
function leadingBytes(word: u64, count: u32): u64 {
  return count >= 8 ? word : word & (((<u64>1) << ((<u64>count) << 3)) - 1);
}
