import { describe, expect, it } from "vitest";
import { openaiChatParser } from "../../../src/parsing/openai-chat.ts";
import { openaiCompletionsParser } from "../../../src/parsing/openai-completions.ts";
import { selectParser } from "../../../src/parsing/parser.ts";
import type { BodyFacts } from "../../../src/wasm/shard-memory.ts";

const PARSERS = [openaiCompletionsParser, openaiChatParser];

describe("selecting a parser", () => {
  it.each([
    { path: "/v1/chat/completions", parser: openaiChatParser },
    { path: "/v1/completions", parser: openaiCompletionsParser },
    { path: "/v1/chat/completions?api-version=1", parser: openaiChatParser },
    { path: "/openai/deployments/x/chat/completions", parser: openaiChatParser },
    { path: "/v1/completions?next=/v1/chat/completions", parser: openaiCompletionsParser },
    { path: "chat/completions", parser: openaiChatParser },
    { path: "/v1/embeddings", parser: undefined },
    { path: "/v1/models?x=completions", parser: undefined },
    { path: "/v1/completions/", parser: undefined },
    { path: "", parser: undefined },
    { path: "?", parser: undefined },
  ])("$path", ({ path, parser }) => {
    expect(selectParser(PARSERS, path)).toBe(parser);
  });

  it("the longest suffix wins in whatever order parsers are listed", () => {
    expect(selectParser(PARSERS.toReversed(), "/v1/chat/completions")).toBe(openaiChatParser);
  });

  it("without parsers every body passes unread", () => {
    expect(selectParser([], "/v1/chat/completions")).toBeUndefined();
  });
});

describe("what a body must have", () => {
  const facts: BodyFacts = {
    model: "llama",
    isStream: false,
    hasPrompt: true,
    messageCount: 1,
    modelSpan: { start: 10, end: 15 },
  };

  it.each([
    { parser: openaiChatParser, changes: {}, missing: undefined },
    { parser: openaiChatParser, changes: { hasPrompt: false }, missing: undefined },
    { parser: openaiChatParser, changes: { model: undefined }, missing: "model not found in request body" },
    { parser: openaiChatParser, changes: { model: "" }, missing: "model not found in request body" },
    {
      parser: openaiChatParser,
      changes: { messageCount: 0 },
      missing: "request body has no messages: at least one is required",
    },
    { parser: openaiCompletionsParser, changes: {}, missing: undefined },
    { parser: openaiCompletionsParser, changes: { messageCount: 0 }, missing: undefined },
    { parser: openaiCompletionsParser, changes: { model: undefined }, missing: "model not found in request body" },
    {
      parser: openaiCompletionsParser,
      changes: { hasPrompt: false },
      missing: "request body has no prompt: a text, a list of texts or a list of token ids is required",
    },
  ])("$parser.pathSuffixes with $changes: $missing", ({ parser, changes, missing }) => {
    expect(parser.findMissing({ ...facts, ...changes })).toBe(missing);
  });
});
