/** What each API's bodies come to: parts written out as plain bytes, hashed by the slow XXH64. */
import { describe, expect, test } from "vitest";
import { layout } from "../../../src/wasm/layout.ts";
import { KERNEL_BUILDS, type TestKernel, testKernel } from "../../support/kernel.ts";
import { partIds, scanFacts, scanPieces, windowField } from "../../support/scan.ts";
import { blockIds } from "../../support/xxh64.ts";

const BLOCK_SIZE = 64;
const {
  API_ANTHROPIC_MESSAGES,
  API_OPENAI_CONVERSATIONS,
  API_OPENAI_EMBEDDINGS,
  API_OPENAI_IMAGES,
  API_OPENAI_RESPONSES,
  API_SGLANG_GENERATE,
  API_VLLM_GENERATE,
  SCAN_DONE,
  SCAN_WRONG_TYPE,
} = layout;

interface Case {
  readonly name: string;
  readonly body: string;
  readonly tools?: string;
  readonly system?: string;
  /** Prompts as Latin-1; one or more. */
  readonly prompts?: readonly string[];
  readonly facts?: object;
}

const RESPONSES: readonly Case[] = [
  {
    name: "a text, instructions and tools, in whatever order, are the JSON of each",
    body: `{"input":"Hi","tools":[ {"type":"web"} ],"model":"m","instructions":"Be brief."}`,
    tools: `[{"type":"web"}]`,
    system: `"Be brief."`,
    prompts: [`"Hi"`],
    facts: { model: "m", hasPrompt: true, hasTools: true, outputCap: undefined },
  },
  {
    name: "a list of items, and the cap",
    body: `{"input":[{"content":[{"type":"input_text","text":"a\\nb"}]}],"max_output_tokens":9,"max_tokens":1}`,
    prompts: [`[{"content":[{"type":"input_text","text":"a\nb"}]}]`],
    facts: { outputCap: 9, isStream: false },
  },
  {
    name: "null instructions and tools are absent",
    body: `{"input":1,"instructions":null,"tools":null}`,
    prompts: ["1"],
  },
  {
    name: "an input that is null is none",
    body: `{"input":"x","input":null}`,
    prompts: [],
    facts: { hasPrompt: false },
  },
  {
    name: "fields of other APIs do not count",
    body: `{"messages":[{"content":"no"}],"prompt":"no","items":[1],"system":"no","input":""}`,
    prompts: [`""`],
    facts: { hasPrompt: true, messageCount: 0 },
  },
];

const CONVERSATIONS: readonly Case[] = [
  {
    name: "items are counted and taken as JSON one after another",
    body: `{"items":[{"type":"message", "content":"x"}, 7],"metadata":{"a":"b"}}`,
    prompts: [`{"type":"message","content":"x"}7`],
    facts: { messageCount: 2, hasPrompt: true },
  },
  { name: "no items", body: `{"items":[],"input":"no"}`, prompts: [], facts: { messageCount: 0, hasPrompt: false } },
];

const EMBEDDINGS: readonly Case[] = [
  { name: "a text", body: `{"input":"text","max_tokens":3}`, prompts: ["text"], facts: { outputCap: undefined } },
  { name: "texts are prompts of their own", body: `{"input":["one","two"]}`, prompts: ["one", "two"] },
  { name: "token ids are one prompt", body: `{"input":[1,258]}`, prompts: ["\x01\0\0\0\x02\x01\0\0"] },
  {
    name: "lists of token ids are prompts of their own",
    body: `{"input":[[1],[2,3],[]]}`,
    prompts: ["\x01\0\0\0", "\x02\0\0\0\x03\0\0\0"],
  },
  { name: "an empty list", body: `{"input":[]}`, prompts: [], facts: { hasPrompt: false } },
];

const IMAGES: readonly Case[] = [
  { name: "a prompt is one text", body: `{"prompt":"a car","size":"1x1","model":"m"}`, prompts: ["a car"] },
  { name: "no prompt", body: `{"prompt":null}`, prompts: [], facts: { hasPrompt: false } },
];

const ANTHROPIC: readonly Case[] = [
  {
    name: "tools, system and messages",
    body: `{"model":"claude","max_tokens":10,"system":"Be kind.","tools":[{"name":"f"}],"messages":[
      {"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"text","text":"Yes?"}]}]}`,
    tools: `[{"name":"f"}]`,
    system: "Be kind.",
    prompts: ["userHiassistantYes?"],
    facts: { model: "claude", outputCap: 10, messageCount: 2, hasTools: true },
  },
  {
    name: "thinking, calls of tools and their results",
    body: `{"messages":[{"role":"assistant","content":[
      {"type":"thinking","thinking":"hm","signature":"no"},
      {"type":"tool_use","id":"t1","name":"f","input":{"x": [1, 2.0], "y":"\\u00e9"}}]},
      {"role":"user","content":[{"type":"tool_result","tool_use_id":"no","is_error":false,"content":"42"},
      {"type":"tool_result","content":[{"type":"text","text":"43"},{"content":"no"}]}]}]}`,
    prompts: [Buffer.from(`assistanthmt1f{"x":[1,2.0],"y":"é"}user4243`).toString("latin1")],
    facts: { messageCount: 2 },
  },
  {
    name: "a system of blocks, without those that only bill",
    body: `{"system":[{"type":"text","text":"x-anthropic-billing-header: cc=1"},{"type":"text","text":"one"},
      {"text":"x-anthropic-billing-heade"},{"text":"x-anthropic-billing-header"},{"text":"X-anthropic-billing-header"},
      {"cache_control":{"text":"no"}}],"messages":[{}]}`,
    system: "onex-anthropic-billing-headeX-anthropic-billing-header",
    prompts: [""],
    facts: { messageCount: 1, hasPrompt: true },
  },
  {
    name: "a system text that only bills is none",
    body: `{"system":"x-anthropic-billing-header","messages":[{"role":"user"}]}`,
    prompts: ["user"],
  },
  {
    name: "the last system counts",
    body: `{"system":"a","system":[{"text":"b"}],"messages":[]}`,
    system: "b",
    prompts: [],
    facts: { hasPrompt: false },
  },
  { name: "max_completion_tokens is no cap", body: `{"max_completion_tokens":5}`, facts: { outputCap: undefined } },
];

const VLLM: readonly Case[] = [
  {
    name: "token ids, cap, salt and stream",
    body: `{"token_ids":[1,2],"sampling_params":{"temperature":0,"max_tokens":7},"cache_salt":"s","stream":true}`,
    prompts: ["\x01\0\0\0\x02\0\0\0"],
    facts: { outputCap: 7, salt: "s", isStream: true, model: undefined },
  },
  {
    name: "the last sampling_params count, and only they",
    body: `{"max_tokens":1,"sampling_params":{"max_tokens":7},"sampling_params":{"nested":{"max_tokens":8}}}`,
    facts: { outputCap: undefined },
  },
  {
    name: "sampling_params of another kind are none",
    body: `{"sampling_params":[{"max_tokens":7}]}`,
    facts: { outputCap: undefined },
  },
  { name: "what is no list of ids", body: `{"token_ids":["a",[1],{},null]}`, prompts: [], facts: { hasPrompt: false } },
];

const SGLANG: readonly Case[] = [
  {
    name: "token ids, cap and the salt under its name there",
    body: `{"text":null,"input_ids":[5],"extra_key":"tenant","sampling_params":{"max_new_tokens":7,"max_tokens":8}}`,
    prompts: ["\x05\0\0\0"],
    facts: { outputCap: 7, salt: "tenant", model: undefined },
  },
  { name: "a batch of texts", body: `{"text":["a","b"],"input_ids":null}`, prompts: ["a", "b"] },
  { name: "a batch of lists of ids", body: `{"input_ids":[[1],[2]]}`, prompts: ["\x01\0\0\0", "\x02\0\0\0"] },
  {
    name: "salts for a batch are none, and null says nothing",
    body: `{"cache_salt":"a","extra_key":null,"text":"t"}`,
    prompts: ["t"],
    facts: { salt: "a" },
  },
  {
    name: "a list as extra_key takes the salt back",
    body: `{"cache_salt":"a","extra_key":["b"]}`,
    facts: { salt: "" },
  },
  { name: "the last of text and input_ids counts", body: `{"input_ids":[1],"text":"t"}`, prompts: ["t"] },
];

const TABLES = [
  ["responses", API_OPENAI_RESPONSES, RESPONSES],
  ["conversations", API_OPENAI_CONVERSATIONS, CONVERSATIONS],
  ["embeddings", API_OPENAI_EMBEDDINGS, EMBEDDINGS],
  ["images", API_OPENAI_IMAGES, IMAGES],
  ["anthropic", API_ANTHROPIC_MESSAGES, ANTHROPIC],
  ["vllm", API_VLLM_GENERATE, VLLM],
  ["sglang", API_SGLANG_GENERATE, SGLANG],
] as const;

describe.each(KERNEL_BUILDS)("the %s build reads", (build) => {
  const kernel = testKernel(build);

  describe.each(TABLES)("%s", (_, api, cases) => {
    test.each(cases)("$name", ({ body, tools = "", system = "", prompts = [], facts = {} }) => {
      expect(scanPieces(kernel, Buffer.from(body), [], { api, blockSize: BLOCK_SIZE })).toBe(SCAN_DONE);
      expect(partIds(kernel, layout.PART_TOOLS)).toEqual(idsOf(tools));
      expect(partIds(kernel, layout.PART_SYSTEM)).toEqual(idsOf(system));
      expect(promptIds(kernel)).toEqual(prompts.filter((prompt) => prompt !== "").map(idsOf));
      const size = [tools, system, ...prompts].reduce((sum, part) => sum + part.length, 0);
      expect(scanFacts(kernel)).toMatchObject({ promptSize: size, ...facts });
    });
  });

  test.each([
    [API_OPENAI_EMBEDDINGS, `{"input":{}}`, 9],
    [API_OPENAI_EMBEDDINGS, `{"input":7}`, 9],
    [API_OPENAI_CONVERSATIONS, `{"items":{}}`, 9],
    [API_OPENAI_CONVERSATIONS, `{"items":"x"}`, 9],
    [API_OPENAI_IMAGES, `{"prompt":["a"]}`, 10],
    [API_ANTHROPIC_MESSAGES, `{"messages":{}}`, 12],
    [API_ANTHROPIC_MESSAGES, `{"model":["m"]}`, 9],
    [API_VLLM_GENERATE, `{"token_ids":"1,2"}`, 13],
    [API_SGLANG_GENERATE, `{"input_ids":{}}`, 13],
    [API_SGLANG_GENERATE, `{"text":7}`, 8],
    [API_SGLANG_GENERATE, `{"cache_salt":7}`, 14],
  ])("of API %i the body %s as a wrong type", (api, body, offset) => {
    expect(scanPieces(kernel, Buffer.from(body), [], { api })).toBe(SCAN_WRONG_TYPE);
    expect(windowField(kernel, layout.WINDOW_BODY_OFFSET)).toBe(offset);
  });

  test("content nested as deep as a body may be, whose inner levels do not count", () => {
    for (const depth of [3, 14, 15, 16, 40, 300]) {
      const inner = `[{"content":`.repeat(depth);
      const body = `{"messages":[{"role":"r","content":${inner}"deep"${"}]".repeat(depth)}}],"model":"m"}`;
      expect(scanPieces(kernel, Buffer.from(body), [], { api: API_ANTHROPIC_MESSAGES })).toBe(SCAN_DONE);
      expect(scanFacts(kernel), `depth ${depth}`).toMatchObject({ model: "m", promptSize: 1, messageCount: 1 });
    }
  });

  test("a wrong kind anywhere in a message is passed over", () => {
    const wrong = ["7", "null", "true", "[]", "{}", `[["x"]]`, `{"url":["u"]}`, `{"data":{}}`, `[{"text":["t"]}]`];
    const keys = ["role", "content", "text", "image_url", "input_audio", "source", "thinking", "id", "name"];
    let executions = 0;
    for (const api of [layout.API_OPENAI_CHAT, API_ANTHROPIC_MESSAGES]) {
      for (const key of keys) {
        for (const value of wrong) {
          const part = `{"${key}":${value}}`;
          const body = `{"messages":[${part},{"content":[${part}]},${value}]}`;
          expect(scanPieces(kernel, Buffer.from(body), [], { api }), body).toBe(SCAN_DONE);
          expect(scanFacts(kernel), body).toMatchObject({ promptSize: 0, messageCount: 3 });
          executions++;
        }
      }
    }
    expect(executions).toBe(162);
  });
});

/** Ids of each prompt that has any. */
function promptIds(kernel: TestKernel): string[][] {
  const { prompt, breaks = [] } = scanFacts(kernel);
  const bounds = [0, ...breaks, prompt.length];
  return bounds
    .slice(1)
    .flatMap((end, index) => (end > (bounds[index] ?? 0) ? [prompt.slice(bounds[index], end)] : []));
}

function idsOf(latin1: string): string[] {
  return blockIds(Buffer.from(latin1, "latin1"), BLOCK_SIZE).map((id) => id.toString(16).padStart(16, "0"));
}
