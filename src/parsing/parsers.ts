/** The list of parsers: the only file that imports them all. */
import { anthropicCountTokensParser, anthropicMessagesParser } from "./anthropic-messages.ts";
import { openaiChatParser } from "./openai-chat.ts";
import { openaiCompletionsParser } from "./openai-completions.ts";
import { openaiConversationsParser } from "./openai-conversations.ts";
import { openaiEmbeddingsParser } from "./openai-embeddings.ts";
import { openaiImagesParser } from "./openai-images.ts";
import { openaiResponsesParser } from "./openai-responses.ts";
import type { ParserDefinition, ParserType } from "./parser.ts";
import { passthroughParser } from "./passthrough.ts";
import { sglangGenerateParser } from "./sglang-generate.ts";
import { vertexAiParsers } from "./vertex-ai.ts";
import { vllmGenerateParser } from "./vllm-generate.ts";
import { vllmGrpcParsers } from "./vllm-grpc.ts";

/** The APIs of each parser type. */
export const PARSERS_BY_TYPE: Readonly<Record<ParserType, readonly ParserDefinition[]>> = {
  "openai-parser": [
    openaiChatParser,
    openaiCompletionsParser,
    openaiEmbeddingsParser,
    openaiResponsesParser,
    openaiConversationsParser,
    openaiImagesParser,
  ],
  "anthropic-parser": [anthropicMessagesParser, anthropicCountTokensParser],
  "vllmhttp-parser": [vllmGenerateParser],
  "sglanghttp-parser": [sglangGenerateParser],
  "vllmgrpc-parser": vllmGrpcParsers,
  "vertexai-parser": vertexAiParsers,
  "passthrough-parser": [passthroughParser],
};

/** The parsers of these types, in their order. A type that comes again is passed over. */
export function parsersOf(types: readonly ParserType[]): readonly ParserDefinition[] {
  return [...new Set(types)].flatMap((type) => PARSERS_BY_TYPE[type]);
}

/** Every type there is. */
export const PARSER_TYPES: readonly ParserType[] = Object.keys(PARSERS_BY_TYPE) as ParserType[];
