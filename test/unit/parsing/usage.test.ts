import { describe, expect, it } from "vitest";
import {
  findUsage,
  META_INFO,
  mergeUsage,
  USAGE_OBJECT,
  USAGE_OBJECT_IN_HEAD,
  type Usage,
} from "../../../src/parsing/usage.ts";

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

describe("a response's usage reader", () => {
  const readFrom = (pieces: readonly string[], format = USAGE_OBJECT): Usage | undefined => {
    const reader = format.open();
    for (const piece of pieces) {
      const memory = Buffer.from(piece);
      reader.push(memory);
      // What is kept of it is a copy.
      memory.fill(0xff);
    }
    return reader.read(true);
  };
  const object = '"usage":{"prompt_tokens":7}';
  const before = "{".repeat(20_000);
  /** What follows a key that stands 2,000 to 2,100 bytes, or nearly 16 KiB, before the end. */
  const rests = [...Array.from({ length: 100 }, (_, index) => 2_000 + index), 16_300].map((size) =>
    " ".repeat(size - object.length),
  );

  it("finds it wherever it stands in the tail", () => {
    for (const rest of rests) {
      expect(readFrom([before, object, rest]), `${rest.length} bytes follow`).toEqual(usage({ promptTokens: 7 }));
    }
  });

  it("does not take an escaped one for it, wherever it stands", () => {
    for (const rest of rests) {
      expect(readFrom([`${before}\\${object}`, rest]), `${rest.length} bytes follow`).toBeUndefined();
    }
  });

  it("has none where the key goes on in another way", () => {
    expect(readFrom(['{"usages":{"prompt_tokens":7}}'])).toBeUndefined();
    expect(readFrom(['{"usage'])).toBeUndefined();
  });

  it("merges what the first piece says with what the end says, where a format wants that", () => {
    const pieces = ["", '{"usage":{"input_tokens":5}}', before, '{"usage":{"output_tokens":3}}'];
    const expected = usage({ promptTokens: 5, completionTokens: 3, totalTokens: 8 });
    expect(readFrom(pieces, USAGE_OBJECT_IN_HEAD)).toEqual(expected);
    expect(readFrom(pieces)).toEqual(usage({ completionTokens: 3 }));
  });
});
