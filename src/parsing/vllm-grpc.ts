/**
 * vLLM's own gRPC API: text or token ids to generate from, token ids to embed. Its messages name no model. Other
 * methods of the service (health, load, abort) pass unread.
 */
import { layout } from "../wasm/layout.ts";
import {
  type GenerateRequest,
  readEmbedRequest,
  readEmbedResponse,
  readGenerateRequest,
  readGenerateResponse,
} from "../wire/vllm-engine.ts";
import { grpcCounts } from "./grpc-usage.ts";
import { type FramedPrompt, type ParserDefinition, suffixes } from "./parser.ts";
import { missingPrompt, nothingMissing } from "./required-fields.ts";

const SERVICE = "vllm.grpc.engine.VllmEngine";

const generateParser: ParserDefinition = {
  type: "vllmgrpc-parser",
  claims: suffixes(`${SERVICE}/Generate`),
  body: { kind: "grpc", findPrompt: (message) => generatePrompt(readGenerateRequest(message)) },
  usageFormat: grpcCounts(readGenerateResponse),
  skipsResponse: false,
  findMissing: (facts) => missingPrompt(facts, "prompt", "text or a list of token ids"),
};

const embedParser: ParserDefinition = {
  type: "vllmgrpc-parser",
  claims: suffixes(`${SERVICE}/Embed`),
  body: {
    kind: "grpc",
    findPrompt(message) {
      const bytes = readEmbedRequest(message);
      if (bytes === undefined) return "request body has no tokenized input";
      return { api: layout.API_RAW_TOKEN_IDS, bytes, isStream: false, outputCap: undefined };
    },
  },
  usageFormat: grpcCounts(readEmbedResponse),
  skipsResponse: false,
  findMissing: (facts) => missingPrompt(facts, "prompt", "a list of token ids"),
};

const otherMethodsParser: ParserDefinition = {
  type: "vllmgrpc-parser",
  claims: [{ kind: "service", text: SERVICE }],
  body: { kind: "unread" },
  usageFormat: undefined,
  skipsResponse: true,
  findMissing: nothingMissing,
};

export const vllmGrpcParsers: readonly ParserDefinition[] = [generateParser, embedParser, otherMethodsParser];

function generatePrompt({ tokenIds, text, isStream, outputCap }: GenerateRequest): FramedPrompt | string {
  if (tokenIds !== undefined) return { api: layout.API_RAW_TOKEN_IDS, bytes: tokenIds, isStream, outputCap };
  if (text !== undefined) return { api: layout.API_RAW_TEXT, bytes: text, isStream, outputCap };
  return "request body has neither text nor tokenized input";
}
