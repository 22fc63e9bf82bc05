/**
 * What the body scanner must find, by slow and obvious means: JSON.parse decides what is JSON and unescapes every
 * string, TextEncoder makes the bytes, the BigInt XXH64 makes the ids. Positions, order of arrival, duplicate keys and
 * numbers as they were written, which JSON.parse forgets, come from a tree over the tokens of a text that JSON.parse
 * has accepted.
 */
import { layout } from "../../src/wasm/layout.ts";
import { apiParts } from "./api-parts.ts";
import {
  byteOffset,
  type JsonNode,
  lastMember,
  membersOf,
  type ObjectNode,
  parseTree,
  type StringNode,
  textBytes,
} from "./json-tree.ts";
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
  /** Undefined when there is none. */
  readonly system: readonly string[] | undefined;
  /** Ids of all prompts, one after another. */
  readonly prompt: readonly string[];
  /** Ids before the second prompt, the third, …; undefined when there is only one. */
  readonly breaks: readonly number[] | undefined;
}

export type ScanOutcome =
  | { readonly result: number; readonly facts: ScanFacts }
  | { readonly result: number; readonly offset: number };

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
  const parts = apiParts(api, root);
  for (const { at } of parts.wrongTypes) refuse(layout.SCAN_WRONG_TYPE, at);
  const models = membersOf(root).flatMap(([key, value]) => (key === "model" ? [value] : []));
  refuseLong(models, layout.MODEL_SIZE_MAX, (at) => refuse(layout.SCAN_MODEL_TOO_LONG, at));
  refuseLong(parts.salts, layout.SALT_SIZE_MAX, (at) => refuse(layout.SCAN_SALT_TOO_LONG, at));
  const model = models.at(-1);
  const salt = parts.salts.at(-1);
  const stream = lastMember(root, "stream");
  const idsOf = (bytes: Buffer): string[] => blockIds(bytes, blockSize).map((id) => id.toString(16).padStart(16, "0"));
  const prompts = parts.prompts.slice(0, layout.PROMPTS_MAX).map(idsOf);
  const ends = prompts.map((_, index) => prompts.slice(0, index + 1).flat().length);
  return {
    model: model?.kind === "string" ? textBytes(model.text).toString("utf8") : undefined,
    modelSpan: model?.kind === "string" ? insideSpan(source, model) : undefined,
    salt: salt?.kind === "string" ? textBytes(salt.text).toString("utf8") : "",
    isStream: stream?.kind === "scalar" && stream.raw === "true",
    outputCap: parts.outputCap,
    messageCount: parts.messageCount,
    hasPrompt: parts.messageCount > 0 || parts.prompts.length > 0,
    hasTools: parts.tools.length > 0,
    promptSize: [parts.tools, parts.system, ...parts.prompts].reduce((size, { length }) => size + length, 0),
    tools: idsOf(parts.tools),
    system: parts.system.length === 0 ? undefined : idsOf(parts.system),
    prompt: prompts.flat(),
    breaks: prompts.length < 2 ? undefined : ends.slice(0, -1),
  };
}

function refuseLong(values: readonly JsonNode[], sizeMax: number, refuse: (at: number) => void): void {
  for (const value of values) if (value.kind === "string" && textBytes(value.text).length > sizeMax) refuse(value.at);
}

function insideSpan(source: string, node: StringNode): readonly [number, number] {
  return [byteOffset(source, node.at + 1), byteOffset(source, node.at + node.raw.length - 1)];
}
