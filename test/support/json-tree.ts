/**
 * JSON as it was written: what JSON.parse forgets (positions, order of arrival, duplicate keys, how numbers are spelt)
 * in a tree over the tokens of a text that JSON.parse has accepted. For oracles of the body scanner.
 */
import { layout } from "../../src/wasm/layout.ts";

export interface StringNode {
  readonly kind: "string";
  readonly text: string;
  readonly raw: string;
  readonly at: number;
}
export interface ScalarNode {
  readonly kind: "scalar";
  readonly raw: string;
  readonly at: number;
}
export interface ArrayNode {
  readonly kind: "array";
  readonly items: readonly JsonNode[];
  readonly at: number;
}
export interface ObjectNode {
  readonly kind: "object";
  readonly entries: readonly (readonly [key: StringNode, value: JsonNode])[];
  readonly at: number;
}
export type JsonNode = StringNode | ScalarNode | ArrayNode | ObjectNode;

const encoder = new TextEncoder();

/** The tree of a text that JSON.parse has accepted. `tooDeep` is told of each bracket beyond the depth limit. */
export function parseTree(source: string, tooDeep: (at: number) => void): JsonNode {
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
  const parseValue = (depth: number): JsonNode => {
    const first = peek() as string;
    if (first.startsWith('"')) return parseString();
    const { raw, at } = take();
    if (raw !== "[" && raw !== "{") return { kind: "scalar", raw, at };
    if (depth >= layout.JSON_DEPTH_MAX) tooDeep(at);
    if (raw === "[") return { kind: "array", at, items: list("]", () => parseValue(depth + 1)) };
    const parseEntry = (): readonly [StringNode, JsonNode] => {
      const key = parseString();
      take();
      return [key, parseValue(depth + 1)];
    };
    return { kind: "object", at, entries: list("}", parseEntry) };
  };
  return parseValue(0);
}

/** Key and value of each member, in order; none when the node is no object. */
export function membersOf(node: JsonNode | undefined): readonly (readonly [key: string, value: JsonNode])[] {
  return node?.kind === "object" ? node.entries.map(([key, value]) => [key.text, value] as const) : [];
}

/** The last member with one of these keys, as JSON.parse would have it. */
export function lastMember(node: JsonNode | undefined, ...keys: readonly string[]): JsonNode | undefined {
  return membersOf(node).findLast(([key]) => keys.includes(key))?.[1];
}

export function itemsOf(node: JsonNode | undefined): readonly JsonNode[] {
  return node?.kind === "array" ? node.items : [];
}

export function isNull(node: JsonNode | undefined): boolean {
  return node?.kind === "scalar" && node.raw === "null";
}

/** A number that is written as digits only, at most 2^32 − 1. */
export function naturalNumber(node: JsonNode | undefined): number | undefined {
  if (node?.kind !== "scalar" || !/^\d+$/.test(node.raw)) return undefined;
  return Math.min(Number(node.raw), 0xffffffff);
}

/** No white space, strings unescaped between their quotes, everything else as it stands. */
export function canonicalJson(node: JsonNode): string {
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

/** UTF-8. A surrogate without its other half is U+FFFD. */
export function textBytes(text: string): Buffer {
  return Buffer.from(encoder.encode(text));
}

/** Offset in bytes of a character of the source. */
export function byteOffset(source: string, index: number): number {
  return encoder.encode(source.slice(0, index)).length;
}
