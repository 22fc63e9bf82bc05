/**
 * Token usage of a response, found in the bytes at its end: engines write it after the text, in JSON as in the last
 * events of a stream, so the rest of a response is never parsed. A bounded tail is kept; nothing else is.
 *
 *   … "choices":[…],"usage":{"prompt_tokens":7,…}}            JSON
 *   data: {…"usage":{"prompt_tokens":7,…}}\n\ndata: [DONE]    events, however they are cut
 */
import { ResponseTail } from "./response-tail.ts";

/** Tokens of one exchange. Undefined where the engine says nothing. */
export interface Usage {
  readonly promptTokens: number | undefined;
  readonly completionTokens: number | undefined;
  readonly totalTokens: number | undefined;
  /** Prompt tokens that the engine found in its cache. */
  readonly cachedTokens: number | undefined;
}

/** Bytes kept from a response's end. A usage object has some 300; what follows it in known formats is below 4 KiB. */
const USAGE_TAIL_SIZE_MAX = 16_384;
/** Of these the last ones are looked at first. */
const USAGE_END_SIZE = 2_048;
/** A larger object under the name of usage is none. */
const USAGE_OBJECT_SIZE_MAX = 4_096;

/** How the responses of an API say what they cost. */
export interface UsageFormat {
  /** For one response. */
  open(): UsageReader;
}

export interface UsageReader {
  push(piece: Buffer): void;
  /** The usage in what was pushed; undefined when there is none. */
  read(isEventStream: boolean): Usage | undefined;
}

/** A JSON object near the end of the response. */
export interface JsonUsageFormat extends UsageFormat {
  /** Key of the object, as it stands in the bytes. */
  readonly key: string;
}

/** OpenAI's APIs, vLLM's and those that follow them. */
export const USAGE_OBJECT: JsonUsageFormat = jsonFormat('"usage"', { isInHead: false });
/** Anthropic's messages: input in `message_start`, output in `message_delta`. */
export const USAGE_OBJECT_IN_HEAD: JsonUsageFormat = jsonFormat('"usage"', { isInHead: true });
/** SGLang's own API. */
export const META_INFO: JsonUsageFormat = jsonFormat('"meta_info"', { isInHead: false });

/** `isInHead`: the first event of a stream has it, too (Anthropic says there what the prompt cost). */
function jsonFormat(key: string, { isInHead }: { readonly isInHead: boolean }): JsonUsageFormat {
  return {
    key,
    open: () => new JsonUsageReader(key, isInHead),
  };
}

class JsonUsageReader implements UsageReader {
  readonly #key: string;
  readonly #isInHead: boolean;
  readonly #tail = new ResponseTail(USAGE_TAIL_SIZE_MAX);
  #head: Buffer | undefined;

  constructor(key: string, isInHead: boolean) {
    this.#key = key;
    this.#isInHead = isInHead;
  }

  push(piece: Buffer): void {
    if (this.#isInHead && piece.length > 0) this.#head ??= Buffer.from(piece.subarray(0, USAGE_TAIL_SIZE_MAX));
    this.#tail.push(piece);
  }

  read(isEventStream: boolean): Usage | undefined {
    const atEnd = findAtEnd(this.#tail, this.#key);
    if (this.#head === undefined || !isEventStream) return atEnd;
    return mergeUsage(findUsage(this.#head, { key: this.#key }), atEnd);
  }
}

/** Looks where the usage nearly always stands first: the whole tail may have to be put together. */
function findAtEnd(tail: ResponseTail, key: string): Usage | undefined {
  const end = tail.last(USAGE_END_SIZE);
  // Whether what stands at its first byte is escaped cannot be seen here, and may be in the whole tail.
  return findFrom(end, key, 1) ?? findFrom(tail.last(), key, 0);
}

/** The usage in the bytes; of several objects the last one counts. Undefined when there is none. */
export function findUsage(bytes: Buffer, { key }: { readonly key: string }): Usage | undefined {
  return findFrom(bytes, key, 0);
}

/** As `findUsage`, of the objects whose key begins at `first` or later. */
function findFrom(bytes: Buffer, key: string, first: number): Usage | undefined {
  // The search goes by the last byte of what is looked for. A quote is everywhere in JSON, and an "e" in text: the
  // search for all of `"usage"` in 16 KiB of events took 90 µs, for this it takes 1 to 4.
  const needle = key.slice(0, -2);
  for (let at = bytes.lastIndexOf(needle); at >= first; at = at === 0 ? -1 : bytes.lastIndexOf(needle, at - 1)) {
    // Inside of a text the quote is escaped.
    if (at > 0 && bytes[at - 1] === BACKSLASH) continue;
    if (!hasAt(bytes, key, at)) continue;
    const object = readObject(bytes, at + key.length);
    if (object !== undefined) return readUsage(object);
  }
  return undefined;
}

/** Whether the ASCII text stands at `at`. */
function hasAt(bytes: Buffer, text: string, at: number): boolean {
  for (let index = 0; index < text.length; index++) if (bytes[at + index] !== text.charCodeAt(index)) return false;
  return true;
}

/** Values of `later` where it has any, else of `earlier`. */
export function mergeUsage(earlier: Usage | undefined, later: Usage | undefined): Usage | undefined {
  if (earlier === undefined || later === undefined) return later ?? earlier;
  const promptTokens = later.promptTokens ?? earlier.promptTokens;
  const completionTokens = later.completionTokens ?? earlier.completionTokens;
  return {
    promptTokens,
    completionTokens,
    totalTokens: later.totalTokens ?? sum(promptTokens, completionTokens) ?? earlier.totalTokens,
    cachedTokens: later.cachedTokens ?? earlier.cachedTokens,
  };
}

function readUsage(object: Readonly<Record<string, unknown>>): Usage {
  const promptTokens = count(object["prompt_tokens"] ?? object["input_tokens"]);
  const completionTokens = count(object["completion_tokens"] ?? object["output_tokens"]);
  const details = object["prompt_tokens_details"] ?? object["input_tokens_details"];
  const cached = isRecord(details) ? details["cached_tokens"] : undefined;
  return {
    promptTokens,
    completionTokens,
    totalTokens: count(object["total_tokens"]) ?? sum(promptTokens, completionTokens),
    cachedTokens: count(cached ?? object["cache_read_input_tokens"] ?? object["cached_tokens"]),
  };
}

/** The JSON object after a colon at `from`; undefined when something else, or less than an object, follows. */
function readObject(bytes: Buffer, from: number): Readonly<Record<string, unknown>> | undefined {
  let start = skipSpace(bytes, from);
  if (bytes[start] !== COLON) return undefined;
  start = skipSpace(bytes, start + 1);
  if (bytes[start] !== OPEN) return undefined;
  const end = findObjectEnd(bytes, start);
  if (end === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(bytes.toString("utf8", start, end));
    return isRecord(parsed) ? parsed : undefined;
  } catch {
    // Not JSON: then it is no usage either, and an earlier object may be one.
    return undefined;
  }
}

/** The offset after the brace that closes the object at `start`. */
function findObjectEnd(bytes: Buffer, start: number): number | undefined {
  const limit = Math.min(bytes.length, start + USAGE_OBJECT_SIZE_MAX);
  let depth = 0;
  let isQuoted = false;
  for (let at = start; at < limit; at++) {
    const byte = bytes[at];
    if (isQuoted) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) isQuoted = false;
    } else if (byte === QUOTE) isQuoted = true;
    else if (byte === OPEN) depth++;
    else if (byte === CLOSE && --depth === 0) return at + 1;
  }
  return undefined;
}

function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  while (at < bytes.length && (bytes[at] as number) <= SPACE) at++;
  return at;
}

function sum(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one + other;
}

function count(value: unknown): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const SPACE = 0x20;
const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;
