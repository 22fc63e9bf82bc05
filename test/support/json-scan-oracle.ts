/**
 * What the body scanner must find, by slow and obvious means: JSON.parse decides what is JSON and unescapes every
 * string, TextEncoder makes the bytes, the BigInt XXH64 makes the ids. Positions, order of arrival, duplicate keys and
 * numbers as they were written, which JSON.parse forgets, come from a tree over the tokens of a text that JSON.parse
 * has accepted.
 */
import { layout } from "../../src/wasm/layout.ts";
import { blockIds } from "./xxh64.ts";

/** What a scan says about a body. Ids in hex, so that a difference reads well. */
export interface ScanFacts {
  readonly model: string | undefined;
  /** Offsets of the inside of the model's string, undefined without a model. */
  readonly modelSpan: readonly [start: number, end: number] | undefined;
  readonly salt: string;
  readonly isStream: boolean;
  readonly outputCap: number | undefined;
  readonly messageCount: number;
  readonly hasPrompt: boolean;
  readonly hasTools: boolean;
  readonly promptSize: number;
  readonly tools: readonly string[];
  readonly prompt: readonly string[];
}

export type ScanOutcome =
  | { readonly result: number; readonly facts: ScanFacts }
  | { readonly result: number; readonly offset: number };

interface StringNode {
  readonly kind: "string";
  readonly text: string;
  readonly raw: string;
  readonly at: number;
}
interface ScalarNode {
  readonly kind: "scalar";
  readonly raw: string;
  readonly at: number;
}
interface ArrayNode {
  readonly kind: "array";
  readonly items: readonly Node[];
  readonly at: number;
}
interface ObjectNode {
  readonly kind: "object";
  readonly entries: readonly (readonly [key: StringNode, value: Node])[];
  readonly at: number;
}
type Node = StringNode | ScalarNode | ArrayNode | ObjectNode;

const encoder = new TextEncoder();

/** The outcome for a body that is well-formed UTF-8. Of a body that is not JSON it knows no more than that. */
export function expectedScan(body: Uint8Array, api: number, blockSize: number): ScanOutcome | "not JSON" {
  const source = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8");
  try {
    JSON.parse(source);
  } catch {
    return "not JSON";
  }
  const refusals: { result: number; at: number }[] = [];
  const root = parseTree(source, (at) => refusals.push({ result: layout.SCAN_TOO_DEEP, at }));
  if (root.kind !== "object") return { result: layout.SCAN_NOT_AN_OBJECT, offset: byteOffset(source, root.at) };
  const facts = readBody(root, api, blockSize, source, (result, at) => refusals.push({ result, at }));
  const [first] = refusals.sort((one, other) => one.at - other.at);
  if (first === undefined) return { result: layout.SCAN_DONE, facts };
  return { result: first.result, offset: byteOffset(source, first.at) };
}

function readBody(
  root: ObjectNode,
  api: number,
  blockSize: number,
  source: string,
  refuse: (result: number, at: number) => void,
): ScanFacts {
  const isChat = api === layout.API_OPENAI_CHAT;
  const promptKey = isChat ? "messages" : api === layout.API_OPENAI_COMPLETIONS ? "prompt" : undefined;
  for (const [key, value] of root.entries) {
    if (value.kind === "scalar" && value.raw === "null") continue;
    if (key.text === "model" || key.text === "cache_salt") {
      const isModel = key.text === "model";
      const sizeMax = isModel ? layout.MODEL_SIZE_MAX : layout.SALT_SIZE_MAX;
      if (value.kind !== "string") refuse(layout.SCAN_WRONG_TYPE, value.at);
      else if (encoder.encode(value.text).length > sizeMax)
        refuse(isModel ? layout.SCAN_MODEL_TOO_LONG : layout.SCAN_SALT_TOO_LONG, value.at);
    }
    if (key.text === "messages" && isChat && value.kind !== "array") refuse(layout.SCAN_WRONG_TYPE, value.at);
    if (key.text === "prompt" && promptKey === "prompt" && value.kind !== "array" && value.kind !== "string")
      refuse(layout.SCAN_WRONG_TYPE, value.at);
  }
  // JSON.parse: the last of several wins. Null stands for absent.
  const field = (name: string): Node | undefined => {
    const value = root.entries.findLast(([key]) => key.text === name)?.[1];
    return value?.kind === "scalar" && value.raw === "null" ? undefined : value;
  };
  const model = field("model");
  const salt = field("cache_salt");
  const stream = field("stream");
  const promptField = promptKey === undefined ? undefined : field(promptKey);
  const toolsField = isChat ? field("tools") : undefined;
  const tools = encoder.encode(toolsField === undefined ? "" : canonicalJson(toolsField));
  const prompt = isChat ? messageBytes(promptField) : promptBytes(promptField);
  const messageCount = isChat && promptField?.kind === "array" ? promptField.items.length : 0;
  const hex = (ids: readonly bigint[]): string[] => ids.map((id) => id.toString(16).padStart(16, "0"));
  return {
    model: model?.kind === "string" ? textBytes(model.text).toString("utf8") : undefined,
    modelSpan: model?.kind === "string" ? insideSpan(source, model) : undefined,
    salt: salt?.kind === "string" ? textBytes(salt.text).toString("utf8") : "",
    isStream: stream?.kind === "scalar" && stream.raw === "true",
    outputCap:
      (isChat ? naturalNumber(field("max_completion_tokens")) : undefined) ?? naturalNumber(field("max_tokens")),
    messageCount,
    hasPrompt: isChat ? messageCount > 0 : prompt.length > 0,
    hasTools: toolsField !== undefined,
    promptSize: tools.length + prompt.length,
    tools: hex(blockIds(tools, blockSize)),
    prompt: hex(blockIds(prompt, blockSize)),
  };
}

function messageBytes(messages: Node | undefined): Uint8Array {
  const pieces: string[] = [];
  const addString = (node: Node): void => {
    if (node.kind === "string") pieces.push(node.text);
  };
  const eachMember = (node: Node, take: (key: string, value: Node) => void): void => {
    if (node.kind === "object") for (const [key, value] of node.entries) take(key.text, value);
  };
  const addPart = (part: Node): void =>
    eachMember(part, (key, value) => {
      if (key === "text") addString(value);
      const link = { image_url: "url", video_url: "url", audio_url: "url", input_audio: "data" }[key];
      if (link !== undefined) eachMember(value, (name, inner) => (name === link ? addString(inner) : undefined));
    });
  const addMessage = (message: Node): void =>
    eachMember(message, (key, value) => {
      if (key === "role" || key === "content") addString(value);
      if (key === "content" && value.kind === "array") value.items.forEach(addPart);
    });
  if (messages?.kind === "array") messages.items.forEach(addMessage);
  return textBytes(...pieces);
}

function promptBytes(prompt: Node | undefined): Uint8Array {
  if (prompt?.kind === "string") return textBytes(prompt.text);
  if (prompt?.kind !== "array") return new Uint8Array();
  return Buffer.concat(
    prompt.items.map((item) => {
      if (item.kind === "string") return textBytes(item.text);
      return Buffer.concat((item.kind === "array" ? item.items : [item]).map(tokenIdBytes));
    }),
  );
}

function tokenIdBytes(node: Node): Uint8Array {
  const id = naturalNumber(node);
  if (id === undefined) return new Uint8Array();
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(id);
  return bytes;
}

/** A number that is written as digits only, at most 2^32 − 1. */
function naturalNumber(node: Node | undefined): number | undefined {
  if (node?.kind !== "scalar" || !/^\d+$/.test(node.raw)) return undefined;
  return Math.min(Number(node.raw), 0xffffffff);
}

/** No white space, strings unescaped between their quotes, everything else as it stands. */
function canonicalJson(node: Node): string {
  switch (node.kind) {
    case "string":
      return `"${node.text}"`;
    case "scalar":
      return node.raw;
    case "array":
      return `[${node.items.map(canonicalJson).join(",")}]`;
    case "object":
      return `{${node.entries.map(([key, value]) => `${canonicalJson(key)}:${canonicalJson(value)}`).join(",")}}`;
  }
}

/** Strings one by one: a lone surrogate at the end of one does not pair with the next one's beginning. */
function textBytes(...texts: readonly string[]): Buffer {
  return Buffer.concat(texts.map((text) => encoder.encode(text)));
}

function insideSpan(source: string, node: StringNode): readonly [number, number] {
  return [byteOffset(source, node.at + 1), byteOffset(source, node.at + node.raw.length - 1)];
}

function byteOffset(source: string, index: number): number {
  return encoder.encode(source.slice(0, index)).length;
}

/** The tree of a text that JSON.parse has accepted. `tooDeep` is told of each bracket beyond the depth limit. */
function parseTree(source: string, tooDeep: (at: number) => void): Node {
  const tokens = [...source.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+/gu)];
  let next = 0;
  const take = (): { raw: string; at: number } => {
    const token = tokens[next++] as RegExpExecArray;
    return { raw: token[0], at: token.index };
  };
  const peek = (): string | undefined => tokens[next]?.[0];
  const parseString = (): StringNode => {
    const { raw, at } = take();
    return { kind: "string", raw, at, text: JSON.parse(raw) as string };
  };
  /** The elements up to the closing bracket, which is taken too. */
  const list = <Item>(close: string, parseItem: () => Item): Item[] => {
    const items: Item[] = [];
    while (peek() !== close) {
      if (peek() === ",") take();
      items.push(parseItem());
    }
    take();
    return items;
  };
  const parseValue = (depth: number): Node => {
    const first = peek() as string;
    if (first.startsWith('"')) return parseString();
    const { raw, at } = take();
    if (raw !== "[" && raw !== "{") return { kind: "scalar", raw, at };
    if (depth >= layout.JSON_DEPTH_MAX) tooDeep(at);
    if (raw === "[") return { kind: "array", at, items: list("]", () => parseValue(depth + 1)) };
    const parseEntry = (): readonly [StringNode, Node] => {
      const key = parseString();
      take();
      return [key, parseValue(depth + 1)];
    };
    return { kind: "object", at, entries: list("}", parseEntry) };
  };
  return parseValue(0);
}
