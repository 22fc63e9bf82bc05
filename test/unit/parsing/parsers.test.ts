/** Which parser takes which path, and what the list of parsers holds. */

import { describe, expect, it } from "vitest";
import { PARSER_TYPES_DEFAULT } from "../../../src/config/defaults.ts";
import { type ParserDefinition, type ParserType, selectParser } from "../../../src/parsing/parser.ts";
import { PARSERS_BY_TYPE, parsersOf } from "../../../src/parsing/parsers.ts";
import { layout } from "../../../src/wasm/layout.ts";

const EVERY_TYPE = Object.keys(PARSERS_BY_TYPE) as ParserType[];

/** What a path is taken as: the parser's type, and the grammar or the way in which its body is read. */
function taken(parsers: readonly ParserDefinition[], path: string): string | undefined {
  const parser = selectParser(parsers, path);
  if (parser === undefined) return undefined;
  const reading = parser.body.kind === "json" ? apiName(parser.body.api) : parser.body.kind;
  return `${parser.type}: ${reading}`;
}

function apiName(api: number): string | undefined {
  return Object.entries(layout).find(([name, value]) => name.startsWith("API_") && value === api)?.[0];
}

describe("without a configuration", () => {
  it.each([
    ["/v1/chat/completions", "openai-parser: API_OPENAI_CHAT"],
    ["/v1/chat/completions/render", "openai-parser: API_OPENAI_CHAT"],
    ["/v1/projects/p/endpoints/e/chat/completions", "openai-parser: API_OPENAI_CHAT"],
    ["chat/completions", "openai-parser: API_OPENAI_CHAT"],
    ["/v1/chat/completions?timeout=5", "openai-parser: API_OPENAI_CHAT"],
    ["/v1/completions", "openai-parser: API_OPENAI_COMPLETIONS"],
    ["/v1/completions/render", "openai-parser: API_OPENAI_COMPLETIONS"],
    ["/v1/xcompletions", "openai-parser: API_OPENAI_COMPLETIONS"],
    ["/v1/embeddings", "openai-parser: API_OPENAI_EMBEDDINGS"],
    ["/v1/responses", "openai-parser: API_OPENAI_RESPONSES"],
    ["/v1/conversations", "openai-parser: API_OPENAI_CONVERSATIONS"],
    ["/v1/images/generations", "openai-parser: API_OPENAI_IMAGES"],
    ["/v1/messages", "anthropic-parser: API_ANTHROPIC_MESSAGES"],
    ["/v1/messages/count_tokens", "anthropic-parser: unread"],
    ["/inference/v1/generate", "vllmhttp-parser: API_VLLM_GENERATE"],
    ["/generate", "passthrough-parser: unread"],
    ["/v1/models", "passthrough-parser: unread"],
    ["/v1/chat/completions/", "passthrough-parser: unread"],
    ["/tokenize?path=/v1/chat/completions", "passthrough-parser: unread"],
    ["/vllm.grpc.engine.VllmEngine/Generate", "passthrough-parser: unread"],
    ["", "passthrough-parser: unread"],
  ])("%s is taken as %s", (path, expected) => {
    expect(taken(parsersOf(PARSER_TYPES_DEFAULT as readonly ParserType[]), path)).toBe(expected);
  });
});

describe("with every parser", () => {
  const parsers = parsersOf(EVERY_TYPE);

  it.each([
    ["/v1/chat/completions", "openai-parser: API_OPENAI_CHAT"],
    ["/generate", "sglanghttp-parser: API_SGLANG_GENERATE"],
    ["/generate?x=1", "sglanghttp-parser: API_SGLANG_GENERATE"],
    ["/v1/generate", "passthrough-parser: unread"],
    ["/inference/v1/generate", "vllmhttp-parser: API_VLLM_GENERATE"],
    ["/vllm.grpc.engine.VllmEngine/Generate", "vllmgrpc-parser: grpc"],
    ["/vllm.grpc.engine.VllmEngine/Embed", "vllmgrpc-parser: grpc"],
    ["/vllm.grpc.engine.VllmEngine/HealthCheck", "vllmgrpc-parser: unread"],
    ["/vllm.grpc.engine.VllmEngine", "passthrough-parser: unread"],
    ["/google.cloud.aiplatform.v1beta1.PredictionService/ChatCompletions", "vertexai-parser: grpc"],
    ["/google.cloud.aiplatform.v1.PredictionService/StreamRawPredict", "vertexai-parser: grpc"],
    ["/google.cloud.aiplatform.v1.PredictionService/RawPredict", "vertexai-parser: grpc"],
    ["/google.cloud.aiplatform.v1.PredictionService/Predict", "vertexai-parser: unread"],
    ["/google.cloud.aiplatform.v1.OtherService/Predict", "passthrough-parser: unread"],
  ])("%s is taken as %s", (path, expected) => {
    expect(taken(parsers, path)).toBe(expected);
  });

  it("the order of the types does not matter, but for the passthrough parser, which ends the list", () => {
    const others = EVERY_TYPE.filter((type) => type !== "passthrough-parser");
    const reversed = parsersOf([...others.toReversed(), "passthrough-parser"]);
    for (const path of [
      "/v1/completions",
      "/generate",
      "/inference/v1/generate",
      "/x.PredictionService/Predict",
      "/x",
    ]) {
      expect(taken(reversed, path), path).toBe(taken(parsers, path));
    }
    expect(taken(parsersOf(["passthrough-parser", "openai-parser"]), "/v1/completions")).toBe(
      "passthrough-parser: unread",
    );
  });

  it("the responses of requests that are not generation are of no interest", () => {
    const paths = ["/v1/messages/count_tokens", "/vllm.grpc.engine.VllmEngine/Abort", "/x.PredictionService/Explain"];
    expect(paths.map((path) => selectParser(parsers, path)?.skipsResponse)).toEqual([true, true, true]);
    const skipped = parsers.filter(({ skipsResponse }) => skipsResponse);
    expect(skipped.map(({ body }) => body.kind)).toEqual(["unread", "unread", "unread"]);
  });
});

describe("a list of parser types", () => {
  it("gives nothing to a path that none of them claims", () => {
    expect(taken(parsersOf(["openai-parser"]), "/v1/messages")).toBeUndefined();
    expect(taken([], "/v1/completions")).toBeUndefined();
  });

  it("may name a type twice", () => {
    expect(parsersOf(["anthropic-parser", "anthropic-parser"])).toEqual(parsersOf(["anthropic-parser"]));
  });

  it("has each API under its own type, and each claim once", () => {
    for (const [type, parsers] of Object.entries(PARSERS_BY_TYPE)) {
      expect(new Set(parsers.map((parser) => parser.type))).toEqual(new Set([type]));
    }
    const claims = parsersOf(EVERY_TYPE).flatMap((parser) => parser.claims.map(({ kind, text }) => `${kind} ${text}`));
    expect(new Set(claims).size).toBe(claims.length);
  });
});
