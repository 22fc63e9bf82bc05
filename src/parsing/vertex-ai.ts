/**
 * Vertex AI's prediction service over gRPC: its messages carry an OpenAI request as an HTTP body, a chat completion or
 * a response according to the method. The endpoint stands for the model, so that the request need not name one. Other
 * methods of the service pass unread.
 */
import { layout } from "../wasm/layout.ts";
import { readHttpBody, readPredictionRequest } from "../wire/http-body.ts";
import { grpcBodies } from "./grpc-usage.ts";
import { type ParserDefinition, type PromptFinder, suffixes } from "./parser.ts";
import { missingElements, missingPrompt, nothingMissing } from "./required-fields.ts";
import { USAGE_OBJECT } from "./usage.ts";

const SERVICE = "PredictionService";

const chatCompletionsParser: ParserDefinition = {
  type: "vertexai-parser",
  claims: suffixes(`${SERVICE}/ChatCompletions`),
  body: { kind: "grpc", findPrompt: findHttpBody(layout.API_OPENAI_CHAT) },
  usageFormat: grpcBodies(readHttpBody, USAGE_OBJECT),
  skipsResponse: false,
  findMissing: (facts) => missingElements(facts, "messages"),
};

const rawPredictParser: ParserDefinition = {
  type: "vertexai-parser",
  claims: suffixes(`${SERVICE}/RawPredict`, `${SERVICE}/StreamRawPredict`),
  body: { kind: "grpc", findPrompt: findHttpBody(layout.API_OPENAI_RESPONSES) },
  usageFormat: grpcBodies(readHttpBody, USAGE_OBJECT),
  skipsResponse: false,
  findMissing: (facts) => missingPrompt(facts, "input", "a text or a list of items"),
};

const otherMethodsParser: ParserDefinition = {
  type: "vertexai-parser",
  claims: [{ kind: "service", text: SERVICE }],
  body: { kind: "unread" },
  usageFormat: undefined,
  skipsResponse: true,
  findMissing: nothingMissing,
};

export const vertexAiParsers: readonly ParserDefinition[] = [
  chatCompletionsParser,
  rawPredictParser,
  otherMethodsParser,
];

/** The JSON says itself whether it asks for a stream, and for how much. */
function findHttpBody(api: number): PromptFinder {
  return (message) => {
    const bytes = readPredictionRequest(message);
    return bytes === undefined
      ? "request body has no http_body"
      : { api, bytes, isStream: false, outputCap: undefined };
  };
}
