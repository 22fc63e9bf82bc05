/**
 * Bodies of every API for the scanner's tests: small tricky ones, and a generator that fills the API's fields with what
 * belongs there, with what does not, twice, in any order, and with the fields of other APIs between them.
 */
import type { Prng } from "../../src/base/prng.ts";
import { layout } from "../../src/wasm/layout.ts";
import { dataUrl, gif, jpeg, png } from "./images.ts";
import { array, NUMBERS, pick, randomString, randomValue, space, writeString } from "./json-bodies.ts";

export const JSON_APIS: readonly (readonly [name: string, api: number])[] = [
  ["chat", layout.API_OPENAI_CHAT],
  ["completions", layout.API_OPENAI_COMPLETIONS],
  ["embeddings", layout.API_OPENAI_EMBEDDINGS],
  ["responses", layout.API_OPENAI_RESPONSES],
  ["conversations", layout.API_OPENAI_CONVERSATIONS],
  ["images", layout.API_OPENAI_IMAGES],
  ["anthropic", layout.API_ANTHROPIC_MESSAGES],
  ["vllm", layout.API_VLLM_GENERATE],
  ["sglang", layout.API_SGLANG_GENERATE],
];

const SMALL_PNG = dataUrl("png", png(64, 48));

/** One body for each thing that a cut could break. Read under every API; the one it is made for gets the most of it. */
export const TRICKY_API_BODIES: readonly string[] = [
  `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"${SMALL_PNG}"}},{"text":"abc"}]}]}`,
  `{"messages":[{"content":[{"text":"abc"},{"image_url":"http://x/y.png"},{"video_url":{"url":"v"}},{"text":"d"}]}]}`,
  `{"messages":[{"content":[{"input_audio":{"format":"wav","data":"UklGRg=="}},{"audio_url":{"url":"http://a"}}]}]}`,
  `{"messages":[{"content":[{"image_url":{"url":"one","url":"tw\\u006f"}},{"image_url":{}},{"image_url":""}]}]}`,
  `{"system":"x-anthropic-billing-header: a","messages":[{"role":"user","content":"hi"}]}`,
  `{"system":[{"text":"x-anthropic-billing-heade"},{"text":"x-anthropic-billing-header"},{"text":"x-anth\\u0072o"}]}`,
  `{"system":"x-\\u0061nthropic-billing-header","tools":[{"name":"t"}],"max_tokens":5}`,
  `{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"f","input":{"a": [1, "\\n"]}}]}]}`,
  `{"messages":[{"content":[{"tool_use_id":"t1","content":[{"text":"r"},{"source":{"data":"aGk="}}]}]}]}`,
  `{"messages":[{"content":[{"thinking":"hm"},{"source":{"data":"${gif(40, 40).toString("base64")}"}}]}]}`,
  `{"messages":[{"content":[{"content":[{"content":[{"text":"too deep"}],"text":"ok"}]}]}]}`,
  `{"input":["one","","tw\\u006f",[1,2],3,4,"five"],"model":"m"}`,
  `{"input":"text","instructions":{"a":1},"tools":[],"max_output_tokens":7}`,
  `{"input":[{"role":"user","content":"hi"}],"instructions":null,"stream":true}`,
  `{"items":[{"type":"message","content":[ {"text":"x"} ]},7,null,"s"],"cache_salt":"s"}`,
  `{"prompt":["a",[1,2],"b"],"max_tokens":3}`,
  `{"prompt":"a red car","n":2}`,
  `{"token_ids":[1,22,333],"sampling_params":{"max_tokens":9,"max_new_tokens":8},"cache_salt":"c"}`,
  `{"input_ids":[[1,2],[3]],"text":null,"extra_key":"k","sampling_params":{"max_new_tokens":9}}`,
  `{"text":["a","b"],"extra_key":["k"],"sampling_params":[{"max_new_tokens":9}]}`,
  `{"text":"first","input_ids":[5],"extra_key":null,"cache_salt":"s"}`,
  `{"messages":[{"content":[{"image_url":{"url":"${dataUrl("jpeg", jpeg(320, 200, [Buffer.alloc(40, 7)]))}"}}]}]}`,
];

const BODY_KEYS = [
  ..."model stream cache_salt extra_key max_tokens max_completion_tokens max_output_tokens".split(" "),
  ..."messages tools system prompt input instructions items token_ids input_ids text sampling_params".split(" "),
  ..."max_new_tokens features temperature metadata __proto__ constructor".split(" "),
  "",
];
const PART_KEYS = [
  ..."type text image_url video_url audio_url input_audio source thinking signature id name input content".split(" "),
  "cache_control",
];

/** Fields that a body of the API should mostly have. */
const OWN_KEYS: ReadonlyMap<number, readonly string[]> = new Map<number, readonly string[]>([
  [layout.API_OPENAI_CHAT, ["messages", "tools", "max_completion_tokens"]],
  [layout.API_OPENAI_COMPLETIONS, ["prompt", "max_tokens"]],
  [layout.API_OPENAI_EMBEDDINGS, ["input"]],
  [layout.API_OPENAI_RESPONSES, ["input", "instructions", "tools", "max_output_tokens"]],
  [layout.API_OPENAI_CONVERSATIONS, ["items"]],
  [layout.API_OPENAI_IMAGES, ["prompt"]],
  [layout.API_ANTHROPIC_MESSAGES, ["messages", "system", "tools", "max_tokens"]],
  [layout.API_VLLM_GENERATE, ["token_ids", "sampling_params"]],
  [layout.API_SGLANG_GENERATE, ["input_ids", "text", "extra_key", "sampling_params"]],
]);

/** A random body of at most some hundred bytes. One in `wrongOneIn` values is of any kind. */
export function randomApiBody(prng: Prng, api: number, wrongOneIn = 12): string {
  const own = OWN_KEYS.get(api) ?? [];
  const keys = (): string => (own.length > 0 && prng.nextBelow(2) === 0 ? pick(prng, own) : pick(prng, BODY_KEYS));
  const value = (key: string): string =>
    prng.nextBelow(wrongOneIn) === 0 ? randomValue(prng, 3) : fieldValue(prng, api, key);
  return members(prng, 6, keys, value);
}

function fieldValue(prng: Prng, api: number, key: string): string {
  const isBatch = api !== layout.API_OPENAI_RESPONSES && api !== layout.API_OPENAI_IMAGES;
  switch (key) {
    case "messages":
      return array(prng, 3, () => members(prng, 3, () => pick(prng, ["role", "content", "name"]), messageValue(prng)));
    case "system":
      return prng.nextBelow(2) === 0 ? systemText(prng) : array(prng, 3, () => `{"text":${systemText(prng)}}`);
    case "prompt":
    case "input":
    case "text":
      return isBatch ? randomPrompts(prng) : randomString(prng);
    case "input_ids":
      return prng.nextBelow(2) === 0 ? tokenIds(prng) : array(prng, 3, () => tokenIds(prng));
    case "token_ids":
      return tokenIds(prng);
    case "sampling_params":
      return members(
        prng,
        3,
        () => pick(prng, ["max_tokens", "max_new_tokens", "n"]),
        () => pick(prng, NUMBERS),
      );
    case "items":
    case "tools":
      return array(prng, 3, () => randomValue(prng, 2));
    case "model":
    case "cache_salt":
    case "extra_key":
      return randomString(prng);
    case "stream":
      return pick(prng, ["true", "false"]);
    default:
      return key.startsWith("max_") ? pick(prng, NUMBERS) : randomValue(prng, 3);
  }
}

function messageValue(prng: Prng): (key: string) => string {
  return (key) => {
    if (key !== "content" || prng.nextBelow(3) === 0) return randomString(prng);
    return array(prng, 3, () => randomPart(prng, 2));
  };
}

function randomPart(prng: Prng, depth: number): string {
  return members(
    prng,
    3,
    () => pick(prng, PART_KEYS),
    (key) => {
      if (prng.nextBelow(12) === 0) return randomValue(prng, 2);
      switch (key) {
        case "image_url":
        case "video_url":
        case "audio_url":
          if (prng.nextBelow(4) === 0) return randomContent(prng);
          return members(
            prng,
            2,
            () => pick(prng, ["url", "url", "detail"]),
            () => randomContent(prng),
          );
        case "input_audio":
        case "source":
          return members(
            prng,
            3,
            () => pick(prng, ["data", "format", "media_type", "url"]),
            () => randomContent(prng),
          );
        case "input":
          return randomValue(prng, 2);
        case "content":
          return depth === 0 ? randomString(prng) : array(prng, 2, () => randomPart(prng, depth - 1));
        default:
          return randomString(prng);
      }
    },
  );
}

/** A URL, a data URL with an image that may be cut, or bare base64, as a string literal. */
function randomContent(prng: Prng): string {
  const [width, height] = [prng.nextBelow(300), prng.nextBelow(300)];
  const segments = Array.from({ length: prng.nextBelow(3) }, () => Buffer.alloc(prng.nextBelow(30), 0xff));
  const file = pick(prng, [png(width, height), gif(width, height), jpeg(width, height, segments)]);
  const cut = file.subarray(0, prng.nextBelow(3) === 0 ? prng.nextBelow(file.length) : file.length);
  const text = pick(prng, [
    "http://images/1.png",
    dataUrl("png", cut),
    `data:image/x;charset=base64;base6base64,${cut.toString("base64")}`,
    cut.toString("base64"),
    `data:video/mp4;base64,${cut.toString("base64")}`,
    `${cut.toString("base64")}*`,
    "",
  ]);
  return writeString(prng, text);
}

function systemText(prng: Prng): string {
  const mark = "x-anthropic-billing-header";
  const size = pick(prng, [0, 1, 15, 16, 17, mark.length - 1, mark.length]);
  return writeString(prng, `${mark.slice(0, size)}${pick(prng, ["", "-", " more ", "plain text ".repeat(8)])}`);
}

function randomPrompts(prng: Prng): string {
  switch (prng.nextBelow(4)) {
    case 0:
      return randomString(prng);
    case 1:
      return tokenIds(prng);
    default:
      return array(prng, 5, () => pick(prng, [randomString(prng), tokenIds(prng), pick(prng, NUMBERS)]));
  }
}

function tokenIds(prng: Prng): string {
  return array(prng, 8, () => pick(prng, NUMBERS));
}

function members(prng: Prng, countMax: number, key: () => string, value: (key: string) => string): string {
  const written = Array.from({ length: prng.nextBelow(countMax + 1) }, () => {
    const name = key();
    return `${space(prng)}${writeString(prng, name)}${space(prng)}:${space(prng)}${value(name)}${space(prng)}`;
  });
  return `{${written.join(",")}${written.length === 0 ? space(prng) : ""}}`;
}
