import { describe, expect, it } from "vitest";
import { findUsage, META_INFO, mergeUsage, USAGE_OBJECT, type Usage } from "../../../src/parsing/usage.ts";

const usage = (fields: Partial<Usage>): Usage => ({
  promptTokens: undefined,
  completionTokens: undefined,
  totalTokens: undefined,
  cachedTokens: undefined,
  ...fields,
});

// Forms as the APIs document them.
const CASES: readonly { name: string; text: string; expected: Usage | undefined }[] = [
  {
    name: "chat completion",
    text: `{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10,
      "prompt_tokens_details":{"cached_tokens":4}}}`,
    expected: usage({ promptTokens: 7, completionTokens: 3, totalTokens: 10, cachedTokens: 4 }),
  },
  {
    name: "responses API",
    text: '{"usage" : {"input_tokens":7,"input_tokens_details":{"cached_tokens":2},"output_tokens":3}}',
    expected: usage({ promptTokens: 7, completionTokens: 3, totalTokens: 10, cachedTokens: 2 }),
  },
  {
    name: "Anthropic message",
    text: '{"usage":{"input_tokens":7,"cache_read_input_tokens":5,"output_tokens":3}}',
    expected: usage({ promptTokens: 7, completionTokens: 3, totalTokens: 10, cachedTokens: 5 }),
  },
  {
    name: "the last of several objects",
    text: 'data: {"usage":{"prompt_tokens":1}}\n\ndata: {"usage":{"prompt_tokens":2}}\n\ndata: [DONE]\n\n',
    expected: usage({ promptTokens: 2 }),
  },
  {
    name: "an object before events that say null",
    text: 'data: {"usage":{"prompt_tokens":1}}\n\ndata: {"usage":null}\n\n',
    expected: usage({ promptTokens: 1 }),
  },
  {
    name: "usage inside of a text is none",
    text: '{"content":"\\"usage\\":{\\"prompt_tokens\\":9}"}',
    expected: undefined,
  },
  { name: "a cut object is none", text: '{"usage":{"prompt_tokens":7', expected: undefined },
  {
    name: "numbers that are no counts are unknown",
    text: '{"usage":{"prompt_tokens":-1,"total_tokens":1.5}}',
    expected: usage({}),
  },
  { name: "no usage", text: '{"choices":[]}', expected: undefined },
  {
    name: "an object that is too large is none",
    text: `{"usage":{"note":"${"x".repeat(5_000)}"}}`,
    expected: undefined,
  },
];

describe("findUsage", () => {
  it.each(CASES)("$name", ({ text, expected }) => {
    expect(findUsage(Buffer.from(text), USAGE_OBJECT)).toEqual(expected);
  });

  it("finds SGLang's counts in meta_info", () => {
    const text = '{"text":"…","meta_info":{"id":"1","prompt_tokens":7,"completion_tokens":3,"cached_tokens":4}}';
    const expected = usage({ promptTokens: 7, completionTokens: 3, totalTokens: 10, cachedTokens: 4 });
    expect(findUsage(Buffer.from(text), META_INFO)).toEqual(expected);
  });

  it("later values win when two are merged, and unknown ones do not", () => {
    const start = usage({ promptTokens: 7, completionTokens: 1, cachedTokens: 5 });
    expect(mergeUsage(start, usage({ completionTokens: 9 }))).toEqual(
      usage({ promptTokens: 7, completionTokens: 9, totalTokens: 16, cachedTokens: 5 }),
    );
    expect(mergeUsage(start, undefined)).toEqual(start);
    expect(mergeUsage(undefined, undefined)).toBeUndefined();
  });
});
