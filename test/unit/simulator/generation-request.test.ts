import { describe, expect, test } from "vitest";
import {
  type GenerationApi,
  type GenerationRequest,
  parseGenerationRequest,
} from "../../../src/simulator/generation-request.ts";

const SERVED = { model: "base", adapters: ["red"], contextTokensMax: 100, replyTokensCutoff: 50 };

function parse(api: GenerationApi, fields: object): GenerationRequest {
  return parseGenerationRequest(api, Buffer.from(JSON.stringify(fields)), SERVED);
}

function chatPrompt(fields: object): string {
  return parse("chat", fields).prompt.bytes.toString();
}

const MESSAGES = [{ role: "user", content: "hi" }];

describe("the prompt", () => {
  test("of a chat is role and content of each message, without anything between", () => {
    const messages = [
      { role: "system", content: "Be brief." },
      { role: "user", content: "hi" },
    ];
    expect(chatPrompt({ messages })).toBe("systemBe brief.userhi");
  });

  test("takes the text of parts, and nothing of images", () => {
    const content = [
      { type: "text", text: "what is " },
      { type: "image_url", image_url: { url: "data:," } },
      { type: "text", text: "this?" },
    ];
    expect(chatPrompt({ messages: [{ role: "user", content }] })).toBe("userwhat is this?");
  });

  test("has tools in front, and no content where a message has none", () => {
    const messages = [...MESSAGES, { role: "assistant", content: null }, { role: "tool" }];
    expect(chatPrompt({ messages, tools: [{ name: "f" }] })).toBe('[{"name":"f"}]userhiassistanttool');
  });

  test("of a completion is the string, alone or in a list of one", () => {
    expect(parse("completions", { prompt: "once upon" }).prompt.bytes.toString()).toBe("once upon");
    expect(parse("completions", { prompt: ["once upon"] }).prompt.bytes.toString()).toBe("once upon");
  });

  test("of a completion can be token numbers, four bytes each", () => {
    const { bytes } = parse("completions", { prompt: [1, 258] }).prompt;
    expect([...bytes]).toEqual([1, 0, 0, 0, 2, 1, 0, 0]);
    expect(parse("completions", { prompt: [[1, 258]] }).prompt.bytes).toEqual(bytes);
  });
});

describe("the limits", () => {
  test.each([
    ["the server's cut-off when the client names none", "chat", {}, 50],
    ["the client's", "chat", { max_tokens: 7 }, 7],
    ["the newer name before the older", "chat", { max_tokens: 7, max_completion_tokens: 9 }, 9],
    ["the older name alone for completions", "completions", { max_tokens: 7, max_completion_tokens: 9 }, 7],
    ["null counts as none", "chat", { max_tokens: null }, 50],
    // 6 bytes of prompt and the 9 of "assistant" are 4 tokens.
    ["what the context leaves", "chat", { max_tokens: 1000 }, 96],
  ] as const)("%s", (_name, api, fields, cutoffTokens) => {
    expect(parse(api, { messages: MESSAGES, prompt: "hi", ...fields }).cutoffTokens).toBe(cutoffTokens);
  });
});

test("the model is the base model unless named, and an adapter is a model", () => {
  expect(parse("chat", { messages: MESSAGES })).toMatchObject({ model: "base", adapter: undefined });
  expect(parse("chat", { messages: MESSAGES, model: "base" })).toMatchObject({ model: "base", adapter: undefined });
  expect(parse("chat", { messages: MESSAGES, model: "red" })).toMatchObject({ model: "red", adapter: "red" });
});

test("options are off unless asked for", () => {
  const off = { isStream: false, includesUsage: false, ignoresEnd: false, cacheSalt: "" };
  expect(parse("chat", { messages: MESSAGES })).toMatchObject(off);
  const fields = { stream: true, stream_options: { include_usage: true }, ignore_eos: true, cache_salt: "s" };
  const on = { isStream: true, includesUsage: true, ignoresEnd: true, cacheSalt: "s" };
  expect(parse("chat", { messages: MESSAGES, ...fields })).toMatchObject(on);
});

describe("an error names the field", () => {
  test.each([
    [404, "model", "chat", { model: "blue", messages: MESSAGES }],
    [400, "model", "chat", { model: 7, messages: MESSAGES }],
    [400, "messages", "chat", {}],
    [400, "messages", "chat", { messages: [] }],
    [400, "messages", "chat", { messages: ["hi"] }],
    [400, "messages", "chat", { messages: [{ content: "hi" }] }],
    [400, "messages", "chat", { messages: [{ role: "user", content: 7 }] }],
    [400, "max_tokens", "chat", { messages: MESSAGES, max_tokens: 0 }],
    [400, "max_tokens", "chat", { messages: MESSAGES, max_tokens: "7" }],
    [400, "max_completion_tokens", "chat", { messages: MESSAGES, max_completion_tokens: 1.5 }],
    [400, "stream", "chat", { messages: MESSAGES, stream: "yes" }],
    [400, "stream_options", "chat", { messages: MESSAGES, stream_options: [] }],
    [400, "prompt", "completions", {}],
    [400, "prompt", "completions", { prompt: ["one", "two"] }],
    [400, "prompt", "completions", { prompt: [1, "two"] }],
  ] as const)("%d %s: %s %j", (status, param, api, fields) => {
    expect(() => parse(api, fields)).toThrow(expect.objectContaining({ status, param }));
  });

  test("a prompt that fills the context leaves no room for a reply", () => {
    expect(() => parse("completions", { prompt: "x".repeat(400) })).toThrow("leave no room");
    expect(parse("completions", { prompt: "x".repeat(396) }).cutoffTokens).toBe(1);
  });

  test.each(["", "{", "[]", '"text"', "null"])("a body that is not a JSON object: %s", (body) => {
    expect(() => parseGenerationRequest("chat", Buffer.from(body), SERVED)).toThrow(
      expect.objectContaining({ status: 400, message: expect.stringContaining("The body is not") }),
    );
  });
});
