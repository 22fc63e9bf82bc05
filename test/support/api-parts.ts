/**
 * Which bytes of a body belong to which part of the prompt, per API, by slow and obvious means: the reference that the
 * scanner's grammar is held against. Assets are in `asset-tokens.ts`.
 */
import { layout } from "../../src/wasm/layout.ts";
import { type AssetKind, assetTokens } from "./asset-tokens.ts";
import {
  canonicalJson,
  isNull,
  itemsOf,
  type JsonNode,
  lastMember,
  membersOf,
  naturalNumber,
  type ObjectNode,
  textBytes,
} from "./json-tree.ts";

export interface ApiParts {
  readonly tools: Buffer;
  readonly system: Buffer;
  /** Each prompt by itself; none of them empty. */
  readonly prompts: readonly Buffer[];
  /** Messages or items. */
  readonly messageCount: number;
  readonly outputCap: number | undefined;
  /** Fields whose kind makes the request meaningless. */
  readonly wrongTypes: readonly JsonNode[];
  /** Where the cache salt stands, those that are taken back included; the last one counts. */
  readonly salts: readonly JsonNode[];
}

const BILLING_MARK = "x-anthropic-billing-header";
const NOTHING = Buffer.alloc(0);

export function apiParts(api: number, body: ObjectNode): ApiParts {
  const reader = READERS.get(api) ?? {};
  const field = (...keys: readonly string[]): JsonNode | undefined => {
    const value = lastMember(body, ...keys);
    return isNull(value) ? undefined : value;
  };
  const prompt = reader.prompt?.value(body, field);
  const saltKeys = ["cache_salt", ...(reader.lenientSalt === undefined ? [] : [reader.lenientSalt])];
  return {
    tools: reader.hasTools === true ? rawBytes(field("tools")) : NOTHING,
    system: reader.system?.(field) ?? NOTHING,
    prompts: (prompt === undefined ? [] : (reader.prompt?.read(prompt) ?? [])).filter(({ length }) => length > 0),
    messageCount: reader.prompt?.isCounted === true ? itemsOf(prompt).length : 0,
    outputCap: reader.outputCap?.(field),
    wrongTypes: membersOf(body).flatMap(([key, value]) => {
      if (isNull(value)) return [];
      if (key === "model" || key === "cache_salt") return value.kind === "string" ? [] : [value];
      const kinds = reader.prompt?.kinds ?? {};
      return !Object.hasOwn(kinds, key) || kinds[key]?.includes(value.kind) === true ? [] : [value];
    }),
    salts: membersOf(body).flatMap(([key, value]) => {
      const isSalt = saltKeys.includes(key) && !(key === reader.lenientSalt && isNull(value));
      return isSalt ? [value] : [];
    }),
  };
}

type FieldOf = (...keys: readonly string[]) => JsonNode | undefined;

interface ApiReader {
  readonly prompt?: {
    /** Kinds that the fields of the prompt may have, null aside. */
    readonly kinds: Readonly<Record<string, readonly JsonNode["kind"][]>>;
    /** The field that counts, of those. */
    value(body: ObjectNode, field: FieldOf): JsonNode | undefined;
    read(value: JsonNode): readonly Buffer[];
    readonly isCounted?: boolean;
  };
  readonly hasTools?: boolean;
  system?(field: FieldOf): Buffer;
  outputCap?(field: FieldOf): number | undefined;
  /** Another key of the salt, which is ignored when it is null and no salt when it is no string. */
  readonly lenientSalt?: string;
}

const capOf =
  (key: string) =>
  (field: FieldOf): number | undefined =>
    naturalNumber(field(key));
const samplingCapOf =
  (key: string) =>
  (field: FieldOf): number | undefined =>
    naturalNumber(lastMember(field("sampling_params"), key));

/** Of a prompt that is one field. */
const only = (key: string): ((body: ObjectNode, field: FieldOf) => JsonNode | undefined) => {
  return (_body, field) => field(key);
};

const READERS: ReadonlyMap<number, ApiReader> = new Map<number, ApiReader>([
  [
    layout.API_OPENAI_CHAT,
    {
      prompt: {
        kinds: { messages: ["array"] },
        value: only("messages"),
        read: (messages) => [messageBytes(messages, addContentPart)],
        isCounted: true,
      },
      hasTools: true,
      outputCap: (field) => capOf("max_completion_tokens")(field) ?? capOf("max_tokens")(field),
    },
  ],
  [
    layout.API_OPENAI_COMPLETIONS,
    {
      prompt: { kinds: { prompt: ["string", "array"] }, value: only("prompt"), read: promptList },
      outputCap: capOf("max_tokens"),
    },
  ],
  [
    layout.API_OPENAI_EMBEDDINGS,
    { prompt: { kinds: { input: ["string", "array"] }, value: only("input"), read: promptList } },
  ],
  [
    layout.API_OPENAI_RESPONSES,
    {
      prompt: { kinds: {}, value: only("input"), read: (input) => [rawBytes(input)] },
      hasTools: true,
      system: (field) => rawBytes(field("instructions")),
      outputCap: capOf("max_output_tokens"),
    },
  ],
  [
    layout.API_OPENAI_CONVERSATIONS,
    {
      prompt: {
        kinds: { items: ["array"] },
        value: only("items"),
        read: (items) => [Buffer.concat(itemsOf(items).map(rawBytes))],
        isCounted: true,
      },
    },
  ],
  [layout.API_OPENAI_IMAGES, { prompt: { kinds: { prompt: ["string"] }, value: only("prompt"), read: promptList } }],
  [
    layout.API_ANTHROPIC_MESSAGES,
    {
      prompt: {
        kinds: { messages: ["array"] },
        value: only("messages"),
        read: (messages) => [messageBytes(messages, addBlock)],
        isCounted: true,
      },
      hasTools: true,
      system: (field) => systemBytes(field("system")),
      outputCap: capOf("max_tokens"),
    },
  ],
  [
    layout.API_VLLM_GENERATE,
    {
      prompt: {
        kinds: { token_ids: ["array"] },
        value: only("token_ids"),
        read: (ids) => [Buffer.concat(itemsOf(ids).map(tokenIdBytes))],
      },
      outputCap: samplingCapOf("max_tokens"),
    },
  ],
  [
    layout.API_SGLANG_GENERATE,
    {
      prompt: {
        kinds: { text: ["string", "array"], input_ids: ["string", "array"] },
        value: (body) => lastValue(body, ["text", "input_ids"]),
        read: promptList,
      },
      outputCap: samplingCapOf("max_new_tokens"),
      lenientSalt: "extra_key",
    },
  ],
]);

/** The last member with one of these keys that is not null. */
function lastValue(body: ObjectNode, keys: readonly string[]): JsonNode | undefined {
  return membersOf(body).findLast(([key, value]) => keys.includes(key) && !isNull(value))?.[1];
}

/** The bytes of a prompt as they grow. */
class PromptBytes {
  readonly #pieces: Buffer[] = [];
  #size = 0;

  text(node: JsonNode): void {
    if (node.kind === "string") this.#add(textBytes(node.text));
  }

  raw(node: JsonNode): void {
    this.#add(rawBytes(node));
  }

  /** An asset's tokens, from the next multiple of 4 on. */
  asset(kind: AssetKind, content: Buffer): void {
    if (content.length === 0) return;
    this.#add(Buffer.alloc(-this.#size & 3));
    this.#add(assetTokens(kind, content));
  }

  join(): Buffer {
    return Buffer.concat(this.#pieces);
  }

  #add(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#size += piece.length;
  }
}

function messageBytes(messages: JsonNode, addPart: (bytes: PromptBytes, part: JsonNode) => void): Buffer {
  const bytes = new PromptBytes();
  for (const message of itemsOf(messages)) {
    for (const [key, value] of membersOf(message)) {
      if (key === "role" || key === "content") bytes.text(value);
      if (key === "content") for (const part of itemsOf(value)) addPart(bytes, part);
    }
  }
  return bytes.join();
}

const LINKS: ReadonlyMap<string, AssetKind> = new Map<string, AssetKind>([
  ["image_url", "image url"],
  ["video_url", "video"],
  ["audio_url", "audio"],
]);

/** OpenAI's. */
function addContentPart(bytes: PromptBytes, part: JsonNode): void {
  for (const [key, value] of membersOf(part)) {
    if (key === "text") bytes.text(value);
    const link = LINKS.get(key);
    if (link !== undefined) bytes.asset(link, stringBytes(value.kind === "string" ? value : lastString(value, "url")));
    if (key === "input_audio") {
      const data = lastString(value, "data");
      const format = stringBytes(lastString(value, "format")).subarray(0, layout.AUDIO_FORMAT_SIZE_MAX);
      if (data !== undefined) bytes.asset("audio", Buffer.concat([stringBytes(data), format]));
    }
  }
}

/** Anthropic's. */
function addBlock(bytes: PromptBytes, block: JsonNode): void {
  for (const [key, value] of membersOf(block)) {
    if (["text", "thinking", "id", "name", "content"].includes(key)) bytes.text(value);
    if (key === "input") bytes.raw(value);
    if (key === "source") addSource(bytes, value);
    if (key !== "content") continue;
    for (const inner of itemsOf(value)) {
      for (const [name, member] of membersOf(inner)) {
        if (name === "text") bytes.text(member);
        if (name === "source") addSource(bytes, member);
      }
    }
  }
}

function addSource(bytes: PromptBytes, source: JsonNode): void {
  const content = membersOf(source).findLast(
    ([key, value]) => (key === "data" || key === "url") && value.kind === "string",
  );
  if (content !== undefined) bytes.asset(content[0] === "url" ? "image url" : "image data", stringBytes(content[1]));
}

/** Texts of the system prompt, without those that only bill. */
function systemBytes(system: JsonNode | undefined): Buffer {
  const texts = system?.kind === "string" ? [system] : itemsOf(system).flatMap((block) => membersOf(block));
  const counted = texts.flatMap((text) => {
    const node = Array.isArray(text) ? (text[0] === "text" ? (text[1] as JsonNode) : undefined) : (text as JsonNode);
    return node?.kind === "string" && !node.text.startsWith(BILLING_MARK) ? [textBytes(node.text)] : [];
  });
  return Buffer.concat(counted);
}

/** A text; or a list, in which a text or list begins a prompt and a number goes on in the prompt at hand. */
function promptList(value: JsonNode): Buffer[] {
  if (value.kind === "string") return [textBytes(value.text)];
  const prompts: Buffer[][] = [[]];
  for (const item of itemsOf(value)) {
    if (item.kind === "string" || item.kind === "array") prompts.push([]);
    const pieces =
      item.kind === "string" ? [textBytes(item.text)] : (item.kind === "array" ? item.items : [item]).map(tokenIdBytes);
    prompts.at(-1)?.push(...pieces);
  }
  return prompts.map((pieces) => Buffer.concat(pieces));
}

function tokenIdBytes(node: JsonNode): Buffer {
  const id = naturalNumber(node);
  if (id === undefined) return NOTHING;
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(id);
  return bytes;
}

function rawBytes(node: JsonNode | undefined): Buffer {
  return node === undefined ? NOTHING : stringwise(node);
}

/**
 * Canonical JSON as bytes, strings one by one: a lone surrogate at the end of one does not pair with the next one's.
 */
function stringwise(node: JsonNode): Buffer {
  if (node.kind === "array") return joinJson("[", node.items.map(stringwise), "]");
  if (node.kind !== "object") return textBytes(canonicalJson(node));
  const members = node.entries.map(([key, value]) =>
    Buffer.concat([stringwise(key), Buffer.from(":"), stringwise(value)]),
  );
  return joinJson("{", members, "}");
}

function joinJson(open: string, pieces: readonly Buffer[], close: string): Buffer {
  const separated = pieces.flatMap((piece, index) => (index === 0 ? [piece] : [Buffer.from(","), piece]));
  return Buffer.concat([Buffer.from(open), ...separated, Buffer.from(close)]);
}

function lastString(node: JsonNode, name: string): JsonNode | undefined {
  return membersOf(node).findLast(([key, value]) => key === name && value.kind === "string")?.[1];
}

function stringBytes(node: JsonNode | undefined): Buffer {
  return node?.kind === "string" ? textBytes(node.text) : NOTHING;
}
