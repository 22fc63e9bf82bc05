/**
 * Bodies for the scanner's tests: a corpus of small tricky ones, and a generator that writes JSON as careless and as
 * cunning clients do (any order, white space anywhere, needless escapes, duplicate keys, wrong types, odd numbers).
 */
import type { Prng } from "../../src/base/prng.ts";

/** Each exercises something that a cut inside it could break. Valid JSON unless said otherwise by its name's end. */
export const TRICKY_BODIES: readonly string[] = [
  "{}",
  " \t\r\n{ } \n",
  `{"model":"m","messages":[{"role":"user","content":"hello"}]}`,
  `{"m\\u006fd\\u0065l":"a\\/b\\u00e9\\ud83d\\ude00\\n","cache_salt":"\\ud83d"}`,
  `{"messages":[{"content":"\\ud83d\\ude00\\ud83d\\ud83d\\ude00x\\ude00\\ud83d\\n\\ud83d"}]}`,
  `{"messages":[{"content":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u007f\\u0080\\u07ff\\u0800\\uD7FF\\uE000\\uFFFF"}]}`,
  `{"messages":[{"content":"\\u65e5\\u672c\\u8a9e\\u65e5\\u672c\\u00e9\\n\\t\\ud83d\\ude00\\ud83d\\ude00"}]}`,
  `{"messages":[{"content":"Aé€😀日本語ÿ"},{"role":"\u007f"}]}`,
  `{"messages":[{"content":"${"x".repeat(63)}\\n${"y".repeat(64)}"},{"content":"z"}]}`,
  `{"messages":[{"content":[{"type":"text","text":"a"},{"image_url":{"url":"u","detail":"d"}}]}]}`,
  `{"messages":[{"content":[{"type":"text","text":"a"},{"input_audio":{"data":"d"}}]}]}`,
  `{"messages":[{"content":"dropped"}],"messages":[{"content":"kept"},null],"stream":true,"stream":false}`,
  `{"tools":[{"a":[1,-2.5e+10,0.0,true,false,null],"b":{"c":""}}],"messages":[]}`,
  `{ "tools" : [ 1 , "\\u00e9\\"" ] , "tools" : null , "model" : null }`,
  `{"tools":-0.5E-3,"tools":"s","tools":false,"tools":12}`,
  `{"max_tokens":123,"max_completion_tokens":4294967296,"stream":true}`,
  `{"max_tokens":-1,"max_tokens":1.5,"max_completion_tokens":1e3,"max_tokens":0}`,
  `{"max_completion_tokens":12,"max_tokens":7,"max_completion_tokens":null}`,
  `{"prompt":[1,22, 333,  4,-5,0,6.0,1e2,4294967295]}`,
  `{"prompt":[-123,45, -678,9]}`,
  `{"prompt":[[1,2],[],[3, 44]],"max_tokens":1}`,
  `{"prompt":"${"0123456789".repeat(13)}"}`,
  `{"prompt":["a","\\u0062",["no"],null,{"x":[]},"c"]}`,
  `{"a":{"b":[[{"c":[[]]},[{}]],{"d":{}}]},"":[],"model":"end"}`,
  `{"${"k".repeat(31)}":1,"${"k".repeat(32)}":2,"${"k".repeat(33)}":3,"max_completion_tokens":4,"image_url":5}`,
  `{"model${"k".repeat(40)}":"no","max_tokens${"\\u0061".repeat(30)}":1}`,
  `{"a":0,"b":-0,"c":10,"d":1.25,"e":1E5,"f":1e-5,"g":1.5e+5}`,
  `{"model":"${"m".repeat(40)}\\u00e9${"n".repeat(40)}","model":"last"}`,
  // Refused ones: the refusal, too, must not depend on where the body is cut.
  `{"model":7}`,
  `{"messages":{"role":"a"}}`,
  `{"messages":[{"content":"a\\x"}]}`,
  `{"messages":[{"content":"\\ud83d\\u12x4"}]}`,
  `{"a":truth}`,
  `{"a":01}`,
  `{"a":1.}`,
  `{"model":"m"}}`,
  `[{"model":"m"}]`,
  `{"model":"${"\\u00e9".repeat(129)}"}`,
  `{"a":"x\u0001y"}`,
  `{"a":[1,2`,
];

const KEYS = [
  ..."model stream max_tokens max_completion_tokens cache_salt tools messages prompt".split(" "),
  ..."role content text image_url video_url audio_url input_audio url data".split(" "),
  ..."name tool_calls temperature mod models __proto__ a".split(" "),
  "",
];
export const NUMBERS: readonly string[] =
  "0 -0 7 64 4096 4294967295 4294967296 99999999999999999999 -3 1.5 0.25 1e5 2E-3 -1.0e+2".split(" ");

/** A random body of at most a few hundred bytes: an object, or now and then something else. */
export function randomBody(prng: Prng): string {
  const roll = prng.nextBelow(40);
  if (roll === 0) return randomValue(prng, 2);
  return `${space(prng)}${object(prng, 7, (key) => randomField(prng, key))}${space(prng)}`;
}

/** The value of a field of the body: mostly of the kind that the field has. */
function randomField(prng: Prng, key: string): string {
  if (prng.nextBelow(8) === 0) return randomValue(prng, 2);
  switch (key) {
    case "messages":
      return array(prng, 4, () => object(prng, 3, (name) => randomMessageField(prng, name)));
    case "prompt":
      return randomPrompt(prng);
    case "model":
    case "cache_salt":
      return randomString(prng);
    case "max_tokens":
    case "max_completion_tokens":
      return pick(prng, NUMBERS);
    case "stream":
      return pick(prng, ["true", "false"]);
    default:
      return randomValue(prng, 3);
  }
}

function randomMessageField(prng: Prng, key: string): string {
  if (key === "content" && prng.nextBelow(3) === 0) {
    return array(prng, 3, () => object(prng, 3, (name) => randomPartField(prng, name)));
  }
  return key === "role" || key === "content" ? randomString(prng) : randomValue(prng, 2);
}

function randomPartField(prng: Prng, key: string): string {
  if (key.endsWith("_url") || key === "input_audio") return object(prng, 3, () => randomString(prng));
  return key === "text" ? randomString(prng) : randomValue(prng, 1);
}

function randomPrompt(prng: Prng): string {
  const tokenIds = (): string => array(prng, 12, () => pick(prng, NUMBERS));
  switch (prng.nextBelow(4)) {
    case 0:
      return array(prng, 4, () => randomString(prng));
    case 1:
      return tokenIds();
    case 2:
      return array(prng, 3, tokenIds);
    default:
      return randomString(prng);
  }
}

export function randomValue(prng: Prng, depth: number): string {
  switch (prng.nextBelow(depth > 0 ? 7 : 5)) {
    case 0:
      return pick(prng, NUMBERS);
    case 1:
      return pick(prng, ["true", "false", "null"]);
    case 2:
      return "null";
    case 3:
    case 4:
      return randomString(prng);
    case 5:
      return array(prng, 3, () => randomValue(prng, depth - 1));
    default:
      return object(prng, 3, () => randomValue(prng, depth - 1));
  }
}

function object(prng: Prng, countMax: number, value: (key: string) => string): string {
  const members = Array.from({ length: prng.nextBelow(countMax + 1) }, () => {
    const key = pick(prng, KEYS);
    return `${space(prng)}${writeString(prng, key)}${space(prng)}:${space(prng)}${value(key)}${space(prng)}`;
  });
  return members.length === 0 ? `{${space(prng)}}` : `{${members.join(",")}}`;
}

export function array(prng: Prng, countMax: number, item: () => string): string {
  const items = Array.from({ length: prng.nextBelow(countMax + 1) }, () => `${space(prng)}${item()}${space(prng)}`);
  return items.length === 0 ? `[${space(prng)}]` : `[${items.join(",")}]`;
}

export function space(prng: Prng): string {
  return prng.nextBelow(4) === 0 ? pick(prng, [" ", "  ", "\n", "\t", "\r\n", "\n    "]) : "";
}

export function randomString(prng: Prng): string {
  const pieces = Array.from({ length: prng.nextBelow(4) }, () => {
    switch (prng.nextBelow(6)) {
      case 0:
        return pick(prng, ["\n", '"', "\\", "\t\r\b\f", "/", "\0", "\u001f", "\u007f"]);
      case 1:
        return pick(prng, ["é", "€", "日本語", "😀", "\ud83d", "\ude00", "\ud83d\ud83d", "\uffff"]);
      case 2:
        return "plain text ".repeat(prng.nextBelow(12));
      default:
        return "abcdefghijklmnopqrstuvwxyz".slice(prng.nextBelow(26));
    }
  });
  return writeString(prng, pieces.join(""));
}

/** Writes a string literal; characters that need no escape are escaped now and then, in either case of hex digits. */
export function writeString(prng: Prng, text: string): string {
  const zeal = pick(prng, [0, 0, 8, 2]);
  let raw = "";
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    const isSurrogate = (unit & 0xf800) === 0xd800;
    if (isSurrogate || (zeal > 0 && prng.nextBelow(zeal) === 0)) {
      const digits = unit.toString(16).padStart(4, "0");
      raw += `\\u${prng.nextBelow(2) === 0 ? digits : digits.toUpperCase()}`;
    } else {
      raw += JSON.stringify(text[index]).slice(1, -1);
    }
  }
  return `"${raw}"`;
}

/** A copy with one byte changed, inserted or removed, or cut short: mostly no JSON any more, sometimes still. */
export function mutate(prng: Prng, body: Uint8Array): Uint8Array {
  const at = prng.nextBelow(body.length + 1);
  const byte = Buffer.from(
    pick(prng, ['"', "\\", "{", "}", "[", "]", ":", ",", "0", "-", ".", "e", "t", "u", " ", "\0", "\n", "\u007f"]),
  );
  const inserted = prng.nextBelow(5) === 0 ? Buffer.from([prng.nextBelow(256)]) : byte;
  switch (prng.nextBelow(4)) {
    case 0:
      return body.subarray(0, at);
    case 1:
      return Buffer.concat([body.subarray(0, at), inserted, body.subarray(at)]);
    case 2:
      return Buffer.concat([body.subarray(0, at), body.subarray(at + 1)]);
    default:
      return Buffer.concat([body.subarray(0, at), inserted, body.subarray(at + 1)]);
  }
}

export function pick<Item>(prng: Prng, items: readonly Item[]): Item {
  return items[prng.nextBelow(items.length)] as Item;
}
